/** The servers on the admin pages and in the metrics: what is known of each, and what an operator may do with it. */
import type { SeriesOptions } from "./series.ts";

/** Whether a server takes sessions, as far as the gateway knows, and how many it has. */
export interface ServerState {
  readonly pool: string;
  /** As in the configuration: `192.0.2.1:25`. */
  readonly server: string;
  /** What the operator wants with it. */
  readonly state: string;
  readonly isUp: boolean;
  /** Who says that it is not; null: it is. */
  readonly objection: string | null;
  /** What the last check found wrong; null: nothing, or there was none. */
  readonly fault: string | null;
  readonly sessions: number;
  /** How often it has gone either way. */
  readonly transitions: { readonly up: number; readonly down: number };
}

export interface ServerActions {
  states(): Iterable<ServerState>;
  setState(pool: string, server: string, state: string): "done" | "unknown-server" | "unknown-state";
}

/** A server on `GET /api/servers`. */
export function serverAnswer({ isUp, objection, transitions: _, ...same }: ServerState): object {
  return { ...same, up: isUp, downBy: objection };
}

export function serverMetrics(states: () => Iterable<ServerState>): SeriesOptions[] {
  const each = (value: (server: ServerState) => number) => () =>
    Array.from(states(), (state) => {
      const { pool, server } = state;
      return { labels: { pool, server }, value: value(state) };
    });
  return [
    {
      name: "postern_server_up",
      type: "gauge",
      help: "1 while a server counts as up, 0 while it does not.",
      read: each(({ isUp }) => Number(isUp)),
    },
    {
      name: "postern_server_sessions",
      type: "gauge",
      help: "Sessions that a server has now, those included that it has yet to greet.",
      read: each(({ sessions }) => sessions),
    },
    {
      name: "postern_server_transitions_total",
      type: "counter",
      help: "How often a server has gone up or down.",
      read: () =>
        Array.from(states()).flatMap(({ pool, server, transitions }) =>
          (["up", "down"] as const).map((to) => ({ labels: { pool, server, to }, value: transitions[to] })),
        ),
    },
  ];
}

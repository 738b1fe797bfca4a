/**
 * What would become of a connection now, on each listener: a session's first turns in their order, asked of the same
 * monitors, the same bans, the same total and the same limits, but counting nothing. `Session` has the order; a step that is added there is
 * to be added here.
 */
import { type Address, Networks } from "../address.ts";
import type { Clock } from "../clock.ts";
import type { Configuration } from "../config/options.ts";
import { type ClientEvent, type Exceeded, Limiter, type Verdict } from "../limits/limiter.ts";
import type { Table } from "../limits/table.ts";
import { Total } from "../limits/total.ts";
import type { Prospect } from "../observe/explain.ts";
import type { Reason } from "../outcome.ts";
import type { Pool } from "../pools/pool.ts";
import type { Bans } from "../proxy/gate.ts";
import type { ListenerOptions } from "../proxy/options.ts";
import { type Places, scopeOf } from "./registry.ts";

interface Ground {
  readonly table: Table;
  readonly total: SharedArrayBuffer;
  readonly places: Places;
  readonly pools: readonly Pool[];
  readonly bans: Bans;
  readonly clock: Clock;
}

/** As much of a gate as is asked here. */
interface Wicket {
  readonly options: ListenerOptions;
  readonly monitors: Networks;
  readonly limiter: Limiter;
  readonly pool: Pool;
}

type Excess = NonNullable<Verdict["excess"]>;

/** What there are too many of. */
const counted: Readonly<Record<Excess, string>> = {
  "connection-count": "connections at once",
  "connection-rate": "connections in the window",
  "max-connections": "clients in the table",
  "message-rate": "messages in the window",
  "recipient-rate": "recipients in the window",
  "auth-rate": "logins tried in the window",
  "new-tls-session-rate": "new TLS sessions in the window",
  "auth-failure-rate": "failed logins in the window",
};

/** What a client is refused, once it is in. */
const withheld: Readonly<Record<ClientEvent, string>> = {
  "message-rate": "MAIL",
  "recipient-rate": "RCPT",
  "auth-rate": "a login",
  "new-tls-session-rate": "a new TLS session",
  "auth-failure-rate": "any login",
};

/** Asks for one configuration; the answers are in its listeners' order. */
export function prospects(configuration: Configuration, ground: Ground): (client: Address) => Prospect[] {
  const { listeners, limits, maxConnections } = configuration;
  const { table, total, places, pools } = ground;
  const wickets = listeners.map((options) => {
    const scope = places.scopes.get(scopeOf(configuration, options))!;
    const pool = pools.find(({ options: { name } }) => name === options.pool)!;
    const limiter = new Limiter(table, limits[options.limits]!, scope);
    return { options, monitors: new Networks(options.monitors), limiter, pool };
  });
  return (client) => {
    const isFull = Total.isFull(total, maxConnections);
    return wickets.map((wicket) => prospect(wicket, client, { ...ground, isFull }));
  };
}

function prospect(
  { options, monitors, limiter, pool }: Wicket,
  client: Address,
  { bans, clock, isFull }: Pick<Ground, "bans" | "clock"> & { readonly isFull: boolean },
): Prospect {
  const now = clock.seconds();
  const { name: listener, proxy, tls } = options;
  const down = pool.isDown(now) ? [`no server of pool ${options.pool} is up`] : [];
  const accepted = (...notes: string[]) => ({ listener, refusal: null, action: null, notes });
  const refused = (refusal: Reason, ...notes: string[]) => ({ listener, refusal, action: null, notes });
  if (proxy !== null && !client.isClient) return refused("proxy-source");
  if (monitors.contains(client))
    return accepted("one of the monitors: only answered, as a health check", ...down);
  const ban = bans.judge(client, now);
  if (ban !== null) {
    const action = ban.tarpits ? "tarpit" : options.ban.action;
    return { ...refused("banned", `decision ${ban.id} of ${ban.origin}`), action };
  }
  if (bans.areMissingFor(client)) return refused("ban-list-missing");
  if (isFull) return refused("max-connections");
  const { connection, securing, next, isException } = limiter.forecast(client, now);
  for (const { excess, ...verdict } of tls === "implicit" ? [connection, securing] : [connection]) {
    if (excess !== null && verdict.refused) return refused(excess, excessText(excess, verdict));
  }
  const notes = isException ? ["one of the exceptions: never limited"] : [];
  if (connection.excess !== null) {
    notes.push(`let in by dryRun alone (${excessText(connection.excess, connection)})`);
  }
  for (const verdict of next) if (isHeard(verdict.excess, options)) notes.push(nextText(verdict));
  if (pool.isFull(now)) notes.push(`all servers of pool ${options.pool} are full`);
  return accepted(...notes, ...down, ...parkingNotes(pool, now));
}

/** Whether it would wait for a server, where it could not be served at once. */
function parkingNotes(pool: Pool, nowSeconds: number): string[] {
  const { queue } = pool;
  const waits = queue !== null && (queue.size > 0 || (pool.room(nowSeconds) ?? 0) === 0);
  if (!waits) return [];
  if (!queue.hasRoom) return ["no more clients are parked"];
  return [queue.size === 0 ? "it would be parked" : `it would be parked, behind ${queue.size} others`];
}

function nextText(verdict: Exceeded): string {
  const outcome = verdict.refused ? "is refused" : "passes by dryRun alone";
  return `${withheld[verdict.excess]} ${outcome} (${excessText(verdict.excess, verdict)})`;
}

function excessText(excess: Excess, { count, limit }: Pick<Verdict, "count" | "limit">): string {
  return `${counted[excess]}: ${count}, limit ${limit}`;
}

/** Whether postern reads as much of what passes there. */
function isHeard(event: ClientEvent, { protocol, tls }: ListenerOptions): boolean {
  switch (event) {
    case "new-tls-session-rate":
      return tls === "starttls" || tls === "implicit";
    case "message-rate":
    case "recipient-rate":
      return protocol === "smtp" && tls !== "passthrough";
    case "auth-rate":
    case "auth-failure-rate":
      return protocol !== "tcp" && tls !== "passthrough";
    default:
      return event satisfies never;
  }
}

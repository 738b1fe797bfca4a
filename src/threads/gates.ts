/** Builds one thread's gates: here a listener is handed its dialogue, its limits and its pool. */
import { Networks } from "../address.ts";
import type { Clock } from "../clock.ts";
import type { Configuration } from "../config/options.ts";
import type { Dialogue } from "../dialogue.ts";
import { imapDialogue } from "../imap/dialogue.ts";
import { Limiter } from "../limits/limiter.ts";
import { Table } from "../limits/table.ts";
import { Total } from "../limits/total.ts";
import { Pool } from "../pools/pool.ts";
import type { Gate, Observer } from "../proxy/gate.ts";
import type { Protocol } from "../proxy/options.ts";
import type { Sessions } from "../proxy/sessions.ts";
import { smtpDialogue } from "../smtp/dialogue.ts";
import type { Wire } from "../wire/wire.ts";
import { type SharedMemory, scopeOf, scopesOf } from "./shared.ts";

export interface GateParts {
  readonly memory: SharedMemory;
  readonly thread: number;
  readonly wire: Wire;
  readonly clock: Clock;
  readonly sessions: Sessions;
  readonly observer: Observer;
}

const DIALOGUES: Readonly<Record<Protocol, ((options: { hostname: string }) => Dialogue) | null>> = {
  smtp: smtpDialogue,
  imap: imapDialogue,
  tcp: null,
};

export function makeGates(configuration: Configuration, parts: GateParts): Gate[] {
  const { hostname, maxConnections, listeners, limits } = configuration;
  const { memory, thread, wire, clock, sessions, observer } = parts;
  const table = new Table(memory.table, thread);
  const total = new Total(memory.total, thread, maxConnections);
  const pools = configuration.pools.map((options, index) => new Pool(options, memory.pools[index]!));
  const scopes = scopesOf(configuration);
  return listeners.map((options, index) => {
    const poolIndex = pools.findIndex((pool) => pool.options.name === options.pool);
    return {
      index,
      options,
      header: options.proxy && { from: new Networks(options.proxy.from), timeoutMs: options.proxy.timeoutMs },
      dialogue: options.tls === "off" ? (DIALOGUES[options.protocol]?.({ hostname }) ?? null) : null,
      limiter: new Limiter(table, limits[options.limits]!, scopes.indexOf(scopeOf(configuration, options))),
      pool: pools[poolIndex]!,
      poolIndex,
      total,
      wire,
      clock,
      sessions,
      observer,
    };
  });
}

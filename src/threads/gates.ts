/**
 * Builds one thread's gates: here a listener is handed its dialogue, its limits, its pool, and the papers for TLS; and where
 * other gates come in their place, those who wait for a server are handed on.
 */
import { isDeepStrictEqual } from "node:util";
import { Networks } from "../address.ts";
import type { Clock } from "../clock.ts";
import type { Configuration } from "../config/options.ts";
import type { Dialogue } from "../dialogue.ts";
import { imapDialogue } from "../imap/dialogue.ts";
import { Limiter } from "../limits/limiter.ts";
import { Table } from "../limits/table.ts";
import { Total } from "../limits/total.ts";
import type { PoolOptions } from "../pools/options.ts";
import { Pool } from "../pools/pool.ts";
import type { Bans, Gate, Observer } from "../proxy/gate.ts";
import type { ListenerOptions } from "../proxy/options.ts";
import { Parking } from "../proxy/parking.ts";
import type { Sessions } from "../proxy/sessions.ts";
import { smtpDialogue } from "../smtp/dialogue.ts";
import type { Certificates } from "../wire/certificates.ts";
import { Trust } from "../wire/trust.ts";
import type { Wire } from "../wire/wire.ts";
import { type Places, scopeOf } from "./registry.ts";
import type { SharedMemory } from "./shared.ts";

export interface GateParts {
  readonly memory: SharedMemory;
  readonly places: Places;
  readonly thread: number;
  readonly wire: Wire;
  /** Shared by all gates; null where there are none, and no gate needs them. */
  readonly certificates: Certificates | null;
  readonly bans: Bans;
  readonly clock: Clock;
  readonly sessions: Sessions;
  readonly observer: Observer;
  /** What is in force; null: this is the first. */
  readonly former: Generation | null;
}

/** All that one configuration has made in a thread. */
export interface Generation {
  readonly gates: readonly Gate[];
  readonly pools: readonly Pool[];
  /** By the pools' names. */
  readonly parkings: ReadonlyMap<string, Parking>;
}

export function makeGates(configuration: Configuration, parts: GateParts): Generation {
  const { hostname, maxConnections, listeners, limits } = configuration;
  const { memory, places, thread, certificates, former, ...shared } = parts;
  const table = new Table(memory.table, thread);
  const total = new Total(memory.total, thread, maxConnections);
  const pools = configuration.pools.map((options, index) => new Pool(options, memory.pools[index]!, thread));
  const parkings = new Map(
    pools.map((pool) => {
      const { name } = pool.options;
      return [name, former?.parkings.get(name) ?? new Parking(pool, parts.clock)];
    }),
  );
  const upstreamTls = configuration.pools.map(({ tls }) =>
    tls.mode === "off" ? null : { side: "client" as const, trust: new Trust(tls) },
  );
  const gates = listeners.map((options): Gate => {
    const { proxy, tls, smtp } = options;
    const at = pools.findIndex((pool) => pool.options.name === options.pool);
    const pool = pools[at]!;
    const scope = places.scopes.get(scopeOf(configuration, options))!;
    const loginWaits = loginNeedsTls(options, pool.options);
    const dialogue = dialogueOf(options, hostname, loginWaits);
    const endsTls = tls === "starttls" || tls === "implicit";
    return {
      index: places.listeners.get(options.name)!,
      options,
      header: proxy && { from: new Networks(proxy.from), timeoutMs: proxy.timeoutMs },
      monitors: new Networks(options.monitors),
      dialogue,
      tls: endsTls ? { side: "server", certificates: certificates! } : null,
      tlsToCome: tls === "starttls" && loginWaits ? { version: null, cipher: null } : null,
      upstreamTls: upstreamTls[at]!,
      refusesEarlyTalk: dialogue !== null && smtp.earlyTalk === "refuse",
      limiter: new Limiter(table, limits[options.limits]!, scope),
      pool,
      parking: parkings.get(options.pool)!,
      poolIndex: places.pools.get(options.pool)!,
      total,
      successor: null,
      ...shared,
    };
  });
  return { gates, pools, parkings };
}

/** The next one is in force: whoever waits for a server goes on behind its gates. */
export function relieve({ gates }: Generation, next: Generation): void {
  for (const pool of next.pools) next.parkings.get(pool.options.name)!.serve(pool);
  for (const gate of gates) gate.successor = next.gates.find((other) => mayFollow(gate, other)) ?? null;
}

/** Whether a client that came through the one may go on behind the other: what is heard of it was settled as it came. */
function mayFollow(gate: Gate, next: Gate): boolean {
  const settled = ({ options, pool }: Gate) => {
    const { name, protocol, tls } = options;
    return [name, protocol, tls, options.pool, loginNeedsTls(options, pool.options)];
  };
  return isDeepStrictEqual(settled(gate), settled(next));
}

/** Whose a client's STARTTLS is, in the dialogue's words. */
const STARTTLS = { off: "passed", starttls: "offered", implicit: "begun" } as const;

/** A server that is spoken to in TLS, or told that its client is, takes every login for one that was encrypted all the way. */
function loginNeedsTls({ protocol, tls, smtp }: ListenerOptions, pool: PoolOptions): boolean {
  const isAtRisk = tls === "starttls" || (tls === "off" && pool.tls.mode !== "off");
  return isAtRisk && (protocol !== "smtp" || smtp.authOnlyOverTls);
}

export function dialogueOf(
  listener: ListenerOptions,
  hostname: string,
  loginNeedsTls: boolean,
): Dialogue | null {
  const { protocol, tls, smtp, ban } = listener;
  if (tls === "passthrough") return null;
  const terms = { hostname, banText: ban.text, startTls: STARTTLS[tls], loginNeedsTls };
  switch (protocol) {
    case "smtp": {
      const { earlyTalk, bareNewline } = smtp;
      return smtpDialogue({ ...terms, earlyTalk, bareNewline });
    }
    case "imap":
      return imapDialogue(terms);
    case "tcp":
      return null;
    default:
      return protocol satisfies never;
  }
}

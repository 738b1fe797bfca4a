/**
 * All pools' servers, as the control thread keeps them: it has them checked, obeys the operator, and notices who is up or
 * down, whoever has found that out.
 */
import type { Clock, Timers } from "../clock.ts";
import type { Configuration } from "../config/options.ts";
import { connectSecondsBounds, type Distribution } from "../observe/counters.ts";
import type { EventLog } from "../observe/logger.ts";
import type { ServerActions, ServerState } from "../observe/servers.ts";
import { Checks } from "../pools/checks.ts";
import { type OperatorState, operatorStates } from "../pools/health.ts";
import type { PoolOptions } from "../pools/options.ts";
import type { Pool, Server } from "../pools/pool.ts";
import { Probe, type ProbeTerms } from "../proxy/probe.ts";
import { resolver } from "../wire/names.ts";
import { Trust } from "../wire/trust.ts";
import type { Wire } from "../wire/wire.ts";
import { dialogueOf } from "./gates.ts";
import { Names } from "./names.ts";

/**
 * How soon it is noticed what sessions have found out: well below the 15 s for which a server counts as down then, and soon
 * enough for those who are parked until checks find their server well again.
 */
const LOOK_MS = 1000;

/** How long the process's end waits for a check whose server has said nothing: one that is well answers in a moment. */
const MUTE_MS = 1000;

/** And for one whose server takes its time for the greeting: postscreen's six seconds, and a goodbye. */
const STOP_MS = 7000;

interface Parts {
  readonly configuration: Configuration;
  readonly pools: readonly Pool[];
  /** Of the configuration before: what it knows of servers that stay goes on. */
  readonly former: Servers | null;
  readonly wire: Wire;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** A server, and what was last said of it. */
interface Entry {
  readonly pool: Pool;
  readonly server: Server;
  wasUp: boolean;
  /** Of the last check; null: it found none. */
  fault: string | null;
  readonly transitions: { up: number; down: number };
}

/** What an operator wants with a server. */
export type Wish = Pick<ServerState, "pool" | "server" | "state">;

const UNKNOWN = { wasUp: true, fault: null, transitions: { up: 0, down: 0 } };

export class Servers implements ServerActions {
  readonly #pools: readonly Pool[];
  readonly #names: Names;
  #entries: readonly Entry[] = [];
  readonly #checks: readonly Checks[];
  /** How long checks took, by the pool's name. */
  readonly #seconds: ReadonlyMap<string, Spread>;
  readonly #log: EventLog;
  readonly #clock: Clock;
  #looks: NodeJS.Timeout | null = null;
  /** For servers whose names are not resolved yet. */
  #wishes: readonly Wish[];

  constructor({ configuration, pools, former, wire, log, clock, timers }: Parts) {
    this.#log = log;
    this.#clock = clock;
    this.#pools = pools;
    this.#wishes = former === null ? [] : former.#wishes;
    this.#names = new Names(pools, {
      resolve: resolver(null),
      timers,
      log,
      changed: (pool) => {
        this.#enter(null);
        this.adopt(this.#wishes);
        this.#checks[pools.indexOf(pool)]!.start();
      },
    });
    this.#enter(former);
    this.#seconds = new Map(
      pools.map(({ options: { name } }) => [name, former === null ? new Spread() : former.#spreadOf(name)]),
    );
    this.#checks = pools.map((pool) => {
      const terms = { wire, timers, ...mannersOf(configuration, pool.options) };
      const { address } = pool.options.health;
      return new Checks(pool, {
        clock,
        timers,
        random: Math.random,
        check: ({ endpoint }, done) =>
          new Probe(
            terms,
            address === null ? endpoint : { ...address, host: address.host ?? endpoint.host },
            done,
          ),
        checked: (server, fault, tookMs) => {
          this.#seconds.get(pool.options.name)!.add(tookMs / 1000);
          const entry = this.#find(pool.options.name, server.name);
          if (entry !== undefined) entry.fault = fault;
          this.#look();
        },
      });
    });
  }

  /** `former`: those before, which have stopped. No server is checked twice at a time. */
  start(former: Servers | null): void {
    this.#names.start();
    for (const [index, checks] of this.#checks.entries()) {
      const { name } = this.#pools[index]!.options;
      const before = former === null ? undefined : former.#checksOf(name);
      if (before !== undefined) checks.follow(before);
      checks.start();
    }
    this.#looks = setInterval(() => {
      for (const checks of this.#checks) checks.review();
      this.#look();
    }, LOOK_MS).unref();
  }

  /** No more checks, as the process drains: whoever takes its place has its own. Names are asked for on, for the parked. */
  retire(): void {
    for (const checks of this.#checks) checks.retire();
  }

  /** No more of all that; the checks that are under way come to their ends by themselves. */
  stop(): void {
    this.#names.stop();
    if (this.#looks !== null) clearInterval(this.#looks);
    for (const checks of this.#checks) checks.stop();
  }

  /** Likewise; resolves when no check is under way, here or in those before: at their ends, or when they had time for it. */
  async end(): Promise<void> {
    this.stop();
    const abort = (which: "all" | "mute") => {
      for (const checks of this.#checks) checks.abort(which);
    };
    const timers = [setTimeout(abort, MUTE_MS, "mute"), setTimeout(abort, STOP_MS, "all")];
    await Promise.all(this.#checks.map((checks) => checks.end()));
    for (const timer of timers) clearTimeout(timer);
  }

  *states(): Generator<ServerState> {
    const now = this.#clock.seconds();
    for (const { pool, server, transitions, fault } of this.#entries) {
      yield {
        pool: pool.options.name,
        server: server.name,
        state: pool.operatorState(server),
        isUp: pool.isUp(server, now),
        objection: pool.objection(server, now),
        fault,
        sessions: pool.sessionsOn(server),
        transitions,
      };
    }
  }

  /** How long the checks of a pool took. */
  checkSeconds(pool: string): Distribution {
    return this.#seconds.get(pool)!.distribution;
  }

  setState(pool: string, server: string, state: string): "done" | "unknown-server" | "unknown-state" {
    const entry = this.#find(pool, server);
    if (entry === undefined) return "unknown-server";
    if (!isOperatorState(state)) return "unknown-state";
    const was = entry.pool.operatorState(entry.server);
    entry.pool.setOperatorState(entry.server, state);
    this.#log.event("info", "server-state", { pool, server, state, was });
    this.#look();
    return "done";
  }

  /** What was wanted where our place was another's. */
  adopt(wishes: readonly Wish[]): void {
    this.#wishes = wishes.filter(
      ({ pool, server, state }) =>
        this.setState(pool, server, state) === "unknown-server" && !this.#isResolved(pool, server),
    );
  }

  /** Whether the addresses of the server's name are known, or it has none. */
  #isResolved(pool: string, server: string): boolean {
    const [name, address] = server.split("/");
    if (address === undefined) return true;
    return this.#entries.some(
      (entry) => entry.pool.options.name === pool && entry.server.name.startsWith(`${name}/`),
    );
  }

  #checksOf(pool: string): Checks | undefined {
    return this.#checks[this.#pools.findIndex(({ options }) => options.name === pool)];
  }

  #spreadOf(pool: string): Spread {
    return this.#seconds.get(pool) ?? new Spread();
  }

  /** Takes down who is there now; what is known of those that stay, here or in `former`, is kept. */
  #enter(former: Servers | null): void {
    this.#entries = this.#pools.flatMap((pool) =>
      pool.servers.map((server) => {
        const here = this.#entries.find((entry) => entry.server === server);
        if (here !== undefined) return here;
        const known = (former === null ? null : former.#find(pool.options.name, server.name)) ?? UNKNOWN;
        return { ...known, transitions: { ...known.transitions }, pool, server };
      }),
    );
  }

  #find(pool: string, server: string): Entry | undefined {
    return this.#entries.find((entry) => entry.pool.options.name === pool && entry.server.name === server);
  }

  /** Says what has changed. */
  #look(): void {
    const now = this.#clock.seconds();
    for (const entry of this.#entries) {
      const { pool, server, fault } = entry;
      const by = pool.objection(server, now);
      if ((by === null) === entry.wasUp) continue;
      entry.wasUp = by === null;
      entry.transitions[entry.wasUp ? "up" : "down"]++;
      const fields = { pool: pool.options.name, server: server.name };
      if (by === null) this.#log.event("info", "server-up", fields);
      else {
        const detail = by === "checks" && fault !== null ? { detail: fault } : {};
        this.#log.event("warn", "server-down", { ...fields, by, ...detail });
      }
    }
  }
}

/** How often a check took how long; the same columns as for connections. */
class Spread {
  readonly #counts: number[] = Array.from({ length: connectSecondsBounds.length + 1 }, () => 0);
  #sum = 0;

  get distribution(): Distribution {
    return { counts: this.#counts, sum: this.#sum };
  }

  add(seconds: number): void {
    const bucket = connectSecondsBounds.findIndex((bound) => seconds <= bound);
    this.#counts.splice(bucket, 1, this.#counts.at(bucket)! + 1);
    this.#sum += seconds;
  }
}

function isOperatorState(text: string): text is OperatorState {
  return operatorStates.some((state) => state === text);
}

/** How a pool's servers are spoken to, as the first listener has it that uses the pool and says what is spoken. */
function mannersOf(
  { hostname, listeners }: Configuration,
  pool: PoolOptions,
): Pick<ProbeTerms, "options" | "dialogue" | "upstreamTls"> {
  const listener = listeners.find(({ protocol, ...other }) => other.pool === pool.name && protocol !== "tcp");
  const dialogue = listener === undefined ? null : dialogueOf({ ...listener, tls: "off" }, hostname, false);
  // What passes through is TLS of the clients': a check has to begin its own, and whom it reaches is theirs to verify.
  const tls =
    listener?.tls === "passthrough"
      ? { mode: "implicit" as const, verify: "none" as const, name: null, ca: null }
      : pool.tls;
  return {
    options: { ...pool, identity: pool.health.identity ?? pool.identity, tls },
    dialogue,
    upstreamTls: tls.mode === "off" ? null : { side: "client", trust: new Trust(tls) },
  };
}

/** Keeps the addresses of servers that are written by name: asks for them, again when they have had their time, and says what came of it. */
import { Address, endpointText } from "../address.ts";
import type { Cancel, Timers } from "../clock.ts";
import type { EventLog } from "../observe/logger.ts";
import type { ServerOptions } from "../pools/options.ts";
import { isNamed } from "../pools/places.ts";
import type { Pool } from "../pools/pool.ts";
import type { Resolution } from "../wire/names.ts";

/** A TTL of 0 is no wish to be asked without end. */
const AGAIN_MIN_MS = 5000;
/** However long an answer may be kept: a mistake in it is not to last for days. */
const AGAIN_MAX_MS = 3_600_000;
/** Where nobody has said when, and after half an answer at the latest. */
const AGAIN_MS = 30_000;
/** After a failure, as little as may be: there may be no server at all. */
const RETRY_MS = AGAIN_MIN_MS;

export interface NamesTerms {
  resolve(name: string): Promise<Resolution>;
  readonly timers: Timers;
  readonly log: EventLog;
  /** A pool has other servers than before. */
  changed(pool: Pool): void;
}

/** A server that is written by name. */
interface Named {
  readonly pool: Pool;
  readonly options: ServerOptions;
  /** Takes the next question back. */
  cancel: Cancel;
  /** What was last said to be wrong; null: nothing. */
  trouble: string | null;
}

export class Names {
  readonly #terms: NamesTerms;
  readonly #named: readonly Named[];
  #isStopped = false;

  constructor(pools: readonly Pool[], terms: NamesTerms) {
    this.#terms = terms;
    this.#named = pools.flatMap((pool) =>
      pool.options.servers
        .filter(isNamed)
        .map((options) => ({ pool, options, cancel: () => {}, trouble: null })),
    );
  }

  start(): void {
    for (const named of this.#named) void this.#ask(named);
  }

  stop(): void {
    this.#isStopped = true;
    for (const { cancel } of this.#named) cancel();
  }

  async #ask(named: Named): Promise<void> {
    const answer = await this.#terms.resolve(named.options.endpoint.host);
    if (this.#isStopped) return;
    const againMs = this.#take(named, answer);
    named.cancel = this.#terms.timers.after(againMs, () => void this.#ask(named));
  }

  /** How long the answer holds. One that is none leaves all as it is. */
  #take(named: Named, answer: Resolution): number {
    if (!answer.ok) return this.#failed(named, answer.code);
    if (answer.addresses.length === 0) return this.#failed(named, "ENODATA");
    named.trouble = null;
    this.#settle(named, [...answer.addresses, ...known(named, answer.unknown)]);
    if (answer.ttlSeconds === null) return AGAIN_MS;
    const longestMs = answer.unknown === null ? AGAIN_MAX_MS : AGAIN_MS;
    return Math.min(Math.max(answer.ttlSeconds * 1000, AGAIN_MIN_MS), longestMs);
  }

  #settle({ pool, options }: Named, addresses: readonly Address[]): void {
    if (!pool.settle(options, addresses)) return;
    this.#terms.log.event("info", "server-resolved", {
      pool: pool.options.name,
      server: endpointText(options.endpoint),
      addresses: addresses.map(({ text }) => text),
    });
    this.#terms.changed(pool);
  }

  #failed(named: Named, code: string): number {
    if (named.trouble !== code) {
      const { pool, options } = named;
      const fields = { pool: pool.options.name, server: endpointText(options.endpoint), code };
      this.#terms.log.event("warn", "server-unresolved", fields);
    }
    named.trouble = code;
    return RETRY_MS;
  }
}

/** The addresses of this family that the server has now. */
function known({ pool, options }: Named, family: 4 | 6 | null): Address[] {
  const written = `${endpointText(options.endpoint)}/`;
  return pool.servers
    .filter(({ name }) => name.startsWith(written))
    .map(({ endpoint }) => Address.parse(endpoint.host)!)
    .filter((address) => address.family === family);
}

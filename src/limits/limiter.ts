/**
 * The limits of one scope, as one thread asks about them: may this client connect?
 *
 * It owns no counter (they are the table's) and no clock (the time is an argument), and knows no protocol. The meaning is
 * that of Postfix's anvil(8): both counts are taken before either is judged, refused connections count as well, and a
 * limit is exceeded when the count is greater than it.
 */
import { Address, Networks } from "../address.ts";
import type { Reason } from "../outcome.ts";
import type { LimitOptions } from "./options.ts";
import { NO_LEASE, type Table, type Visit } from "./table.ts";

/** In the order in which they are judged; the last is the table's own: it has no room for one more client. */
type Excess = Extract<Reason, "connection-count" | "connection-rate" | "max-connections">;

export interface Admission {
  /** To be given back exactly once, refused or not; negative when the table was full and nothing was counted. */
  readonly lease: number;
  /** The limit that is exceeded, if one is. It is exceeded but not `refused` where limits do not bind. */
  readonly excess: Excess | null;
  /** What was counted, and the limit that it exceeds; 0 without an excess. */
  readonly count: number;
  readonly limit: number;
  readonly refused: boolean;
}

export class Limiter {
  readonly #table: Table;
  readonly #options: LimitOptions;
  readonly #exceptions: Networks;
  readonly #visit: Visit;

  constructor(table: Table, options: LimitOptions, scope: number) {
    this.#table = table;
    this.#options = options;
    this.#exceptions = new Networks(options.exceptions);
    this.#visit = {
      scope,
      prefix: Address.v4(0),
      length: 0,
      nowSeconds: 0,
      unitSeconds: options.timeUnitSeconds,
      concurrency: 0,
      connections: 0,
    };
  }

  /**
   * Counts a connection of `client` and judges it. One of the exceptions is counted but never has an excess; a dry run has
   * one but refuses nothing. That holds for a full table, too: these go on without a lease, uncounted.
   */
  connect(client: Address, nowSeconds: number): Admission {
    const visit = this.#visit;
    visit.length = client.family === 4 ? this.#options.ipv4PrefixLength : this.#options.ipv6PrefixLength;
    visit.prefix = client.prefix(visit.length);
    visit.nowSeconds = nowSeconds;
    const admission = this.#judge(this.#table.connect(visit));
    const exempt = admission.excess !== null && this.#exceptions.contains(client);
    return exempt ? admitted(admission.lease) : admission;
  }

  /** The end of a connection; nothing to do where there was no lease. */
  disconnect(lease: number, ended: { refused: boolean; bytes: number }, nowSeconds: number): void {
    if (lease !== NO_LEASE) this.#table.disconnect(lease, ended, nowSeconds);
  }

  #judge(lease: number): Admission {
    const { connectionCount, connectionRate, dryRun } = this.#options;
    const { concurrency, connections } = this.#visit;
    const { capacity } = this.#table;
    const refused = !dryRun;
    if (lease === NO_LEASE) {
      return { lease, excess: "max-connections", count: capacity + 1, limit: capacity, refused };
    }
    if (exceeds(concurrency, connectionCount)) {
      return { lease, excess: "connection-count", count: concurrency, limit: connectionCount, refused };
    }
    if (exceeds(connections, connectionRate)) {
      return { lease, excess: "connection-rate", count: connections, limit: connectionRate, refused };
    }
    return admitted(lease);
  }
}

/** A limit of 0 is off. */
function exceeds(count: number, limit: number): boolean {
  return limit > 0 && count > limit;
}

function admitted(lease: number): Admission {
  return { lease, excess: null, count: 0, limit: 0, refused: false };
}

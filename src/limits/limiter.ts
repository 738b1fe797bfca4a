/**
 * The limits of one scope, as one thread asks about them: may this client connect, and then do this?
 *
 * It owns no counter (they are the table's) and no clock (the time is an argument), and knows no protocol. The meaning is
 * that of Postfix's anvil(8): an event is counted before it is judged, refused ones count as well, and a limit is exceeded
 * when the count is greater than it.
 */
import { Address, Networks } from "../address.ts";
import type { Reason } from "../outcome.ts";
import type { LimitOptions } from "./options.ts";
import { type Counter, type Ended, NO_LEASE, type Table, type Visit } from "./table.ts";

/** In the order in which they are judged; the last is the table's own: it has no room for one more client. */
type ConnectionExcess = Extract<Reason, "connection-count" | "connection-rate" | "max-connections">;

export interface Verdict<Excess = ConnectionExcess | ClientEvent> {
  /** The limit that is exceeded, if one is. It is exceeded but not `refused` where limits do not bind. */
  readonly excess: Excess | null;
  /** What was counted, and the limit that it exceeds; 0 without an excess. */
  readonly count: number;
  readonly limit: number;
  readonly refused: boolean;
}

export interface Admission extends Verdict<ConnectionExcess> {
  /** To be given back exactly once, refused or not; negative when the table was full and nothing was counted. */
  readonly lease: number;
}

/** The limit of some event's is exceeded. */
export interface Exceeded extends Verdict<ClientEvent> {
  readonly excess: ClientEvent;
}

/** What a client would meet if it connected now. */
export interface Forecast {
  /** What it would be told at once. */
  readonly connection: Verdict<ConnectionExcess>;
  /** Whether TLS would be refused beforehand. */
  readonly securing: Verdict<ClientEvent>;
  /** The limits that it would exceed by the next event of their kind. */
  readonly next: readonly Exceeded[];
  /** It is one of the exceptions. */
  readonly isException: boolean;
}

const ALLOWED: Verdict<never> = { excess: null, count: 0, limit: 0, refused: false };

/** The longest that a client is not heard: mail clients wait a minute for an answer, some of which is the server's to take. */
const FAILURE_DELAY_MAX_MS = 30_000;

/** What counts an event, by the reason with which its excess is refused, and what bounds it. */
const events = {
  "message-rate": { counter: "messages", limit: "messageRate" },
  "recipient-rate": { counter: "recipients", limit: "recipientRate" },
  "auth-rate": { counter: "auths", limit: "authRate" },
  "new-tls-session-rate": { counter: "tlsSessions", limit: "newTlsSessionRate" },
  "auth-failure-rate": { counter: "authFailures", limit: "authFailureRate" },
} as const satisfies Readonly<Record<string, { counter: Counter; limit: keyof LimitOptions }>>;

/** What a client may do only so often, once it is connected. */
export type ClientEvent = keyof typeof events;

/** All but failed logins: these are not the client's choice, and are judged at the next one. */
const attemptedEvents = [
  "message-rate",
  "recipient-rate",
  "auth-rate",
  "new-tls-session-rate",
] as const satisfies readonly ClientEvent[];

export type AttemptedEvent = (typeof attemptedEvents)[number];

/** A connected client, by its lease. */
export interface Connected {
  readonly client: Address;
  readonly lease: number;
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
    const visit = this.#visitOf(client, nowSeconds);
    const lease = this.#table.connect(visit);
    return { lease, ...this.#pardon(client, this.#judge(lease === NO_LEASE ? null : visit)) };
  }

  /** What `connect` would say, and what would be refused behind it, as things stand. It counts nothing. */
  forecast(client: Address, nowSeconds: number): Forecast {
    const foresight = this.#table.foresee(this.#visitOf(client, nowSeconds));
    const weigh = (event: ClientEvent, more: 0 | 1): Verdict<ClientEvent> => {
      // Whoever the table has no room for is not counted later, either.
      if (foresight === null) return ALLOWED;
      const { counter, limit } = events[event];
      return this.#pardon(client, this.#weigh(event, foresight[counter] + more, this.#options[limit]));
    };
    return {
      connection: this.#pardon(client, this.#judge(foresight)),
      securing: weigh("new-tls-session-rate", 0),
      next: attemptedEvents
        .map((event) => weigh(event, 1))
        .concat(weigh("auth-failure-rate", 0))
        .filter((verdict): verdict is Exceeded => verdict.excess !== null),
      isException: this.#exceptions.contains(client),
    };
  }

  /**
   * Counts what a connected client wants to do, or has done, and judges it under the same rules. Where there is no lease nothing is
   * counted, and as in Postfix neither is what has no limit: an uncounted event begins no window.
   */
  attempt(event: AttemptedEvent, { client, lease }: Connected, nowSeconds: number): Verdict<ClientEvent> {
    const limit = this.#limitOf(event, lease);
    if (limit === 0) return ALLOWED;
    const count = this.#table.count(lease, events[event].counter, this.#time(nowSeconds));
    return this.#pardon(client, this.#weigh(event, count, limit));
  }

  /**
   * Judges by what was counted before, and counts nothing. As in smtpd the first TLS session in excess comes to be, and is
   * refused then; those after it are refused beforehand.
   */
  standing(
    event: "new-tls-session-rate" | "auth-failure-rate",
    { client, lease }: Connected,
    nowSeconds: number,
  ): Verdict<ClientEvent> {
    const limit = this.#limitOf(event, lease);
    if (limit === 0) return ALLOWED;
    const count = this.#table.standing(lease, events[event].counter, this.#time(nowSeconds));
    return this.#pardon(client, this.#weigh(event, count, limit));
  }

  /**
   * Counts a login that has failed, where that has a limit or a delay; returns for how many milliseconds the client is not
   * to be heard.
   */
  failed({ client, lease }: Connected, nowSeconds: number): number {
    const { authFailureRate, authFailureDelayMs, dryRun } = this.#options;
    if (lease === NO_LEASE || (authFailureRate === 0 && authFailureDelayMs === 0)) return 0;
    const failures = this.#table.count(lease, "authFailures", this.#time(nowSeconds));
    if (authFailureDelayMs === 0 || dryRun || this.#exceptions.contains(client)) return 0;
    return Math.min(authFailureDelayMs * 2 ** (failures - 1), FAILURE_DELAY_MAX_MS);
  }

  /** The end of a connection; nothing to do where there was no lease. */
  disconnect(lease: number, ended: Ended, nowSeconds: number): void {
    if (lease !== NO_LEASE) this.#table.disconnect(lease, ended, nowSeconds);
  }

  /** 0 where the event is not counted. */
  #limitOf(event: ClientEvent, lease: number): number {
    return lease === NO_LEASE ? 0 : this.#options[events[event].limit];
  }

  #time(nowSeconds: number): { nowSeconds: number; unitSeconds: number } {
    return { nowSeconds, unitSeconds: this.#options.timeUnitSeconds };
  }

  #visitOf(client: Address, nowSeconds: number): Visit {
    const visit = this.#visit;
    visit.length = client.family === 4 ? this.#options.ipv4PrefixLength : this.#options.ipv6PrefixLength;
    visit.prefix = client.prefix(visit.length);
    visit.nowSeconds = nowSeconds;
    return visit;
  }

  /** Judges a connection by what the client has come to with it; null: the table has no room for it. */
  #judge(counted: Pick<Visit, "concurrency" | "connections"> | null): Verdict<ConnectionExcess> {
    const { connectionCount, connectionRate } = this.#options;
    const { capacity } = this.#table;
    if (counted === null) return this.#exceeded("max-connections", capacity + 1, capacity);
    const { concurrency, connections } = counted;
    if (exceeds(concurrency, connectionCount)) {
      return this.#exceeded("connection-count", concurrency, connectionCount);
    }
    if (exceeds(connections, connectionRate)) {
      return this.#exceeded("connection-rate", connections, connectionRate);
    }
    return ALLOWED;
  }

  /** Judges events of a kind by how many there are. No login is tried once as many have failed as may. */
  #weigh(event: ClientEvent, count: number, limit: number): Verdict<ClientEvent> {
    const isSpent = event === "auth-failure-rate" && limit > 0 && count === limit;
    return isSpent || exceeds(count, limit) ? this.#exceeded(event, count, limit) : ALLOWED;
  }

  #exceeded<Excess>(excess: Excess, count: number, limit: number): Verdict<Excess> {
    return { excess, count, limit, refused: !this.#options.dryRun };
  }

  /** What becomes of a verdict when the client is one of the exceptions. */
  #pardon<Excess>(client: Address, verdict: Verdict<Excess>): Verdict<Excess> {
    return verdict.excess !== null && this.#exceptions.contains(client) ? ALLOWED : verdict;
  }
}

/** A limit of 0 is off. */
function exceeds(count: number, limit: number): boolean {
  return limit > 0 && count > limit;
}

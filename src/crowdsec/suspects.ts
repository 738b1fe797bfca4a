/**
 * Which clients' misbehaviour is worth an alert: a leaky bucket for each client and scenario, in a bounded table.
 *
 * It errs on one side: who is not to be banned is not even counted, and what a client may not have done itself, or may have
 * done in good faith, is no scenario's.
 */
import { Address, Networks } from "../address.ts";
import type { Reason } from "../outcome.ts";
import type { Signal } from "./signals.ts";

export interface Scenario {
  readonly name: string;
  readonly reasons: ReadonlySet<Reason>;
  /** The bucket holds so many; one more makes it flow over. */
  readonly capacity: number;
  /** One leaks out in so many seconds. */
  readonly leakSeconds: number;
}

/** The same as our collection has, whichever way LAPI hears of them: names and buckets are those of deploy/crowdsec. */
export const scenarios: readonly Scenario[] = [
  {
    name: "postern/limit-hammering",
    // Rates whose counts go on while they are exceeded. How many connections there are at a time says not how fast they
    // come; wrong passwords and TLS sessions are not counted any more once they are too many; and a full table is our own.
    reasons: new Set<Reason>(["connection-rate", "message-rate", "recipient-rate", "auth-rate"]),
    capacity: 30,
    leakSeconds: 10,
  },
  {
    name: "postern/protocol-abuse",
    // Not what honest mailers do: they pass on others' bare newlines and dead addresses, or cannot be followed. Nor what is
    // known for being put into a client's mouth by somebody between (`command-injection`, CVE-2011-0411): with a ban the
    // client would be the victim twice. And one may be an accident, a phone that begins TLS on the wrong port.
    reasons: new Set<Reason>(["early-talk", "not-smtp", "nul-byte", "line-too-long", "too-many-commands"]),
    capacity: 3,
    leakSeconds: 600,
  },
];

/** A ban follows within seconds of an alert. Who is still there after this long is not banned, and is counted anew. */
export const QUIET_SECONDS = 300;

/** A bucket takes half a KiB with the signals that it shows: 5 MB at most. */
const BUCKETS_MAX = 10_000;

/** Signals that an alert shows, the last ones: enough to see what it was about. */
const SHOWN_MAX = 5;

/** Nobody out there: RFC 1918, 3927, 4193, 4291 2.5.6, 6598. `isClient` has loopback and what cannot be a client's. */
const insiders = new Networks([
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "169.254.0.0/16",
  "100.64.0.0/10",
  "fc00::/7",
  "fe80::/10",
]);

/** A client whose bucket has flowed over. */
export interface Finding {
  readonly scenario: Scenario;
  readonly ip: string;
  /** What came into the bucket, and since when, what leaked out included. */
  readonly count: number;
  readonly startSeconds: number;
  /** The last signals, of which there is one at least; the last of all is what was too much. */
  readonly shown: readonly Signal[];
}

interface Bucket extends Pick<Finding, "count" | "startSeconds" | "shown"> {
  readonly level: number;
  /** When it had that level. */
  readonly seconds: number;
  /** Nothing is counted before. */
  readonly quietUntilSeconds: number;
}

const EMPTY: Bucket = { level: 0, seconds: 0, count: 0, startSeconds: 0, shown: [], quietUntilSeconds: 0 };

export class Suspects {
  readonly #isProtected: (client: Address) => boolean;
  /** By scenario and client, in the order in which they were last touched. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(isProtected: (client: Address) => boolean) {
    this.#isProtected = isProtected;
  }

  /** Counts what a data thread saw; null: it is not worth an alert, or not yet. */
  weigh(signal: Signal): Finding | null {
    const scenario = scenarios.find(({ reasons }) => reasons.has(signal.reason));
    if (scenario === undefined || this.#isSpared(signal.ip)) return null;
    const key = `${scenario.name} ${signal.ip}`;
    const before = this.#buckets.get(key) ?? EMPTY;
    if (signal.seconds < before.quietUntilSeconds) return null;
    const bucket = filled(before, signal, scenario.leakSeconds);
    const isOver = bucket.level > scenario.capacity;
    this.#keep(key, isOver ? { ...EMPTY, quietUntilSeconds: signal.seconds + QUIET_SECONDS } : bucket);
    const { count, startSeconds, shown } = bucket;
    return isOver ? { scenario, ip: signal.ip, count, startSeconds, shown } : null;
  }

  #isSpared(ip: string): boolean {
    const client = Address.parse(ip);
    return client === null || !client.isClient || insiders.contains(client) || this.#isProtected(client);
  }

  /** The newest is the last; the first goes when there are too many. */
  #keep(key: string, bucket: Bucket): void {
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined && this.#buckets.size > BUCKETS_MAX) this.#buckets.delete(oldest);
  }
}

/** Signals of several threads come nearly in order: one that is a little late finds nothing leaked. */
function filled(before: Bucket, signal: Signal, leakSeconds: number): Bucket {
  const leaked = Math.max(0, signal.seconds - before.seconds) / leakSeconds;
  const level = Math.max(0, before.level - leaked);
  const { count, startSeconds, shown } = level > 0 ? before : { ...EMPTY, startSeconds: signal.seconds };
  return {
    level: level + signal.count,
    seconds: Math.max(before.seconds, signal.seconds),
    count: count + signal.count,
    startSeconds,
    shown: [...shown, signal].slice(-SHOWN_MAX),
    quietUntilSeconds: 0,
  };
}

/**
 * The numbers behind the metrics, in shared memory: every data thread adds to its own region, the control thread sums.
 *
 * A region is a row of float64 columns with exactly one writer, so that nothing on a session's way waits, locks or
 * allocates. A reader may see one session's columns half updated; each single column is whole, because an aligned double
 * is one write on the machines that Node 24 runs on. Totals survive the thread that counted them: its replacement goes on
 * in the same region.
 *
 * This file knows no metric's name and no label; it counts listeners and pools by numbers that somebody else gives them.
 */
import type { Address } from "../address.ts";
import {
  INJECTED,
  type Outcome,
  outcomes,
  type ParkOutcome,
  parkOutcomes,
  type Reason,
  reasons,
} from "../outcome.ts";
import { ORIGINS_MAX, type SessionEnd } from "../record.ts";

export interface CounterShape {
  /** Data threads: one region each. */
  readonly threads: number;
  readonly listeners: number;
  readonly pools: number;
}

/** How often a value fell into each bucket, and what the values add up to. */
export interface Distribution {
  /** One for each bound, and a last one for what lies beyond all of them; not cumulative. */
  readonly counts: readonly number[];
  readonly sum: number;
}

/** From a health check's tenth of a second to an IMAP IDLE of hours. */
export const sessionSecondsBounds: readonly number[] = [0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 7200];

/** From a server in the same pod to the default connect timeout of 5 s. */
export const connectSecondsBounds: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
];

/** A histogram's columns: one for each bound, one beyond the last, one for the sum. */
const histogramWidth = (bounds: readonly number[]) => bounds.length + 2;

const LINES_DROPPED = 0;

/** Sessions whose client was known, but for checks, and those refused for a ban, by the ban's origin; each by the client's family. */
const FAMILIES = [4, 6] as const;
const CLIENTS = 1;
const BANNED = CLIENTS + FAMILIES.length;

const LISTENERS = BANNED + ORIGINS_MAX * FAMILIES.length;

/** A listener's columns, counted from its first one. */
const ACCEPTED = 0;
const ACTIVE = 1;
const BYTES_IN = 2;
const BYTES_OUT = 3;
const MESSAGES = 4;
const LOGINS_OK = 5;
const LOGINS_FAILED = 6;
const SESSIONS = 7;
const REFUSED = SESSIONS + outcomes.length;
const DRY_RUN = REFUSED + reasons.length;
const SESSION_SECONDS = DRY_RUN + reasons.length;
const LISTENER_WIDTH = SESSION_SECONDS + histogramWidth(sessionSecondsBounds);

/** A pool's columns: a histogram's, then what became of the parked. */
const UNPARKED = histogramWidth(connectSecondsBounds);
const POOL_WIDTH = UNPARKED + parkOutcomes.length;

/** A cache line in columns: regions are padded to it, so that no two threads write the same line. */
const LINE_WIDTH = 64 / Float64Array.BYTES_PER_ELEMENT;

const listenerAt = (listener: number) => LISTENERS + listener * LISTENER_WIDTH;
const poolAt = (shape: CounterShape, pool: number) => listenerAt(shape.listeners) + pool * POOL_WIDTH;

function regionWidth(shape: CounterShape): number {
  return Math.ceil(poolAt(shape, shape.pools) / LINE_WIDTH) * LINE_WIDTH;
}

function regionOf(memory: SharedArrayBuffer, shape: CounterShape, thread: number): Float64Array {
  const width = regionWidth(shape);
  return new Float64Array(memory, thread * width * Float64Array.BYTES_PER_ELEMENT, width);
}

const familyAt = ({ address }: { readonly address: Address }) => FAMILIES.indexOf(address.family);

/** One data thread's own region. Nobody else may make one for the same thread while that thread lives. */
export class ThreadCounters {
  readonly #columns: Float64Array;
  readonly #shape: CounterShape;

  constructor(memory: SharedArrayBuffer, shape: CounterShape, thread: number) {
    this.#columns = regionOf(memory, shape, thread);
    this.#shape = shape;
  }

  /** A connection has come; `ended` takes it off again. */
  accepted(listener: number): void {
    const at = listenerAt(listener);
    this.#add(at + ACCEPTED, 1);
    this.#add(at + ACTIVE, 1);
  }

  ended(listener: number, end: SessionEnd): void {
    const at = listenerAt(listener);
    this.#add(at + ACTIVE, -1);
    this.#add(at + SESSIONS + outcomes.indexOf(end.outcome), 1);
    const { outcome, reason, client, ban } = end;
    if (client !== null && outcome !== "healthcheck") this.#add(CLIENTS + familyAt(client), 1);
    if (client !== null && ban !== null && reason === "banned") {
      this.#add(BANNED + ban.originIndex * FAMILIES.length + familyAt(client), 1);
    }
    if (reason !== null && (outcome === "refused" || reason === INJECTED)) this.refused(listener, reason);
    this.#add(at + BYTES_IN, end.bytesIn);
    this.#add(at + BYTES_OUT, end.bytesOut);
    this.#observe(at + SESSION_SECONDS, sessionSecondsBounds, end.durationMs / 1000);
  }

  /** A session or a command was refused. */
  refused(listener: number, reason: Reason): void {
    this.#add(listenerAt(listener) + REFUSED + reasons.indexOf(reason), 1);
  }

  /** A server has taken a message. */
  delivered(listener: number): void {
    this.#add(listenerAt(listener) + MESSAGES, 1);
  }

  login(listener: number, ok: boolean): void {
    this.#add(listenerAt(listener) + (ok ? LOGINS_OK : LOGINS_FAILED), 1);
  }

  /** A client beyond a limit that is only tried out: it was let in all the same. */
  dryRun(listener: number, reason: Reason): void {
    this.#add(listenerAt(listener) + DRY_RUN + reasons.indexOf(reason), 1);
  }

  /** A server of the pool took a connection. */
  connected(pool: number, tookMs: number): void {
    this.#observe(poolAt(this.#shape, pool), connectSecondsBounds, tookMs / 1000);
  }

  /** A client that waited for one does so no more. */
  unparked(pool: number, outcome: ParkOutcome): void {
    this.#add(poolAt(this.#shape, pool) + UNPARKED + parkOutcomes.indexOf(outcome), 1);
  }

  lineDropped(): void {
    this.#add(LINES_DROPPED, 1);
  }

  #observe(at: number, bounds: readonly number[], value: number): void {
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++;
    this.#add(at + bucket, 1);
    this.#add(at + bounds.length + 1, value);
  }

  #add(column: number, amount: number): void {
    this.#columns[column] = this.#columns[column]! + amount;
  }
}

/** The control thread's view: sums over all regions, read when somebody asks. */
export class Counters {
  readonly #regions: readonly Float64Array[];
  readonly #shape: CounterShape;

  static allocate(shape: CounterShape): SharedArrayBuffer {
    return new SharedArrayBuffer(shape.threads * regionWidth(shape) * Float64Array.BYTES_PER_ELEMENT);
  }

  constructor(memory: SharedArrayBuffer, shape: CounterShape) {
    this.#regions = Array.from({ length: shape.threads }, (_, thread) => regionOf(memory, shape, thread));
    this.#shape = shape;
  }

  /**
   * The sessions of a thread that has ended are gone with it: they have failed. Returns how many they were. Only after its
   * end, and before its replacement starts.
   */
  threadDied(thread: number): number {
    const region = this.#regions[thread]!;
    let lost = 0;
    for (let listener = 0; listener < this.#shape.listeners; listener++) {
      const at = listenerAt(listener);
      lost += region[at + ACTIVE]!;
      region[at + SESSIONS + outcomes.indexOf("failed")]! += region[at + ACTIVE]!;
      region[at + ACTIVE] = 0;
    }
    return lost;
  }

  accepted(listener: number): number {
    return this.#sum(listenerAt(listener) + ACCEPTED);
  }

  active(listener: number): number {
    return this.#sum(listenerAt(listener) + ACTIVE);
  }

  sessions(listener: number, outcome: Outcome): number {
    return this.#sum(listenerAt(listener) + SESSIONS + outcomes.indexOf(outcome));
  }

  refused(listener: number, reason: Reason): number {
    return this.#sum(listenerAt(listener) + REFUSED + reasons.indexOf(reason));
  }

  dryRun(listener: number, reason: Reason): number {
    return this.#sum(listenerAt(listener) + DRY_RUN + reasons.indexOf(reason));
  }

  messages(listener: number): number {
    return this.#sum(listenerAt(listener) + MESSAGES);
  }

  logins(listener: number, ok: boolean): number {
    return this.#sum(listenerAt(listener) + (ok ? LOGINS_OK : LOGINS_FAILED));
  }

  bytes(listener: number, direction: "in" | "out"): number {
    return this.#sum(listenerAt(listener) + (direction === "in" ? BYTES_IN : BYTES_OUT));
  }

  sessionSeconds(listener: number): Distribution {
    return this.#distribution(listenerAt(listener) + SESSION_SECONDS, sessionSecondsBounds);
  }

  connectSeconds(pool: number): Distribution {
    return this.#distribution(poolAt(this.#shape, pool), connectSecondsBounds);
  }

  unparked(pool: number, outcome: ParkOutcome): number {
    return this.#sum(poolAt(this.#shape, pool) + UNPARKED + parkOutcomes.indexOf(outcome));
  }

  /** Sessions whose client was known, and came for more than a check. */
  clients(family: 4 | 6): number {
    return this.#sum(CLIENTS + FAMILIES.indexOf(family));
  }

  /** Those of them that were refused for a ban of that origin. */
  banned(originIndex: number, family: 4 | 6): number {
    return this.#sum(BANNED + originIndex * FAMILIES.length + FAMILIES.indexOf(family));
  }

  linesDropped(): number {
    return this.#sum(LINES_DROPPED);
  }

  #distribution(at: number, bounds: readonly number[]): Distribution {
    const counts = Array.from({ length: bounds.length + 1 }, (_, bucket) => this.#sum(at + bucket));
    return { counts, sum: this.#sum(at + bounds.length + 1) };
  }

  #sum(column: number): number {
    let sum = 0;
    for (const region of this.#regions) sum += region[column]!;
    return sum;
  }
}

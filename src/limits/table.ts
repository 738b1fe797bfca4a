/**
 * All that postern knows about its clients: one table of fixed size in shared memory, exact across all threads.
 *
 * A client is a scope (whose counters) and a network (which addresses are one client). Its entry holds the connections
 * that it has now, the events of its window, and totals for metrics. Each data thread, and the control thread, has a
 * `Table` of its own over the one memory; the table owns no clock and judges nothing.
 *
 * An entry is in use while anybody holds a connection of it, and is then never evicted; else it is idle. A new client gets
 * an entry that nobody had yet, else the one that is idle longest; where there is neither, the table is full.
 *
 * One lock guards it. Critical sections are of constant length, repair aside. A thread may die at any point of one: what
 * it held stands in a column of its own, and everything but the entries' own words can be built again; see `reclaim`.
 */
import type { Address } from "../address.ts";
import { Chains } from "./chains.ts";
import { readEntry, readTotals, type TableEntry, type Totals } from "./entries.ts";
import { Idle } from "./idle.ts";
import { Lock } from "./lock.ts";
import {
  BLANK,
  COUNTERS,
  counters,
  entry,
  header,
  KEY_WORDS,
  KNOWN,
  Memory,
  NONE,
  type TableSize,
  TOTALS,
  totals,
} from "./memory.ts";

/** The control thread's number: it reads and repairs, and holds no connection. */
export const CONTROL = -1;

/** A window that a connection has just begun. */
const FIRST = { connections: 1, messages: 0, recipients: 0, auths: 0, tlsSessions: 0, authFailures: 0 };

/** Above every entry's index: see `Memory`. */
const INDEX_SPAN = 2 ** 25;

/** Given instead of a lease when the table is full. */
export const NO_LEASE = -1;

/** Anvil counts no further either: a counter that wrapped would let a client in again. */
const COUNT_MAX = 2 ** 31 - 1;

/** A data thread waits for as long as the control thread may need to see a death and to repair, with much to spare. */
const DATA_PATIENCE_MS = 10_000;

/** The control thread must not wait for a dead holder: only its own event loop can tell it of the death. */
const CONTROL_PATIENCE_MS = 250;

/**
 * A connection that begins: filled in by whoever asks, answered in `concurrency` and `connections`. A thread uses one such
 * object again and again.
 */
export interface Visit {
  scope: number;
  /** The address with only its first `length` bits. */
  prefix: Address;
  length: number;
  nowSeconds: number;
  unitSeconds: number;
  /** Answer: the client's connections now, this one included. */
  concurrency: number;
  /** Answer: the client's connections in this window, this one included. */
  connections: number;
}

/** The moment at which a window is looked at, and how long windows are. */
interface WindowTime {
  readonly nowSeconds: number;
  readonly unitSeconds: number;
}

/** What a client does in a session, each kind with a counter in the window. */
export type Counter = Exclude<keyof typeof counters, "connections">;

/** What a client would come to with one connection more: that one is counted in. */
export type Foresight = Readonly<Record<keyof typeof counters | "concurrency", number>>;

/** What there is to say of a connection at its end. */
export interface Ended {
  readonly refused: boolean;
  /** Those that the upstream has taken. */
  readonly messages: number;
  /** Both directions. */
  readonly bytes: number;
}

export interface TableSummary {
  readonly capacity: number;
  /** Entries in use or idle. */
  readonly used: number;
  readonly evictions: number;
  /** What all evicted entries had counted together. */
  readonly evicted: Totals;
}

export class Table {
  readonly #memory: Memory;
  readonly #chains: Chains;
  readonly #idle: Idle;
  readonly #lock: Lock;
  readonly #thread: number;
  readonly #patienceMs: number;
  /** The key looked for: filled and hashed before the lock is taken. */
  readonly #key = new Int32Array(KEY_WORDS);

  static allocate(size: TableSize): SharedArrayBuffer {
    return Memory.allocate(size);
  }

  /** `thread` counts from 0, or is `CONTROL`. */
  constructor(memory: SharedArrayBuffer, thread: number) {
    this.#memory = new Memory(memory);
    if (thread < CONTROL || thread >= this.#memory.threads) throw new RangeError(`no thread ${thread}`);
    this.#chains = new Chains(this.#memory);
    this.#idle = new Idle(this.#memory);
    this.#lock = new Lock(this.#memory.words, header.lock, thread);
    this.#thread = thread;
    this.#patienceMs = thread === CONTROL ? CONTROL_PATIENCE_MS : DATA_PATIENCE_MS;
  }

  get capacity(): number {
    return this.#memory.capacity;
  }

  /** Counts a connection that begins. Returns the lease to give back with `disconnect`, or `NO_LEASE`. */
  connect(visit: Visit): number {
    if (this.#thread === CONTROL) throw new Error("the control thread holds no connections");
    const { words, doubles } = this.#memory;
    const bucket = this.#seek(visit.scope, visit.prefix, visit.length);
    this.#enter();
    try {
      let index = this.#chains.find(bucket, this.#key);
      if (index === NONE) index = this.#insert(visit.nowSeconds);
      else if (words[this.#memory.at(index) + entry.concurrency] === 0) this.#idle.remove(index);
      if (index === NONE) return NO_LEASE;

      const at = this.#memory.at(index);
      this.#turnWindow(at, visit);
      visit.connections = this.#increment(at + entry.counters + counters.connections);
      words[at + entry.concurrency]! += 1;
      words[this.#memory.held(this.#thread, index)]! += 1;
      doubles[(at + entry.totals) / 2 + totals.connections]! += 1;
      visit.concurrency = words[at + entry.concurrency]!;
      return index;
    } finally {
      this.#lock.release();
    }
  }

  /** What `connect` would find; null where it would find no place. It counts nothing, so that any thread may ask. */
  foresee(visit: Readonly<Visit>): Foresight | null {
    const { words, capacity } = this.#memory;
    const bucket = this.#seek(visit.scope, visit.prefix, visit.length);
    return this.#locked(() => {
      const index = this.#chains.find(bucket, this.#key);
      const found = index === NONE ? null : readEntry(this.#memory, index);
      if (found === null) {
        const hasPlace = this.#idle.oldest !== NONE || words[header.high]! < capacity;
        return hasPlace ? { ...FIRST, concurrency: 1 } : null;
      }
      const { window, concurrency } = found;
      const counted = this.#isOver(this.#memory.at(index), visit)
        ? FIRST
        : { ...window, connections: window.connections + 1 };
      return { ...counted, concurrency: concurrency + 1 };
    });
  }

  /** Counts what the client of a lease does, in the window of all its counters; returns how many there are in it now. */
  count(lease: number, counter: Counter, time: WindowTime): number {
    return this.#locked(() => {
      const at = this.#leased(lease);
      this.#turnWindow(at, time);
      return this.#increment(at + entry.counters + counters[counter]);
    });
  }

  /**
   * How many events of a kind the client of a lease has in the window now. A look is no event: it begins no window, and a
   * lapsed one stays as it is. Whoever has a lease has not been forgotten.
   */
  standing(lease: number, counter: Counter, time: WindowTime): number {
    return this.#locked(() => {
      const at = this.#leased(lease);
      return this.#hasLapsed(at, time) ? 0 : this.#memory.words[at + entry.counters + counters[counter]]!;
    });
  }

  /** Counts the end of a connection; each lease is given back once, by the thread that got it. */
  disconnect(lease: number, ended: Ended, nowSeconds: number): void {
    const { words, doubles } = this.#memory;
    this.#enter();
    try {
      const at = this.#leased(lease);
      words[this.#memory.held(this.#thread, lease)]! -= 1;
      words[at + entry.concurrency]! -= 1;
      words[at + entry.lastSeen] = nowSeconds;
      doubles[(at + entry.totals) / 2 + totals.refused]! += ended.refused ? 1 : 0;
      doubles[(at + entry.totals) / 2 + totals.messages]! += ended.messages;
      doubles[(at + entry.totals) / 2 + totals.bytes]! += ended.bytes;
      if (words[at + entry.concurrency] === 0) this.#idle.append(lease);
    } finally {
      this.#lock.release();
    }
  }

  /** Every client in the table. The lock is taken for each one alone, so that they are of slightly different moments. */
  *entries(): Generator<TableEntry, void, undefined> {
    for (let index = NONE + 1; index <= Atomics.load(this.#memory.words, header.high); index++) {
      const found = this.#locked(() => readEntry(this.#memory, index));
      if (found !== null) yield found;
    }
  }

  summary(): TableSummary {
    const { words, doubles, capacity } = this.#memory;
    return this.#locked(() => ({
      capacity,
      used: words[header.used]!,
      evictions: doubles[header.evictions / 2]!,
      evicted: readTotals(this.#memory, header.evicted),
    }));
  }

  /**
   * Gives back all that a thread held which has ended, and repairs what it left half done. To be called by the control
   * thread, before a new thread gets the number. False when the lock was not to be had: its holder has died as well, and
   * is to be reclaimed first; then call again.
   *
   * An entry's state says whether its key and counters are whole, and the threads' columns who holds it; chains, the
   * list of idle entries and every concurrency follow from these. The dead thread's connections are neither refused nor
   * have they messages or bytes: nobody is left to say so.
   */
  reclaim(dead: number): boolean {
    const { words } = this.#memory;
    if (dead < 0 || dead >= this.#memory.threads) throw new RangeError(`no thread ${dead}`);
    if (!this.#lock.seize(dead, this.#patienceMs)) return false;
    try {
      const high = words[header.high]!;
      words.fill(0, this.#memory.held(dead, NONE), this.#memory.held(dead, high) + 1);
      this.#chains.clear();
      this.#idle.clear();
      words[header.used] = 0;
      // Sorted as plain numbers, which takes a hundredth of the time of a comparing function: everybody waits.
      const idle = new Float64Array(high);
      let count = 0;
      for (let index = NONE + 1; index <= high; index++) {
        if (this.#restore(index))
          idle[count++] = words[this.#memory.at(index) + entry.lastSeen]! * INDEX_SPAN + index;
      }
      for (const key of idle.subarray(0, count).sort()) this.#idle.append(key % INDEX_SPAN);
    } finally {
      this.#lock.release();
    }
    return true;
  }

  /** Puts an entry back into its bucket, or the rest of a blank one at the front of the idle; whether it is idle. */
  #restore(index: number): boolean {
    const { words, threads } = this.#memory;
    const at = this.#memory.at(index);
    if (words[at + entry.state] === BLANK) {
      this.#retire(at);
      this.#idle.append(index);
      return false;
    }
    words[header.used]! += 1;
    this.#chains.add(index);
    let concurrency = 0;
    for (let thread = 0; thread < threads; thread++) concurrency += words[this.#memory.held(thread, index)]!;
    words[at + entry.concurrency] = concurrency;
    return concurrency === 0;
  }

  /** A new entry for the key looked for, or `NONE`. */
  #insert(nowSeconds: number): number {
    const { words } = this.#memory;
    const index = this.#vacancy();
    if (index === NONE) return NONE;
    const at = this.#memory.at(index);
    words.set(this.#key, at + entry.scope);
    words.fill(0, at + entry.windowStart, at + entry.counters + COUNTERS);
    words[at + entry.windowStart] = nowSeconds;
    words[at + entry.lastSeen] = nowSeconds;
    words[at + entry.state] = KNOWN;
    words[header.used]! += 1;
    this.#chains.add(index);
    return index;
  }

  /** A blank entry that is in no list: one that a death left, else one never used, else the one idle longest. */
  #vacancy(): number {
    const { words, capacity } = this.#memory;
    const oldest = this.#idle.oldest;
    const isBlank = oldest !== NONE && words[this.#memory.at(oldest) + entry.state] === BLANK;
    if (!isBlank && words[header.high]! < capacity) return ++words[header.high]!;
    if (oldest === NONE) return NONE;
    this.#idle.remove(oldest);
    if (!isBlank) this.#evict(oldest);
    return oldest;
  }

  #evict(index: number): void {
    const { words, doubles } = this.#memory;
    const at = this.#memory.at(index);
    words[at + entry.state] = BLANK;
    this.#chains.remove(index);
    this.#retire(at);
    words[header.used]! -= 1;
    doubles[header.evictions / 2]! += 1;
  }

  /** Moves an entry's totals to those of the evicted, one by one: at no point of it is one lost. */
  #retire(at: number): void {
    const { doubles } = this.#memory;
    const from = (at + entry.totals) / 2;
    for (let total = 0; total < TOTALS; total++) {
      doubles[header.evicted / 2 + total]! += doubles[from + total]!;
      doubles[from + total] = 0;
    }
  }

  /** An event, and anvil's window: one for all counters, fixed, begun by the first event after the last one was over. */
  #turnWindow(at: number, time: WindowTime): void {
    const { words } = this.#memory;
    const isOver = this.#isOver(at, time);
    words[at + entry.lastSeen] = time.nowSeconds;
    if (!isOver) return;
    words.fill(0, at + entry.counters, at + entry.counters + COUNTERS);
    words[at + entry.windowStart] = time.nowSeconds;
  }

  /**
   * Whether an event now begins another window: anvil also forgets a client one unit after its last disconnect.
   *
   * That matters in one second only: the window of a client that came and went within its first second ends when the unit
   * does, all others a second later. (A client that left after that first second is forgotten no sooner than its window
   * has lapsed.) So it is enough to ask for both here, and an entry may be kept for as long as there is room.
   */
  #isOver(at: number, time: WindowTime): boolean {
    const { words } = this.#memory;
    const isIdle = words[at + entry.concurrency] === 0;
    const isForgotten = isIdle && time.nowSeconds - words[at + entry.lastSeen]! >= time.unitSeconds;
    return isForgotten || this.#hasLapsed(at, time);
  }

  #hasLapsed(at: number, { nowSeconds, unitSeconds }: WindowTime): boolean {
    return nowSeconds - this.#memory.words[at + entry.windowStart]! > unitSeconds;
  }

  #increment(counter: number): number {
    const count = Math.min(this.#memory.words[counter]! + 1, COUNT_MAX);
    this.#memory.words[counter] = count;
    return count;
  }

  /** The first word of the entry that this thread's lease is for. */
  #leased(lease: number): number {
    const { words, capacity } = this.#memory;
    const isEntry = lease > NONE && lease <= capacity;
    if (isEntry && words[this.#memory.held(this.#thread, lease)] !== 0) return this.#memory.at(lease);
    throw new RangeError(`lease ${lease} is not held by thread ${this.#thread}`);
  }

  /** Fills in the key; returns its bucket. */
  #seek(scope: number, prefix: Address, length: number): number {
    const key = this.#key;
    key[0] = scope;
    key[1] = prefix.a;
    key[2] = prefix.b;
    key[3] = prefix.c;
    key[4] = prefix.d;
    key[5] = length;
    return this.#chains.bucket(key, 0);
  }

  #locked<Result>(work: () => Result): Result {
    this.#enter();
    try {
      return work();
    } finally {
      this.#lock.release();
    }
  }

  /** Throws where the lock is not to be had: either we have a fault, or a thread died and is not yet reclaimed. */
  #enter(): void {
    if (this.#lock.acquire(this.#patienceMs)) return;
    throw new Error(
      `the table's lock: held by thread ${this.#lock.heldBy} for more than ${this.#patienceMs} ms`,
    );
  }
}

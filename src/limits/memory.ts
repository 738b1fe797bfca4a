/**
 * The shape of the table in shared memory: which word means what. It owns no rule and no lock; it only knows offsets.
 *
 *     header | entries 0 … capacity | buckets | held, one column for each thread
 *
 * Fresh, zeroed memory is an empty table. That is why entries count from 1: 0 means "none" in every link, and entry 0 is
 * nobody's, the fixed point at which the list of idle entries begins and ends.
 */

/** 128 bytes, two cache lines. */
const ENTRY_WORDS = 32;

const HEADER_WORDS = 64;

/** More clients than that would be 2 GiB; above, word offsets could no longer be small integers everywhere. */
const CAPACITY_MAX = 2 ** 24;
const THREADS_MAX = 1024;

/** No entry, in links; also the list's fixed point. */
export const NONE = 0;

/** Offsets in the header. The lock has a cache line for itself, or waiters would slow its holder down. */
export const header = {
  lock: 0,
  capacity: 16,
  threads: 17,
  /** Two words, the hash's key. */
  seed: 18,
  /** The highest entry that was ever in use. */
  high: 20,
  /** Entries in use or idle. */
  used: 21,
  /** Float64s from here on. */
  evictions: 22,
  /** The totals of all entries that were evicted, in the order of an entry's. */
  evicted: 24,
} as const;

/** Offsets in an entry. From `scope` to `length` is its key. */
export const entry = {
  /** `BLANK` or `KNOWN`: written last when an entry comes to be, first when it goes. */
  state: 0,
  scope: 1,
  /** Four words. */
  prefix: 2,
  length: 6,
  /** The next entry in the same bucket. */
  chain: 7,
  /** Its neighbours among the idle entries; meaningless while it is in use. */
  older: 8,
  newer: 9,
  windowStart: 10,
  /** The second of its last event. */
  lastSeen: 11,
  concurrency: 12,
  /** Events in the window; see `counters`. */
  counters: 13,
  /** Float64s; see `totals`. */
  totals: 20,
} as const;

export const BLANK = 0;
export const KNOWN = 1;

/** scope, prefix, length */
export const KEY_WORDS = 6;

/** Offsets behind `entry.counters`. */
export const counters = {
  connections: 0,
  messages: 1,
  recipients: 2,
  auths: 3,
  tlsSessions: 4,
  authFailures: 5,
} as const;
export const COUNTERS = 6;

/** Offsets, in Float64s, behind `entry.totals` and `header.evicted`. */
export const totals = { connections: 0, refused: 1, messages: 2, bytes: 3 } as const;
export const TOTALS = 4;

export interface TableSize {
  /** Clients remembered. */
  readonly entries: number;
  /** Data threads. */
  readonly threads: number;
}

export class Memory {
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  readonly capacity: number;
  readonly threads: number;
  /** The first bucket's word, and how many buckets there are: a power of two. */
  readonly buckets: number;
  readonly bucketCount: number;
  readonly #held: number;

  static allocate(size: TableSize): SharedArrayBuffer {
    within("entries", size.entries, CAPACITY_MAX);
    within("threads", size.threads, THREADS_MAX);
    const slots = size.entries + 1;
    const wordCount = HEADER_WORDS + slots * ENTRY_WORDS + bucketsFor(size.entries) + slots * size.threads;
    // An even number of words, or a Float64Array could not lie over all of it.
    const memory = new SharedArrayBuffer((wordCount + (wordCount & 1)) * Int32Array.BYTES_PER_ELEMENT);
    const words = new Int32Array(memory);
    words[header.capacity] = size.entries;
    words[header.threads] = size.threads;
    words.set(crypto.getRandomValues(new Int32Array(2)), header.seed);
    return memory;
  }

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory);
    this.doubles = new Float64Array(memory);
    this.capacity = this.words[header.capacity]!;
    this.threads = this.words[header.threads]!;
    this.buckets = this.at(this.capacity + 1);
    this.bucketCount = bucketsFor(this.capacity);
    this.#held = this.buckets + this.bucketCount;
  }

  /** The first word of an entry. */
  at(index: number): number {
    return HEADER_WORDS + index * ENTRY_WORDS;
  }

  /** The word that says how many of an entry's connections a thread holds. */
  held(thread: number, index: number): number {
    return this.#held + thread * (this.capacity + 1) + index;
  }
}

/** Chains stay short, at half an entry to a bucket. */
function bucketsFor(entries: number): number {
  return 2 ** Math.ceil(Math.log2(2 * entries));
}

function within(name: string, value: number, max: number): void {
  if (!Number.isInteger(value) || value < 1 || value > max) {
    throw new RangeError(`${name}: ${value} is not between 1 and ${max}`);
  }
}

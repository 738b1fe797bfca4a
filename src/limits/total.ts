/**
 * How many connections there are, over all listeners and threads: a count for each thread in shared memory, so that one
 * that dies takes only its own connections out of the sum.
 */

export class Total {
  readonly #counts: Int32Array;
  readonly #thread: number;
  readonly #max: number;

  static allocate(threads: number): SharedArrayBuffer {
    return new SharedArrayBuffer(threads * Int32Array.BYTES_PER_ELEMENT);
  }

  /** `thread` counts from 0. */
  constructor(memory: SharedArrayBuffer, thread: number, max: number) {
    this.#counts = new Int32Array(memory);
    this.#thread = thread;
    this.#max = max;
  }

  /**
   * Counts one connection more if there is room for it; false: there is none. Each thread counts itself before it sums, so
   * that two that come at the same moment can both be told that there is none, but never both get the last place.
   */
  enter(): boolean {
    Atomics.add(this.#counts, this.#thread, 1);
    if (sumOf(this.#counts) <= this.#max) return true;
    this.leave();
    return false;
  }

  /** How many places there are to a thread. */
  get share(): number {
    return this.#max / this.#counts.length;
  }

  leave(): void {
    Atomics.sub(this.#counts, this.#thread, 1);
  }

  /** Whether `enter` would find no room, in any thread. */
  static isFull(memory: SharedArrayBuffer, max: number): boolean {
    return sumOf(new Int32Array(memory)) >= max;
  }

  /** Takes the connections of a thread that has ended out of the sum. */
  static reclaim(memory: SharedArrayBuffer, thread: number): void {
    Atomics.store(new Int32Array(memory), thread, 0);
  }
}

function sumOf(counts: Int32Array): number {
  let sum = 0;
  for (let thread = 0; thread < counts.length; thread++) sum += Atomics.load(counts, thread);
  return sum;
}

/**
 * How many connections there are, over all listeners and threads: one counter in shared memory, and beside it each
 * thread's share, so that a thread that dies takes only its own connections out of the count.
 */

const SUM = 0;
const SHARES = 1;

export class Total {
  readonly #counts: Int32Array;
  readonly #share: number;
  readonly #max: number;

  static allocate(threads: number): SharedArrayBuffer {
    return new SharedArrayBuffer((SHARES + threads) * Int32Array.BYTES_PER_ELEMENT);
  }

  /** @param thread from 0; the control thread, which only reclaims, may give any. */
  constructor(memory: SharedArrayBuffer, thread: number, max: number) {
    this.#counts = new Int32Array(memory);
    this.#share = SHARES + thread;
    this.#max = max;
  }

  /** Counts one connection more, and returns how many are over the cap: 0 or less is well. */
  enter(): number {
    Atomics.add(this.#counts, this.#share, 1);
    return Atomics.add(this.#counts, SUM, 1) + 1 - this.#max;
  }

  leave(): void {
    Atomics.sub(this.#counts, this.#share, 1);
    Atomics.sub(this.#counts, SUM, 1);
  }

  /** Takes a dead thread's connections out of the count. */
  reclaim(thread: number): void {
    Atomics.exchange(this.#counts, SHARES + thread, 0);
    let sum = 0;
    for (let share = SHARES; share < this.#counts.length; share++) sum += Atomics.load(this.#counts, share);
    Atomics.store(this.#counts, SUM, sum);
  }
}

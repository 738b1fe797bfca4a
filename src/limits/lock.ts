/**
 * A lock in shared memory: one word, in which the holder's number stands, so that the lock of a thread that died can be
 * told from one that is only busy.
 *
 * - free: the word is 0, as in fresh memory.
 * - held: the word is the holder's thread number plus `BASE`.
 *
 * It is made for critical sections far shorter than a time slice: a waiter spins, then naps, and in the end gives up. It
 * never waits without a bound. Nobody is woken: a thread that let go would pay for the look at the list of sleepers each
 * time, while it is only a holder off its core that ever makes anyone nap.
 */

const FREE = 0;

/** Thread numbers begin at -1 (the control thread); no holder may look free. */
const BASE = 2;

/** Looks at a held lock before a nap: at some 10 ns each, ten times the length of a usual critical section. */
const SPINS = 200;

/** As short as the kernel's timers make sense (its slack is 0.05 ms); a holder off its core gets ours meanwhile. */
const NAP_MS = 0.1;

export class Lock {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #holder: number;

  /** `at` is the lock's word in `words`, which must be shared memory; `thread` is who holds it after `acquire`. */
  constructor(words: Int32Array, at: number, thread: number) {
    this.#words = words;
    this.#at = at;
    this.#holder = thread + BASE;
  }

  /**
   * Whether the lock was gained. A waiter naps for `patienceMs` altogether; a nap that ends because the lock changed
   * hands counts as one, so that losing again and again is bounded as well.
   */
  acquire(patienceMs: number): boolean {
    return this.#swap(FREE, this.#holder) || this.#wait(patienceMs);
  }

  /** As `acquire`; a lock that `dead` holds, a thread that has ended, is taken from it. */
  seize(dead: number, patienceMs: number): boolean {
    return this.#swap(dead + BASE, this.#holder) || this.acquire(patienceMs);
  }

  release(): void {
    if (!this.#swap(this.#holder, FREE))
      throw new Error(`lock released by thread ${this.#holder - BASE}, not held`);
  }

  /** The thread that holds it at this moment; null when nobody does. */
  get heldBy(): number | null {
    const holder = Atomics.load(this.#words, this.#at);
    return holder === FREE ? null : holder - BASE;
  }

  #wait(patienceMs: number): boolean {
    for (let leftMs = patienceMs; leftMs > 0; leftMs -= NAP_MS) {
      let holder = FREE;
      for (let spin = 0; spin < SPINS; spin++) {
        holder = Atomics.load(this.#words, this.#at);
        if (holder === FREE && this.#swap(FREE, this.#holder)) return true;
      }
      if (holder !== FREE) Atomics.wait(this.#words, this.#at, holder, NAP_MS);
    }
    return this.#swap(FREE, this.#holder);
  }

  #swap(from: number, to: number): boolean {
    return Atomics.compareExchange(this.#words, this.#at, from, to) === from;
  }
}

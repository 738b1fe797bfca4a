/**
 * The sessions on each server: a slot is taken before a connection is made, and given back once. Every thread has a
 * count of its own for each server in shared memory, so that one that dies takes only its own sessions with it.
 */

/** A further attempt is made only when another thread stood at the last slot in the same instant: few are in a row. */
const ATTEMPTS_MAX = 8;

export class Slots {
  readonly #counts: Int32Array;
  /** How many a server has; 0: no bound. */
  readonly #bounds: readonly number[];
  readonly #columns: number;
  readonly #column: number;

  /** `counts` holds a row of as many columns as there are threads for each of `bounds`. */
  constructor(counts: Int32Array, bounds: readonly number[], column: number) {
    this.#counts = counts;
    this.#bounds = bounds;
    this.#columns = counts.length / bounds.length;
    this.#column = column;
  }

  /**
   * Takes a slot if there is one. A thread counts itself before it sums, so that two never both get the last slot; it
   * takes itself out before it gives up, so that one of them does.
   */
  take(server: number): boolean {
    const at = server * this.#columns + this.#column;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      Atomics.add(this.#counts, at, 1);
      const bound = this.#bounds[server]!;
      if (bound === 0 || this.count(server) <= bound) return true;
      Atomics.sub(this.#counts, at, 1);
      if (!this.hasRoom(server)) break;
    }
    return false;
  }

  give(server: number): void {
    Atomics.sub(this.#counts, server * this.#columns + this.#column, 1);
  }

  hasRoom(server: number): boolean {
    const bound = this.#bounds[server]!;
    return bound === 0 || this.count(server) < bound;
  }

  /** Over all threads. */
  count(server: number): number {
    const from = server * this.#columns;
    let sum = 0;
    for (let column = 0; column < this.#columns; column++) sum += Atomics.load(this.#counts, from + column);
    return sum;
  }

  /** Gives back what a thread that has ended held. */
  reclaim(column: number): void {
    for (let at = column; at < this.#counts.length; at += this.#columns) Atomics.store(this.#counts, at, 0);
  }
}

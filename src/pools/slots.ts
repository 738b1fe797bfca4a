/**
 * The sessions on each server: a slot is taken before a connection is made, and given back once. Every thread has a
 * count of its own for each server in shared memory, so that one that dies takes only its own sessions with it.
 */

/** A further attempt is made only when another thread stood at the last slot in the same instant: few are in a row. */
const ATTEMPTS_MAX = 8;

export class Slots {
  readonly #counts: readonly Int32Array[];
  /** How many a server has; 0: no bound. */
  readonly #bounds: readonly number[];
  readonly #column: number;

  /** `counts` holds for each of `bounds` as many columns as there are threads. */
  constructor(counts: readonly Int32Array[], bounds: readonly number[], column: number) {
    this.#counts = counts;
    this.#bounds = bounds;
    this.#column = column;
  }

  /**
   * Takes a slot if there is one. A thread counts itself before it sums, so that two never both get the last slot; it
   * takes itself out before it gives up, so that one of them does.
   */
  take(server: number): boolean {
    const counts = this.#counts[server]!;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      Atomics.add(counts, this.#column, 1);
      const bound = this.#bounds[server]!;
      if (bound === 0 || this.count(server) <= bound) return true;
      Atomics.sub(counts, this.#column, 1);
      if (!this.hasRoom(server)) break;
    }
    return false;
  }

  give(server: number): void {
    Atomics.sub(this.#counts[server]!, this.#column, 1);
  }

  hasRoom(server: number): boolean {
    return this.room(server) > 0;
  }

  /** How many are left. Where two threads want the last, more than all are taken for a moment. */
  room(server: number): number {
    const bound = this.#bounds[server]!;
    return bound === 0 ? Number.POSITIVE_INFINITY : Math.max(bound - this.count(server), 0);
  }

  /** Over all threads. */
  count(server: number): number {
    const counts = this.#counts[server]!;
    let sum = 0;
    for (let column = 0; column < counts.length; column++) sum += Atomics.load(counts, column);
    return sum;
  }

  /** Gives back what a thread that has ended held. */
  reclaim(column: number): void {
    for (const counts of this.#counts) Atomics.store(counts, column, 0);
  }
}

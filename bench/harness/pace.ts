/**
 * An open loop: something is begun so many times in a second, whether or not what was begun before has been answered. A
 * latency counts from when it was meant to begin, so that whoever is slow does not hide it by holding up the load.
 */

export interface Sample {
  /** When it was meant to begin. */
  readonly atMs: number;
  /** By how much it began later, which is the load's own fault. */
  readonly lateMs: number;
  /** Infinite until it is answered. */
  readonly latencyMs: number;
}

/** Begins with its making, and goes on until it is told to stop. */
export class Pace {
  readonly #samples: Sample[] = [];
  readonly #begin: (answered: () => void) => void;
  readonly #intervalMs: number;
  #nextMs = performance.now();
  #timer: NodeJS.Timeout | null = null;

  /** `begin` calls back at the answer that is timed. */
  constructor(perSecond: number, begin: (answered: () => void) => void) {
    this.#begin = begin;
    this.#intervalMs = 1000 / perSecond;
    this.#run();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** Those that were meant to begin in this time. */
  between(fromMs: number, toMs: number): Sample[] {
    return this.#samples.filter(({ atMs }) => atMs >= fromMs && atMs < toMs);
  }

  #run(): void {
    for (; this.#nextMs <= performance.now(); this.#nextMs += this.#intervalMs) {
      const atMs = this.#nextMs;
      const lateMs = performance.now() - atMs;
      const sample = { atMs, lateMs, latencyMs: Number.POSITIVE_INFINITY };
      this.#samples.push(sample);
      this.#begin(() => {
        sample.latencyMs = performance.now() - atMs;
      });
    }
    this.#timer = setTimeout(() => this.#run(), Math.max(0, this.#nextMs - performance.now()));
  }
}

/** The value that so many of a hundred do not exceed; 0 of none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? 0;
}

/** How long a thread that died is waited with before it is replaced: longer each time, until one has lasted. */

const DELAY_MIN_MS = 100;
const DELAY_MAX_MS = 10_000;

/** One that ran for so long died of something else than its start. */
const LASTED_MS = 60_000;

export class Restarts {
  #nextMs = DELAY_MIN_MS;

  /** After one that ran for `lastedMs`. */
  delayMs(lastedMs: number): number {
    const delayMs = lastedMs > LASTED_MS ? DELAY_MIN_MS : this.#nextMs;
    this.#nextMs = Math.min(delayMs * 2, DELAY_MAX_MS);
    return delayMs;
  }
}

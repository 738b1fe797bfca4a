/**
 * Names as small numbers: a set that only grows, up to a bound. What comes too late has the number of `other`.
 *
 * That is how a list in shared memory says origins, types and scenarios. The origins' numbers are the whole process's,
 * since counters are kept by them.
 */

/** The name of number 0. */
const OTHER = "other";

/** What the numbers may be, `other` among them, as `ORIGINS_MAX` for origins: see the bits that `facts.ts` has for each. */
export const TYPES_MAX = 32;
export const SCENARIOS_MAX = 2048;

/** 255 characters of UTF-8: as long as what `decision.ts` lets through. */
export const NAME_BYTES_MAX = 3 * 255;

export class Names {
  readonly #max: number;
  readonly #texts: string[] = [];
  readonly #numbers = new Map<string, number>();

  /** `texts` are there from the beginning; those of another set keep their numbers. */
  constructor(max: number, texts: readonly string[] = []) {
    this.#max = max;
    this.numberOf(OTHER);
    for (const text of texts) this.numberOf(text);
  }

  /** All of them, by their numbers. */
  get texts(): readonly string[] {
    return this.#texts;
  }

  numberOf(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    if (this.#texts.length === this.#max) return 0;
    this.#numbers.set(text, this.#texts.length);
    return this.#texts.push(text) - 1;
  }
}

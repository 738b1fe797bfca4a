/**
 * The rows of a list, nested: networks either lie within one another or apart, so that each row has a nearest one that
 * encloses it. Its parent is that row, or one of the very same network before it.
 *
 * A look-up is a search for the last row that begins at or before the address. If any network contains the address, then
 * this row's or one of those that enclose it does. A directory by the first words of addresses says between which rows to
 * search, so that of a large list's memory little is touched.
 */
import type { Address } from "../address.ts";
import { LAST, lengthOf, tarpitsOf } from "./facts.ts";
import { type AddressWords, NONE, Rows } from "./rows.ts";

/** Some rows for each place in the directory, which takes 256 KiB at most, as much as stays in a cache. */
const ROWS_PER_PLACE = 4;
const DIRECTORY_BITS_MAX = 16;

export class Nest {
  readonly rows: Rows;
  /**
   * The addresses' first words, from the least to the greatest that is there, in equal steps: for each step the first row
   * that is in it or behind it, and at the end the number of rows. IPv6 is given out from a small part of its space.
   */
  readonly #directory: Uint32Array;
  #least = 0;
  #shift = 0;
  /** One row, for what is looked up. */
  readonly #probe: Rows;

  static bytesFor(words: AddressWords, count: number): number {
    return Rows.bytesFor(words, count) + 4 * (placesFor(count) + 1);
  }

  constructor(words: AddressWords, count: number, memory: ArrayBufferLike, offset: number) {
    this.rows = new Rows(words, count, memory, offset);
    this.#directory = new Uint32Array(memory, offset + Rows.bytesFor(words, count), placesFor(count) + 1);
    this.#probe = new Rows(words, 1);
    this.#scale();
  }

  get count(): number {
    return this.rows.capacity;
  }

  /**
   * Makes the directory, and finds the parents, of rows that are in order. The way up from the row before is the stack of
   * networks that are still open.
   */
  link(): void {
    this.#scale();
    let place = 0;
    for (let row = 0; row < this.count; row++) {
      while (place <= this.#placeOf(this.rows.firstWord(row))) this.#directory[place++] = row;
      let parent = row - 1;
      while (parent !== NONE && !this.rows.covers(parent, this.rows, row)) parent = this.rows.parent(parent);
      this.rows.setParent(row, parent);
    }
    this.#directory.fill(this.count, place);
  }

  /** The last row that does not come behind the probe's first, or `NONE`. */
  lastUpTo(probe: Rows, byId: boolean): number {
    const word = probe.firstWord(0);
    if (word < this.#least) return NONE;
    const place = this.#placeOf(word);
    const low = this.#directory[place]!;
    // In memory that is just being written to there may be anything, and the search has an end even so.
    const high = Math.min(this.#directory[place + 1]!, this.count);
    return this.rows.lastUpTo(probe, { low, high, byId });
  }

  #scale(): void {
    if (this.count === 0) return;
    this.#least = this.rows.firstWord(0);
    const span = this.rows.firstWord(this.count - 1) - this.#least;
    this.#shift = Math.max(0, 32 - Math.clz32(span) - Math.log2(placesFor(this.count)));
  }

  #placeOf(word: number): number {
    return Math.min((word - this.#least) >>> this.#shift, this.#directory.length - 2);
  }

  /** The row that decides on the address now, or `NONE`. */
  find(address: Address, nowSeconds: number): number {
    const { rows } = this;
    let best = NONE;
    for (let row = this.#seek(address); row !== NONE; row = this.#above(row)) {
      if (!this.#holds(row, nowSeconds)) continue;
      if (best === NONE) best = row;
      else if (this.#outweighs(row, best)) best = row;
      // Farther up there are only wider networks, which outweigh no ban.
      else if (!tarpitsOf(rows.facts(best)) && lengthOf(rows.facts(row)) < lengthOf(rows.facts(best))) break;
    }
    return best;
  }

  /** All rows that concern the address now, the narrowest network first. */
  covering(address: Address, nowSeconds: number): number[] {
    const rows: number[] = [];
    for (let row = this.#seek(address); row !== NONE; row = this.#above(row)) {
      if (this.#holds(row, nowSeconds)) rows.push(row);
    }
    return rows;
  }

  #seek(address: Address): number {
    this.#probe.aim(0, address, LAST);
    return this.lastUpTo(this.#probe, false);
  }

  /** The row's parent. It is checked for the same reason: the way up has an end, too. */
  #above(row: number): number {
    const parent = this.rows.parent(row);
    return parent < row ? parent : NONE;
  }

  #holds(row: number, nowSeconds: number): boolean {
    return this.rows.ends(row) > nowSeconds && this.rows.covers(row, this.#probe, 0);
  }

  /** A ban outweighs a tarpit; else the narrower network does, and on the same one what lasts longer. */
  #outweighs(row: number, best: number): boolean {
    const [facts, bestFacts] = [this.rows.facts(row), this.rows.facts(best)];
    if (tarpitsOf(facts) !== tarpitsOf(bestFacts)) return tarpitsOf(bestFacts);
    return lengthOf(facts) === lengthOf(bestFacts) && this.rows.ends(row) > this.rows.ends(best);
  }
}

/** A power of two. */
function placesFor(count: number): number {
  const bits = Math.floor(Math.log2(Math.max(1, count / ROWS_PER_PLACE)));
  return 2 ** Math.min(bits, DIRECTORY_BITS_MAX);
}

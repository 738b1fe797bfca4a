/**
 * Decisions of one address family as rows of numbers, in ordinary or in shared memory: 21 bytes for an IPv4 one, 33 for
 * IPv6. A row has the network's first address, when it ends, its facts, its parent (see `nest.ts`) and the decision's id.
 *
 * Rows know their order, which is that of (address, length, scope, type), and by `byId` of the id behind these. So a
 * network comes before all that lies within it.
 */
import { Address } from "../address.ts";
import { keyOf, lengthOf } from "./facts.ts";

/** No row. */
export const NONE = -1;

/** How many words an address has: IPv4, IPv6. */
export type AddressWords = 1 | 4;

/** 136 years of the clock's: for ever. */
const ENDS_MAX = 2 ** 32 - 1;

/** The words behind the address: when it ends, its facts, its parent. */
const OTHER_WORDS = 3;

interface Row {
  readonly address: Address;
  readonly endsSeconds: number;
  readonly facts: number;
  readonly id: number;
}

export class Rows {
  readonly addressWords: AddressWords;
  readonly capacity: number;
  readonly #rowWords: number;
  /** All that a look-up needs of a row stands side by side, so that it is one cache line's. */
  readonly #words: Uint32Array;
  /** The ids' low 32 bits, and the 8 above them. */
  readonly #lowIds: Uint32Array;
  readonly #highIds: Uint8Array;

  /** A multiple of four. */
  static bytesFor(addressWords: AddressWords, capacity: number): number {
    return 4 * ((addressWords + OTHER_WORDS + 1) * capacity + Math.ceil(capacity / 4));
  }

  constructor(
    addressWords: AddressWords,
    capacity: number,
    memory: ArrayBufferLike = new ArrayBuffer(Rows.bytesFor(addressWords, capacity)),
    offset = 0,
  ) {
    this.addressWords = addressWords;
    this.capacity = capacity;
    this.#rowWords = addressWords + OTHER_WORDS;
    this.#words = new Uint32Array(memory, offset, this.#rowWords * capacity);
    const behindWords = offset + this.#words.byteLength;
    this.#lowIds = new Uint32Array(memory, behindWords, capacity);
    this.#highIds = new Uint8Array(memory, behindWords + 4 * capacity, capacity);
  }

  set(row: number, { address, endsSeconds, facts, id }: Row): void {
    this.aim(row, address, facts);
    this.#words[row * this.#rowWords + this.addressWords] = Math.max(0, Math.min(endsSeconds, ENDS_MAX));
    this.#lowIds[row] = id;
    this.#highIds[row] = id / 2 ** 32;
  }

  /** As much of a row as a search by address needs. */
  aim(row: number, { a, b, c, d }: Address, facts: number): void {
    const words = this.#words;
    const at = row * this.#rowWords;
    if (this.addressWords === 1) {
      words[at] = d;
      words[at + 2] = facts;
    } else {
      words[at] = a;
      words[at + 1] = b;
      words[at + 2] = c;
      words[at + 3] = d;
      words[at + 5] = facts;
    }
  }

  copy(row: number, from: Rows, fromRow: number): void {
    const size = this.#rowWords;
    for (let word = 0; word < size; word++) {
      this.#words[row * size + word] = from.#words[fromRow * size + word]!;
    }
    this.#lowIds[row] = from.#lowIds[fromRow]!;
    this.#highIds[row] = from.#highIds[fromRow]!;
  }

  /** The same rows, and room for others behind them. */
  grown(capacity: number): Rows {
    const grown = new Rows(this.addressWords, capacity);
    grown.#words.set(this.#words);
    grown.#lowIds.set(this.#lowIds);
    grown.#highIds.set(this.#highIds);
    return grown;
  }

  /** The most significant word of a row's address: enough to sort most by. */
  firstWord(row: number): number {
    return this.#words[row * this.#rowWords]!;
  }

  address(row: number): Address {
    const words = this.#words;
    const at = row * this.#rowWords;
    if (this.addressWords === 1) return Address.v4(words[at]!);
    return new Address(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!);
  }

  ends(row: number): number {
    return this.#words[row * this.#rowWords + this.addressWords]!;
  }

  facts(row: number): number {
    return this.#words[row * this.#rowWords + this.addressWords + 1]!;
  }

  /** A row before this one, or `NONE`. */
  parent(row: number): number {
    return this.#words[row * this.#rowWords + this.addressWords + 2]! | 0;
  }

  setParent(row: number, parent: number): void {
    this.#words[row * this.#rowWords + this.addressWords + 2] = parent;
  }

  id(row: number): number {
    return this.#highIds[row]! * 2 ** 32 + this.#lowIds[row]!;
  }

  /** Below zero where the row comes before the other, zero where both are known by the same. */
  compare(row: number, other: Rows, otherRow: number, byId: boolean): number {
    const at = row * this.#rowWords;
    const otherAt = otherRow * this.#rowWords;
    for (let word = 0; word < this.addressWords; word++) {
      const difference = this.#words[at + word]! - other.#words[otherAt + word]!;
      if (difference !== 0) return difference;
    }
    const difference = keyOf(this.facts(row)) - keyOf(other.facts(otherRow));
    return difference !== 0 || !byId ? difference : this.id(row) - other.id(otherRow);
  }

  /** Whether the row's network contains the other row's address. */
  covers(row: number, other: Rows, otherRow: number): boolean {
    const at = row * this.#rowWords;
    const otherAt = otherRow * this.#rowWords;
    let bits = lengthOf(this.facts(row));
    for (let word = 0; word < this.addressWords; word++) {
      const difference = this.#words[at + word]! ^ other.#words[otherAt + word]!;
      if (bits < 32) return bits === 0 || difference >>> (32 - bits) === 0;
      if (difference !== 0) return false;
      bits -= 32;
    }
    return true;
  }

  /** Of the rows from `low` to before `high`, which are in order: the last that does not come behind the probe's first. */
  lastUpTo(probe: Rows, { low, high, byId }: { low: number; high: number; byId: boolean }): number {
    const first = probe.firstWord(0);
    while (low < high) {
      const middle = (low + high) >>> 1;
      const word = this.firstWord(middle);
      if (word < first || (word === first && this.compare(middle, probe, 0, byId) <= 0)) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

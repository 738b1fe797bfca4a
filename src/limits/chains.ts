/**
 * The way from a client to its entry: a chained hash over the entries' keys. The lock is the caller's.
 *
 * Clients choose their addresses, so the hash is keyed with the table's own random seed: it is HalfSipHash-1-3's rounds
 * over the six words of a key, whose number never varies. A plain multiplicative hash could be made to collide without
 * knowing its seed, and every critical section would be as long as the chain that an attacker built.
 */
import { entry, header, KEY_WORDS, type Memory, NONE } from "./memory.ts";

/** Rounds after the last word; SipHash's "1-3" is one for each word and three more. */
const FINAL_ROUNDS = 3;

export class Chains {
  readonly #memory: Memory;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  /** The bucket's word for the key that begins at `at` in `key`; needs no lock. */
  bucket(key: Int32Array, at: number): number {
    const { words, buckets, bucketCount } = this.#memory;
    const low = words[header.seed]!;
    const high = words[header.seed + 1]!;
    return buckets + (hash(key, at, low, high) & (bucketCount - 1));
  }

  /** The entry with the key in `key`, whose bucket is `bucket`; or `NONE`. */
  find(bucket: number, key: Int32Array): number {
    const { words } = this.#memory;
    let index = words[bucket]!;
    while (index !== NONE && !this.#has(index, key)) index = words[this.#memory.at(index) + entry.chain]!;
    return index;
  }

  /** Hangs the entry at the front of its bucket: the newest clients come back soonest. */
  add(index: number): void {
    const { words } = this.#memory;
    const at = this.#memory.at(index);
    const bucket = this.bucket(words, at + entry.scope);
    words[at + entry.chain] = words[bucket]!;
    words[bucket] = index;
  }

  remove(index: number): void {
    const { words } = this.#memory;
    const at = this.#memory.at(index);
    let link = this.bucket(words, at + entry.scope);
    while (words[link] !== index) {
      if (words[link] === NONE) throw new Error(`entry ${index} is not in its bucket`);
      link = this.#memory.at(words[link]!) + entry.chain;
    }
    words[link] = words[at + entry.chain]!;
  }

  clear(): void {
    const { words, buckets, bucketCount } = this.#memory;
    words.fill(NONE, buckets, buckets + bucketCount);
  }

  #has(index: number, key: Int32Array): boolean {
    const { words } = this.#memory;
    const at = this.#memory.at(index) + entry.scope;
    for (let word = 0; word < KEY_WORDS; word++) if (words[at + word] !== key[word]) return false;
    return true;
  }
}

function hash(key: Int32Array, at: number, low: number, high: number): number {
  let v0 = low;
  let v1 = high;
  let v2 = 0x6c796765 ^ low;
  let v3 = 0x74656462 ^ high;
  for (let round = 0; round < KEY_WORDS + FINAL_ROUNDS; round++) {
    // A final round is one that takes in nothing.
    const word = round < KEY_WORDS ? key[at + round]! : 0;
    if (round === KEY_WORDS) v2 ^= 0xff;
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  return v1 ^ v3;
}

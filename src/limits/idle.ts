/**
 * The entries that nobody holds, oldest first: a ring through entry 0. The lock is the caller's.
 *
 * Blank entries, which only a thread's death leaves behind, stand before all others, so that whoever needs an entry finds
 * the cheapest at the front.
 */
import { entry, type Memory, NONE } from "./memory.ts";

export class Idle {
  readonly #memory: Memory;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  /** The entry that was idle longest, or `NONE`. */
  get oldest(): number {
    return this.#memory.words[this.#memory.at(NONE) + entry.newer]!;
  }

  /** Puts an entry behind all others. */
  append(index: number): void {
    const { words } = this.#memory;
    this.#join(words[this.#memory.at(NONE) + entry.older]!, index);
    this.#join(index, NONE);
  }

  remove(index: number): void {
    const { words } = this.#memory;
    const at = this.#memory.at(index);
    this.#join(words[at + entry.older]!, words[at + entry.newer]!);
  }

  clear(): void {
    this.#join(NONE, NONE);
  }

  #join(older: number, newer: number): void {
    this.#memory.words[this.#memory.at(older) + entry.newer] = newer;
    this.#memory.words[this.#memory.at(newer) + entry.older] = older;
  }
}

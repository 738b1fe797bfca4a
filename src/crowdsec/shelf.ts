/**
 * Where the newest ban list lies for all threads of the process: two places in shared memory, taken in turn, and a number
 * that says which holds.
 *
 * One thread publishes; all others read, and wait for nobody. A new list is written to the place that does not hold, and
 * holds from the moment that the number goes up. So a reader that has seen the same number before and after has read one
 * list, whole; one that was held up for two lists' time may have read anything, and reads again. Shared memory that is sent from thread to thread instead stays until each of them happens to collect its
 * garbage, which an idle one does not.
 */
import { BanList, LIST_BYTES_MAX } from "./banlist.ts";

/** The number has a cache line for itself. */
const HEADER_BYTES = 64;

/** A multiple of eight, as the places begin where any column may. */
const PLACE_BYTES = Math.ceil(LIST_BYTES_MAX / 8) * 8;

export class Shelf {
  readonly #memory: SharedArrayBuffer;
  readonly #version: Int32Array;
  #list = BanList.EMPTY;
  #listVersion = 0;

  /** Reserves room for the longest list; it costs no memory before it is written to. */
  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(HEADER_BYTES + 2 * PLACE_BYTES);
  }

  constructor(memory: SharedArrayBuffer) {
    this.#memory = memory;
    this.#version = new Int32Array(memory, 0, 1);
  }

  /** How many lists there have been. */
  get version(): number {
    return Atomics.load(this.#version, 0);
  }

  /** What `read` makes of the newest list; the empty one where there was none yet. It may be called more than once. */
  read<T>(read: (list: BanList) => T): T {
    for (;;) {
      const { version } = this;
      try {
        const result = read(this.#at(version));
        if (this.version === version) return result;
      } catch (error) {
        // Half of one list and half of another need not make sense.
        if (this.version === version) throw error;
      }
    }
  }

  /** For the one thread that makes lists. */
  publish(list: BanList): void {
    const version = this.version + 1;
    new Uint8Array(this.#memory, placeOf(version), list.bytes.length).set(list.bytes);
    Atomics.store(this.#version, 0, version);
  }

  #at(version: number): BanList {
    if (version !== this.#listVersion) {
      this.#list = new BanList(this.#memory, placeOf(version));
      this.#listVersion = version;
    }
    return this.#list;
  }
}

function placeOf(version: number): number {
  return HEADER_BYTES + (version % 2) * PLACE_BYTES;
}

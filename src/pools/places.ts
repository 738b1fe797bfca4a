/**
 * Where a pool's servers stand: a place for each address that is written in the configuration, and some for each name,
 * which whoever resolves it fills. A place is what health and slots are counted by.
 *
 * The addresses of names are in shared memory. Only the control thread writes them; a thread notices by the version
 * that they have changed, which is odd while they are being written.
 */
import { isIP } from "node:net";
import { Address, endpointText } from "../address.ts";
import { textHash } from "./hash.ts";
import type { ServerOptions } from "./options.ts";
import type { Server } from "./pool.ts";

/** So many addresses of one name are used at the same time: a mail server of a larger site has a dozen. */
const ADDRESSES_MAX = 16;

/** The words of a place: whether somebody stands there, and the address. */
const WORDS = 5;

const VERSION = 0;
const HEAD_WORDS = 1;

export class Places {
  /** Of each place, the server's options that it belongs to. */
  readonly options: readonly ServerOptions[];
  readonly #words: Int32Array;

  /** Names that were there before keep their addresses. */
  static allocate(
    servers: readonly ServerOptions[],
    before: Places | null = null,
  ): { readonly memory: SharedArrayBuffer; readonly keys: readonly string[] } {
    const words = HEAD_WORDS + placesOf(servers).length * WORDS;
    const memory = new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT);
    const places = new Places(servers, memory);
    if (before !== null) places.#adopt(before);
    return { memory, keys: places.keys };
  }

  constructor(servers: readonly ServerOptions[], memory: SharedArrayBuffer) {
    this.options = placesOf(servers);
    this.#words = new Int32Array(memory);
  }

  /** What a place is known again by in another configuration. */
  get keys(): string[] {
    return this.options.map((options, place) => {
      return `${endpointText(options.endpoint)} ${place - this.options.indexOf(options)}`;
    });
  }

  /** Another one when addresses have changed; odd while they do. */
  get version(): number {
    return Atomics.load(this.#words, VERSION);
  }

  /** The servers that there are now. */
  servers(): Server[] {
    return this.options.flatMap((options, index) => {
      const { endpoint, weight } = options;
      const address = isNamed(options) ? this.#addressAt(index) : null;
      if (isNamed(options) && address === null) return [];
      const written = endpointText(endpoint);
      const name = address === null ? written : `${written}/${address.text}`;
      const host = address?.text ?? endpoint.host;
      return [{ endpoint: { ...endpoint, host }, name, hash: textHash(name), index, weight }];
    });
  }

  /**
   * A name's addresses are these from now on. One that stays keeps its place; a new one takes a place that is free, which
   * `vacate` says and makes it so. Whether anything has changed.
   */
  settle(server: ServerOptions, addresses: readonly Address[], vacate: (place: number) => boolean): boolean {
    const places = [...this.options.keys()].filter((place) => this.options[place] === server);
    const taken = places.filter((place) => this.#addressAt(place) !== null);
    const isHere = (place: number) => addresses.some((address) => this.#addressAt(place)!.equals(address));
    const gone = taken.filter((place) => !isHere(place));
    const fresh = addresses.filter(
      (address) => !taken.some((place) => this.#addressAt(place)!.equals(address)),
    );
    if (gone.length === 0 && fresh.length === 0) return false;
    Atomics.add(this.#words, VERSION, 1);
    for (const place of gone) this.#put(place, null);
    const free = places.filter((place) => this.#addressAt(place) === null && vacate(place));
    for (const [index, address] of fresh.slice(0, free.length).entries()) this.#put(free[index]!, address);
    Atomics.add(this.#words, VERSION, 1);
    return true;
  }

  #adopt(before: Places): void {
    const keys = before.keys;
    for (const [place, key] of this.keys.entries()) {
      const was = keys.indexOf(key);
      if (was >= 0) this.#put(place, before.#addressAt(was));
    }
  }

  #addressAt(place: number): Address | null {
    const at = HEAD_WORDS + place * WORDS;
    if (Atomics.load(this.#words, at) === 0) return null;
    const word = (index: number) => Atomics.load(this.#words, at + index) >>> 0;
    return new Address(word(1), word(2), word(3), word(4));
  }

  #put(place: number, address: Address | null): void {
    const at = HEAD_WORDS + place * WORDS;
    const { a, b, c, d } = address ?? { a: 0, b: 0, c: 0, d: 0 };
    for (const [index, word] of [Number(address !== null), a, b, c, d].entries()) {
      Atomics.store(this.#words, at + index, word | 0);
    }
  }
}

/** Whether the server's addresses have to be asked for. */
export function isNamed({ endpoint }: ServerOptions): boolean {
  return isIP(endpoint.host) === 0;
}

function placesOf(servers: readonly ServerOptions[]): ServerOptions[] {
  return servers.flatMap((server) =>
    Array.from({ length: isNamed(server) ? ADDRESSES_MAX : 1 }, () => server),
  );
}

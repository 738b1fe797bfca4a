/**
 * Who the sessions come from, as PROXY tells the target: a population drawn from the plan's ranges, and from it one client
 * after the other. The same seed gives the same population and the same order, however many threads share it.
 *
 * It knows no socket. Randomness is its own, since Math.random takes no seed.
 */
import { Address, type AddressAndPort, Network } from "../../src/address.ts";
import { nothing } from "../../src/lines.ts";
import { encodeV1, encodeV2 } from "../../src/proxy/header.ts";
import type { ClientsPlan, Plan } from "./plan.ts";

/** More clients than a busy server sees in a day; their addresses take some 5 MB in each thread. */
export const CLIENTS_MAX = 65_536;

/** The first port that is no server's (RFC 6335 6), and how many there are from it on. */
const PORT_MIN = 1024;
const PORTS = 65_536 - PORT_MIN;

export interface Client extends AddressAndPort {
  /** Its place in the population. With `zipf`, the lower it is the more often it comes. */
  readonly index: number;
}

/** Which part of all sessions is a thread's own. */
export interface Share {
  readonly thread: number;
  readonly threads: number;
}

export class Clients {
  readonly #addresses: readonly Address[];
  readonly #share: Share;
  readonly #random: () => number;
  /** So many are never next: the first ones. */
  readonly #reserved: number;
  /** With `zipf`, how likely a client is one of the first so many; null: all are equally likely. */
  readonly #cumulated: Float64Array | null;
  #drawn = 0;

  /** @throws RangeError where a range is none; the options have checked them before. */
  constructor(
    { ranges, distribution, seed }: ClientsPlan,
    share: Share = { thread: 0, threads: 1 },
    reserved = 0,
  ) {
    this.#random = randomOf(seed);
    this.#addresses = populationOf(ranges, this.#random);
    this.#share = share;
    // Somebody has to be left.
    this.#reserved = Math.min(reserved, this.#addresses.length - 1);
    this.#cumulated = distribution === "zipf" ? zipf(this.size - this.#reserved) : null;
  }

  /** How many there are. */
  get size(): number {
    return this.#addresses.length;
  }

  get reserved(): number {
    return this.#reserved;
  }

  /** This client in its connection of this number: each has another port. */
  at(index: number, connection: number): Client {
    return { index, address: this.#addresses[index]!, port: PORT_MIN + (connection % PORTS) };
  }

  /** Whose the thread's next session is. Those of the other threads are drawn as well, and left to them. */
  next(): Client {
    const { thread, threads } = this.#share;
    let own = 0;
    for (let other = 0; other < threads; other++) {
      const index = this.#draw();
      if (other === thread) own = index;
    }
    return this.at(own, this.#drawn++ * threads + thread);
  }

  #draw(): number {
    const chance = this.#random();
    const index =
      this.#cumulated === null
        ? Math.floor(chance * (this.size - this.#reserved))
        : firstAbove(this.#cumulated, chance);
    return this.#reserved + index;
  }
}

/** What a client's connection begins with. */
export function openingOf(proxy: Plan["proxy"], client: Client, destination: AddressAndPort): Uint8Array {
  switch (proxy) {
    case "v2":
      return encodeV2(client, destination);
    case "v1":
      return encodeV1(client, destination);
    case "off":
      return nothing;
    default:
      return proxy satisfies never;
  }
}

/** Numbers from 0 to below 1: a counter with large steps, each mixed (the construction known as mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Every range has its part of it, small ones wholly; in an order in which ranges are mixed. */
function populationOf(ranges: readonly string[], random: () => number): Address[] {
  const networks = ranges.map(networkOf).sort((a, b) => (sizeOf(a) < sizeOf(b) ? -1 : 1));
  let room = CLIENTS_MAX;
  const population = new Map<string, Address>();
  networks.forEach((network, index) => {
    const fair = BigInt(Math.floor(room / (networks.length - index)));
    const count = sizeOf(network) < fair ? sizeOf(network) : fair;
    room -= Number(count);
    for (const address of spread(network, count, random)) population.set(address.text, address);
  });
  return shuffled([...population.values()], random);
}

function networkOf(text: string): Network {
  const network = Network.parse(text);
  if (network === null) throw new RangeError(`no network: ${text}`);
  return network;
}

function sizeOf({ address, length }: Network): bigint {
  return 1n << BigInt((address.family === 4 ? 32 : 128) - length);
}

/** So many addresses over the whole of the network: it is cut into as many equal parts, and each gives one of its own. */
function* spread(network: Network, count: bigint, random: () => number): Generator<Address> {
  const { a, b, c, d } = network.address;
  const base = [a, b, c, d].reduce((sum, word) => (sum << 32n) | BigInt(word), 0n);
  const part = sizeOf(network) / count;
  for (let index = 0n; index < count; index++) yield addressOf(base + index * part + below(part, random));
}

/** A number from 0 to below `bound`, as evenly as its first 64 bits can tell. */
function below(bound: bigint, random: () => number): bigint {
  const word = () => BigInt(Math.floor(random() * 2 ** 32));
  return bound === 1n ? 0n : (bound * ((word() << 32n) | word())) >> 64n;
}

function addressOf(value: bigint): Address {
  const word = (shift: bigint) => Number((value >> shift) & 0xffffffffn);
  return new Address(word(96n), word(64n), word(32n), word(0n));
}

function shuffled<Item>(items: Item[], random: () => number): Item[] {
  for (let left = items.length; left > 1; left--) {
    const other = Math.floor(random() * left);
    [items[left - 1], items[other]] = [items[other]!, items[left - 1]!];
  }
  return items;
}

/** Zipf's law with the exponent 1: the second client comes half as often as the first, the third a third as often. */
function zipf(size: number): Float64Array {
  const cumulated = new Float64Array(size);
  let sum = 0;
  for (let index = 0; index < size; index++) cumulated[index] = sum += 1 / (index + 1);
  return cumulated.map((part) => part / sum);
}

function firstAbove(cumulated: Float64Array, chance: number): number {
  let [low, high] = [0, cumulated.length - 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (cumulated[middle]! > chance) high = middle;
    else low = middle + 1;
  }
  return low;
}

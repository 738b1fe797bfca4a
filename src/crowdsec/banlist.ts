/**
 * The ban list: all decisions that are known, immutable, in one piece of memory.
 *
 *     header | IPv4: rows, directory | IPv6: rows, directory | where each name ends | the names' bytes
 *
 * A decision on an IPv4 network takes 21 bytes and one on an IPv6 network 33; names are few. An entry is a number: rows
 * of IPv4 come first, those of IPv6 behind them. When a decision ends is judged by whoever looks it up, with the time
 * that it has. New lists come from `merge.ts`; nothing is written to one that others can see.
 */
import { type Address, Network } from "../address.ts";
import { type Ban, ORIGINS_MAX } from "../record.ts";
import type { Decision } from "./decision.ts";
import { type Facts, originOf, unpack } from "./facts.ts";
import { NAME_BYTES_MAX, SCENARIOS_MAX, TYPES_MAX } from "./names.ts";
import { Nest } from "./nest.ts";
import { NONE, type Rows } from "./rows.ts";

/** Some thirty times the largest community blocklist, and 42 MB of IPv4 addresses. */
export const DECISIONS_MAX = 2_000_000;

/** Words of the header: which layout this is, then six counts. A list that was kept by another release may have another. */
const LAYOUT = 0x62616e01;
const HEADER_WORDS = 8;

interface Shape {
  /** Decisions on IPv4 and on IPv6 networks. */
  readonly ipv4: number;
  readonly ipv6: number;
  /** How many names there are, and the bytes of them all. */
  readonly origins: number;
  readonly types: number;
  readonly scenarios: number;
  readonly nameBytes: number;
}

/** What a new list is made of. */
interface Contents {
  readonly ipv4: number;
  readonly ipv6: number;
  readonly origins: readonly string[];
  readonly types: readonly string[];
  readonly scenarios: readonly string[];
  /** Writes all rows, in their order. */
  fill(ipv4: Rows, ipv6: Rows): void;
}

/** The decisions of one origin that have not ended. */
export interface OriginCount {
  readonly origin: string;
  readonly ipv4: number;
  readonly ipv6: number;
}

export class BanList {
  static readonly EMPTY = BanList.build({
    ipv4: 0,
    ipv6: 0,
    origins: [],
    types: [],
    scenarios: [],
    fill() {},
  });

  /** All of it. */
  readonly bytes: Uint8Array;
  readonly ipv4: Nest;
  readonly ipv6: Nest;
  readonly #shape: Shape;
  readonly #nameEnds: Uint32Array;
  readonly #nameBytes: Buffer;

  static build(contents: Contents): BanList {
    const { ipv4, ipv6, origins, types, scenarios } = contents;
    const names = [...origins, ...types, ...scenarios].map((name) => Buffer.from(name));
    const bytes = Buffer.concat(names);
    const counts = { origins: origins.length, types: types.length, scenarios: scenarios.length };
    const shape = { ipv4, ipv6, ...counts, nameBytes: bytes.length };
    const memory = new ArrayBuffer(bytesFor(shape));
    new Uint32Array(memory, 0, HEADER_WORDS).set([
      LAYOUT,
      ipv4,
      ipv6,
      counts.origins,
      counts.types,
      counts.scenarios,
      bytes.length,
    ]);
    const list = new BanList(memory);
    let end = 0;
    list.#nameEnds.set(names.map((name) => (end += name.length)));
    list.#nameBytes.set(bytes);
    contents.fill(list.ipv4.rows, list.ipv6.rows);
    list.ipv4.link();
    list.ipv6.link();
    return list;
  }

  /** Whether the memory is a list of this release's, as far as its sizes can tell. */
  static isSound(memory: ArrayBuffer): boolean {
    if (memory.byteLength < 4 * HEADER_WORDS) return false;
    const words = new Uint32Array(memory, 0, HEADER_WORDS);
    return words[0] === LAYOUT && bytesFor(shapeIn(words)) === memory.byteLength;
  }

  /** The list that begins at `offset`, a multiple of four. */
  constructor(memory: ArrayBufferLike, offset = 0) {
    this.#shape = shapeIn(new Uint32Array(memory, offset, HEADER_WORDS));
    this.bytes = new Uint8Array(memory, offset, bytesFor(this.#shape));
    const { ipv4, ipv6, nameBytes } = this.#shape;
    const behindIpv4 = offset + 4 * HEADER_WORDS + Nest.bytesFor(1, ipv4);
    const behindIpv6 = behindIpv4 + Nest.bytesFor(4, ipv6);
    this.ipv4 = new Nest(1, ipv4, memory, offset + 4 * HEADER_WORDS);
    this.ipv6 = new Nest(4, ipv6, memory, behindIpv4);
    this.#nameEnds = new Uint32Array(memory, behindIpv6, namesIn(this.#shape));
    this.#nameBytes = Buffer.from(memory, behindIpv6 + this.#nameEnds.byteLength, nameBytes);
  }

  /** Decisions, those that have ended since included. */
  get size(): number {
    return this.ipv4.count + this.ipv6.count;
  }

  /** The entry that decides on the address now; -1: there is none. */
  find(address: Address, nowSeconds: number): number {
    if (address.family === 4) return this.ipv4.find(address, nowSeconds);
    const row = this.ipv6.find(address, nowSeconds);
    return row === NONE ? NONE : this.ipv4.count + row;
  }

  ban(entry: number, nowSeconds: number): Ban {
    const { rows, row, facts } = this.#at(entry);
    return {
      id: rows.id(row),
      origin: this.#origin(facts.origin),
      originIndex: facts.origin,
      scenario: this.#scenario(facts.scenario),
      type: this.#type(facts.type),
      tarpits: facts.tarpits,
      remainingSeconds: Math.max(0, rows.ends(row) - nowSeconds),
    };
  }

  /** All decisions that concern the address now, the narrowest network first. */
  covering(address: Address, nowSeconds: number): Decision[] {
    const [nest, first] = address.family === 4 ? [this.ipv4, 0] : [this.ipv6, this.ipv4.count];
    return nest.covering(address, nowSeconds).map((row) => this.#decision(first + row));
  }

  /** All of them, those that have ended since included, in the list's order. */
  *decisions(): Generator<Decision> {
    for (let entry = 0; entry < this.size; entry++) yield this.#decision(entry);
  }

  /** By the origins' numbers, those that have none left included. */
  counts(nowSeconds: number): readonly OriginCount[] {
    const ipv4 = heldIn(this.ipv4.rows, nowSeconds);
    const ipv6 = heldIn(this.ipv6.rows, nowSeconds);
    return this.origins.map((origin, number) => ({ origin, ipv4: ipv4[number]!, ipv6: ipv6[number]! }));
  }

  /** The names, by their numbers. */
  get origins(): string[] {
    return Array.from({ length: this.#shape.origins }, (_, number) => this.#origin(number));
  }

  get types(): string[] {
    return Array.from({ length: this.#shape.types }, (_, number) => this.#type(number));
  }

  get scenarios(): string[] {
    return Array.from({ length: this.#shape.scenarios }, (_, number) => this.#scenario(number));
  }

  #decision(entry: number): Decision {
    const { rows, row, facts } = this.#at(entry);
    return {
      id: rows.id(row),
      scope: facts.isRange ? "range" : "ip",
      network: new Network(rows.address(row), facts.length),
      type: this.#type(facts.type),
      origin: this.#origin(facts.origin),
      scenario: this.#scenario(facts.scenario),
      tarpits: facts.tarpits,
      endsSeconds: rows.ends(row),
    };
  }

  #at(entry: number): { rows: Rows; row: number; facts: Facts } {
    const isIpv4 = entry < this.ipv4.count;
    const { rows } = isIpv4 ? this.ipv4 : this.ipv6;
    const row = isIpv4 ? entry : entry - this.ipv4.count;
    return { rows, row, facts: unpack(rows.facts(row)) };
  }

  #origin(number: number): string {
    return this.#name(number);
  }

  #type(number: number): string {
    return this.#name(this.#shape.origins + number);
  }

  #scenario(number: number): string {
    return this.#name(this.#shape.origins + this.#shape.types + number);
  }

  #name(index: number): string {
    const start = index === 0 ? 0 : this.#nameEnds[index - 1]!;
    // Copied first: who decodes bytes looks at them twice, and these may be written to meanwhile.
    return Buffer.from(this.#nameBytes.subarray(start, this.#nameEnds[index]!)).toString();
  }
}

/** By the origins' numbers: how many rows have not ended. Whoever looks at the metrics waits for half a million of them. */
function heldIn(rows: Rows, nowSeconds: number): Uint32Array {
  const counts = new Uint32Array(ORIGINS_MAX);
  for (let row = 0; row < rows.capacity; row++) {
    if (rows.ends(row) > nowSeconds) counts[originOf(rows.facts(row))]! += 1;
  }
  return counts;
}

function shapeIn(words: Uint32Array): Shape {
  const [, ipv4 = 0, ipv6 = 0, origins = 0, types = 0, scenarios = 0, nameBytes = 0] = words;
  return { ipv4, ipv6, origins, types, scenarios, nameBytes };
}

function bytesFor(shape: Shape): number {
  const nests = Nest.bytesFor(1, shape.ipv4) + Nest.bytesFor(4, shape.ipv6);
  return 4 * HEADER_WORDS + nests + 4 * namesIn(shape) + shape.nameBytes;
}

function namesIn(shape: Shape): number {
  return shape.origins + shape.types + shape.scenarios;
}

/** The most that a list takes. */
export const LIST_BYTES_MAX = bytesFor({
  ipv4: 0,
  ipv6: DECISIONS_MAX,
  origins: ORIGINS_MAX,
  types: TYPES_MAX,
  scenarios: SCENARIOS_MAX,
  nameBytes: (ORIGINS_MAX + TYPES_MAX + SCENARIOS_MAX) * NAME_BYTES_MAX,
});

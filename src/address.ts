/**
 * IP addresses, networks and endpoints, each in one canonical form.
 *
 * An address is four 32-bit words; IPv4 is held as `::ffff:a.b.c.d`, so that a v4-mapped IPv6 address and the IPv4
 * address are the same thing from the start. `node:net`'s `isIP` decides what is an address: no octal, no hex, no
 * short forms, no zone (RFC 4291 2.2, RFC 5952 for the text).
 */
import { isIP, isIPv4 } from "node:net";

/** An IP literal and a port that can be connected to or listened on. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** An address and a port, as they stand in a PROXY header. */
export interface AddressAndPort {
  readonly address: Address;
  readonly port: number;
}

const MAPPED = 0xffff;

export class Address {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  #text: string | null = null;

  /** The four words, most significant first, each from 0 to 2^32-1. */
  constructor(a: number, b: number, c: number, d: number) {
    this.a = a;
    this.b = b;
    this.c = c;
    this.d = d;
  }

  static v4(word: number): Address {
    return new Address(0, 0, MAPPED, word);
  }

  /** The address in `text`, or null. */
  static parse(text: string): Address | null {
    const family = isIP(text);
    if (family === 4) return Address.v4(wordOfIPv4(text));
    if (family === 6 && !text.includes("%")) return parseIPv6(text);
    return null;
  }

  get family(): 4 | 6 {
    return this.a === 0 && this.b === 0 && this.c === MAPPED ? 4 : 6;
  }

  /** Canonical text: dotted for IPv4, RFC 5952 for IPv6. */
  get text(): string {
    this.#text ??= this.family === 4 ? textOfIPv4(this.d) : textOfIPv6(this);
    return this.#text;
  }

  equals(other: Address): boolean {
    return this.a === other.a && this.b === other.b && this.c === other.c && this.d === other.d;
  }

  /** The address with all but its first `length` bits cleared; `length` counts in the address's own family. */
  prefix(length: number): Address {
    const bits = this.family === 4 ? length + 96 : length;
    return new Address(
      masked(this.a, bits),
      masked(this.b, bits - 32),
      masked(this.c, bits - 64),
      masked(this.d, bits - 96),
    );
  }

  /**
   * Whether a client can have this address: it is not unspecified, loopback, multicast or broadcast. In IPv4 that
   * leaves out 0.0.0.0/8 (RFC 1122 3.2.1.3), 127.0.0.0/8, 224.0.0.0/4 (RFC 5771) and 255.255.255.255.
   */
  get isClient(): boolean {
    if (this.family === 4) {
      const first = this.d >>> 24;
      return first !== 0 && first !== 127 && first >> 4 !== 14 && this.d !== 0xffffffff;
    }
    if (this.a === 0 && this.b === 0 && this.c === 0 && this.d <= 1) return false;
    return this.a >>> 24 !== 0xff;
  }

  get isLoopback(): boolean {
    if (this.family === 4) return this.d >>> 24 === 127;
    return this.a === 0 && this.b === 0 && this.c === 0 && this.d === 1;
  }
}

/** A network: an address and how many of its leading bits count. */
export class Network {
  readonly address: Address;
  /** In the address's own family: 0 to 32, or 0 to 128. */
  readonly length: number;

  constructor(address: Address, length: number) {
    this.length = length;
    this.address = address.prefix(length);
  }

  /** The network in `text`, e.g. `10.0.0.0/8`, `2001:db8::/32` or a single address; null when it is none. */
  static parse(text: string): Network | null {
    const match = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text);
    if (match === null) return null;
    const address = Address.parse(match[1]!);
    if (address === null) return null;
    const bits = address.family === 4 ? 32 : 128;
    if (match[2] === undefined) return new Network(address, bits);
    // Behind a mapped address the length counts from the first of its 128 bits; a shorter one is no IPv4 network.
    const mapped = address.family === 4 && text.includes(":");
    const length = Number(match[2]) - (mapped ? 96 : 0);
    return length >= 0 && length <= bits ? new Network(address, length) : null;
  }

  contains(address: Address): boolean {
    return address.family === this.address.family && address.prefix(this.length).equals(this.address);
  }

  /** Whether some address is in both; one of them then lies within the other. */
  overlaps(other: Network): boolean {
    return this.contains(other.address) || other.contains(this.address);
  }

  /** It is one address. */
  get isSingle(): boolean {
    return this.length === (this.address.family === 4 ? 32 : 128);
  }
}

/** A fixed set of networks, asked once for each connection: a handful of entries, so a walk is enough. */
export class Networks {
  readonly #networks: readonly Network[];

  /** @throws RangeError where a text is no network; the configuration has checked them before. */
  constructor(texts: readonly string[]) {
    this.#networks = texts.map((text) => {
      const network = Network.parse(text);
      if (network === null) throw new RangeError(`no network: ${text}`);
      return network;
    });
  }

  contains(address: Address): boolean {
    for (const network of this.#networks) if (network.contains(address)) return true;
    return false;
  }

  overlaps(other: Network): boolean {
    return this.#networks.some((network) => network.overlaps(other));
  }
}

/** The endpoint in `text`: `192.0.2.1:25` or `[2001:db8::1]:25`; null when it is none. */
export function parseEndpoint(text: string): Endpoint | null {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  if (match === null) return null;
  const host = match[1] ?? match[2]!;
  const port = Number(match[3]);
  if (isIP(host) !== (match[1] === undefined ? 4 : 6) || port > 65535 || host.includes("%")) return null;
  return { host, port };
}

/** `192.0.2.1:25` or `[2001:db8::1]:25`. */
export function endpointText(endpoint: Endpoint): string {
  return endpoint.host.includes(":")
    ? `[${endpoint.host}]:${endpoint.port}`
    : `${endpoint.host}:${endpoint.port}`;
}

function masked(word: number, bits: number): number {
  if (bits >= 32) return word;
  return bits <= 0 ? 0 : (word & (-1 << (32 - bits))) >>> 0;
}

function wordOfIPv4(text: string): number {
  let word = 0;
  for (const part of text.split(".")) word = word * 256 + Number(part);
  return word;
}

/** `text` has passed `isIP`, so that only its own forms have to be told apart. */
function parseIPv6(text: string): Address {
  let rest = text;
  const dotted = rest.slice(rest.lastIndexOf(":") + 1);
  if (isIPv4(dotted)) {
    const word = wordOfIPv4(dotted);
    rest = `${rest.slice(0, -dotted.length)}${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`;
  }
  const [head, tail] = rest.split("::");
  const groups = groupsOf(head!);
  if (tail !== undefined) {
    const last = groupsOf(tail);
    while (groups.length + last.length < 8) groups.push(0);
    groups.push(...last);
  }
  const word = (index: number) => groups[index]! * 65536 + groups[index + 1]!;
  return new Address(word(0), word(2), word(4), word(6));
}

function groupsOf(text: string): number[] {
  return text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
}

function textOfIPv4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}

/** RFC 5952: lower case, no leading zeros, the first longest run of two or more zero groups as `::`. */
function textOfIPv6(address: Address): string {
  const groups: number[] = [];
  for (const word of [address.a, address.b, address.c, address.d]) groups.push(word >>> 16, word & 0xffff);
  let start = -1;
  let longest = 1;
  for (let index = 0; index < 8; index++) {
    let end = index;
    while (end < 8 && groups[end] === 0) end++;
    if (end - index > longest) {
      longest = end - index;
      start = index;
    }
    if (end > index) index = end - 1;
  }
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(":");
  if (start < 0) return hex(groups);
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + longest))}`;
}

/**
 * The PROXY header (proxy-protocol.txt): version 2 in, versions 2 and 1 out.
 *
 * The decoder is fed whatever the socket gave, in any cuts, and answers as soon as the bytes decide: a header that comes
 * whole, as nearly all do, is read where it lies; only one that comes in pieces is collected. It is strict where a lenient
 * reading would end in a session under the load balancer's own address: a PROXY header that does not name a TCP client
 * is refused, never answered by falling back to the socket's addresses. It owns no socket and no clock: the deadline,
 * and who may send a header at all, are the session's business.
 *
 * What is refused is refused in this order: signature, version and command, size, family, address block, TLVs,
 * checksum, source. A LOCAL header (2.2) comes from the load balancer itself, so that its transport is not looked at, and
 * its family says only where the TLVs begin: behind the block of a known family, or at once when nothing but the fixed
 * part is there. Behind an unknown family they cannot be found; the length alone counts then.
 */
import assert from "node:assert/strict";
import { Address, type AddressAndPort } from "../address.ts";
import type { HeaderReason } from "../outcome.ts";
import { crc32c } from "./crc32c.ts";
import { CHECKSUM_BYTES, encodeTlvs, type TlvOptions, tlvFault } from "./tlv.ts";

/** What a whole header said. */
export type Header =
  | {
      readonly command: "proxy";
      readonly source: AddressAndPort;
      readonly destination: AddressAndPort;
    }
  | { readonly command: "local" };

/**
 * - `more`: nothing is wrong so far, and all of the chunk belongs to the header.
 * - `done`: the header took the first `used` bytes of this chunk; the rest belongs to the session.
 * - `bad`: this is no header that is taken here.
 */
export type HeaderStep =
  | { readonly kind: "more" }
  | { readonly kind: "done"; readonly header: Header; readonly used: number }
  | { readonly kind: "bad"; readonly reason: HeaderReason };

/**
 * The largest header that is taken, fixed part included: room for a client certificate (2.2.6) beside everything else
 * that load balancers are known to send, and small enough to be held for every client at once.
 */
export const HEADER_BYTES_MAX = 4096;

/**
 * The largest header that Postfix takes; it fits any TCP segment. Ours have 190 bytes at most without TLS, and then some 50
 * for the SSL TLV, of which the name of a cipher is the longest part.
 */
const HEADER_SENT_BYTES_MAX = 536;

const signature = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const COMMAND_AT = 12;
const FAMILY_AT = 13;
const LENGTH_AT = 14;
/** Signature, version and command, family and transport, length. */
const FIXED_BYTES = 16;

/** Version 2 in the high half; a version or command beside these two does not exist. */
const versionAndCommand = { local: 0x20, proxy: 0x21 } as const;
/** The family in the high half, STREAM in the low one. */
const tcp = { v4: 0x11, v6: 0x21 } as const;
/** UNSPEC, INET, INET6, UNIX: two addresses and two ports, or two paths of 108 bytes. */
const blockBytes = [0, 12, 36, 216] as const;

const more: HeaderStep = { kind: "more" };
const local: Header = { command: "local" };

/** Reads one header. Once it has said `done` or `bad`, or its peer has closed, it must not be fed again. */
export class HeaderDecoder {
  /** What earlier chunks held, as long as the header is known to be; null until a chunk ends within the header. */
  #pieces: Buffer | null = null;
  #held = 0;
  #over = false;

  feed(chunk: Uint8Array): HeaderStep {
    assert(!this.#over, "the header has ended");
    if (this.#pieces !== null) return this.#collect(this.#pieces, chunk);
    const size = sizeOf(chunk, chunk.length);
    if (typeof size === "string") return this.#refuse(size);
    if (chunk.length >= size) return this.#finish(chunk, size, size);
    return this.#collect(Buffer.allocUnsafe(size), chunk);
  }

  /** The peer has closed: what is wrong with a header that ends here. */
  end(): HeaderReason {
    assert(!this.#over, "the header has ended");
    this.#over = true;
    return this.#held === 0 ? "proxy-missing" : "proxy-malformed";
  }

  /** Never takes more than the header needs: first its fixed part, then as much as that announces. */
  #collect(pieces: Buffer, chunk: Uint8Array): HeaderStep {
    let used = 0;
    for (;;) {
      const taken = chunk.subarray(used, used + pieces.length - this.#held);
      pieces.set(taken, this.#held);
      used += taken.length;
      this.#held += taken.length;
      const size = sizeOf(pieces, this.#held);
      if (typeof size === "string") return this.#refuse(size);
      if (this.#held === size) return this.#finish(pieces, size, used);
      if (size > pieces.length) pieces = Buffer.concat([pieces], size);
      if (used === chunk.length) break;
    }
    this.#pieces = pieces;
    return more;
  }

  #finish(bytes: Uint8Array, size: number, used: number): HeaderStep {
    const header = decode(bytes, size);
    if (typeof header === "string") return this.#refuse(header);
    this.#over = true;
    return { kind: "done", header, used };
  }

  #refuse(reason: HeaderReason): HeaderStep {
    this.#over = true;
    return { kind: "bad", reason };
  }
}

/** A version 2 header that says that `source` connected to `destination`. One buffer, for one write. */
export function encodeV2(
  source: AddressAndPort,
  destination: AddressAndPort,
  options: TlvOptions = {},
): Buffer {
  const { family } = source.address;
  const tlvs = encodeTlvs(options);
  const size = FIXED_BYTES + blockBytes[family === 4 ? 1 : 2] + tlvs.length;
  assert(size <= HEADER_SENT_BYTES_MAX);

  const header = Buffer.allocUnsafe(size);
  header.set(signature);
  header[COMMAND_AT] = versionAndCommand.proxy;
  header[FAMILY_AT] = family === 4 ? tcp.v4 : tcp.v6;
  let at = header.writeUInt16BE(size - FIXED_BYTES, LENGTH_AT);
  at = putAddress(header, source.address, family, at);
  at = putAddress(header, destinationFor(source.address, destination.address), family, at);
  at = header.writeUInt16BE(source.port, at);
  at = header.writeUInt16BE(destination.port, at);
  header.set(tlvs, at);
  if (options.crc32c) header.writeUInt32BE(crc32c(header), size - CHECKSUM_BYTES);
  return header;
}

/**
 * The same as a version 1 line (2.1). The longest, of two full IPv6 addresses and five-digit ports, has 104 bytes: within
 * the 107 that every receiver must take.
 */
export function encodeV1(source: AddressAndPort, destination: AddressAndPort): Buffer {
  const client = source.address;
  const server = destinationFor(client, destination.address);
  const serverText = client.family === 6 && server.family === 4 ? `::ffff:${server.text}` : server.text;
  const line = `PROXY TCP${client.family} ${client.text} ${serverText} ${source.port} ${destination.port}\r\n`;
  return Buffer.from(line, "latin1");
}

/**
 * How long the header is that the first `length` of `bytes` begin: the fixed part while it is not there to tell. Or the
 * reason for which they begin none that is taken.
 */
function sizeOf(bytes: Uint8Array, length: number): number | HeaderReason {
  for (let at = 0; at < COMMAND_AT && at < length; at++) {
    if (bytes[at] !== signature[at]) return "proxy-missing";
  }
  if (length <= COMMAND_AT) return FIXED_BYTES;
  const command = bytes[COMMAND_AT];
  if (command !== versionAndCommand.local && command !== versionAndCommand.proxy) return "proxy-malformed";
  if (length < FIXED_BYTES) return FIXED_BYTES;
  const body = half(bytes, LENGTH_AT);
  if (FIXED_BYTES + body > HEADER_BYTES_MAX) return "proxy-too-long";
  const family = bytes[FAMILY_AT]!;
  if (command === versionAndCommand.proxy && family !== tcp.v4 && family !== tcp.v6) {
    return "proxy-unsupported";
  }
  const bare = command === versionAndCommand.local && body === 0;
  return body < blockOf(family, body) && !bare ? "proxy-malformed" : FIXED_BYTES + body;
}

/** What the header of `size` bytes says that `bytes` begin with; `sizeOf` has judged its fixed part. */
function decode(bytes: Uint8Array, size: number): Header | HeaderReason {
  const family = bytes[FAMILY_AT]!;
  const tlvsAt = FIXED_BYTES + blockOf(family, size - FIXED_BYTES);
  const fault = tlvsAt < size ? tlvFault(bytes, tlvsAt, size) : null;
  if (fault !== null) return fault;
  if (bytes[COMMAND_AT] === versionAndCommand.local) return local;

  const addressBytes = family === tcp.v4 ? 4 : 16;
  const destinationAt = FIXED_BYTES + addressBytes;
  const portsAt = destinationAt + addressBytes;
  const source = addressIn(bytes, FIXED_BYTES, addressBytes);
  if (!source.isClient) return "proxy-source";
  return {
    command: "proxy",
    source: { address: source, port: half(bytes, portsAt) },
    destination: {
      address: addressIn(bytes, destinationAt, addressBytes),
      port: half(bytes, portsAt + 2),
    },
  };
}

/** The length of the address block in a body of `body` bytes: all of it where the family is none that has TLVs behind. */
function blockOf(family: number, body: number): number {
  return blockBytes[family >>> 4] ?? body;
}

function addressIn(bytes: Uint8Array, at: number, length: 4 | 16): Address {
  return length === 4
    ? Address.v4(word(bytes, at))
    : new Address(word(bytes, at), word(bytes, at + 4), word(bytes, at + 8), word(bytes, at + 12));
}

function half(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function word(bytes: Uint8Array, at: number): number {
  return half(bytes, at) * 0x10000 + half(bytes, at + 2);
}

/**
 * The client's address decides the family of the header: Dovecot takes a mapped address as it stands, and a ban engine
 * can do nothing with `::ffff:192.0.2.1`. An IPv6 destination then cannot be said, and nobody needs it: it is 0.0.0.0.
 * The other way round nothing is lost, the destination goes out mapped.
 */
function destinationFor(client: Address, destination: Address): Address {
  return client.family === 4 && destination.family === 6 ? Address.v4(0) : destination;
}

function putAddress(header: Buffer, address: Address, family: 4 | 6, at: number): number {
  let next = at;
  if (family === 6) {
    next = header.writeUInt32BE(address.a, next);
    next = header.writeUInt32BE(address.b, next);
    next = header.writeUInt32BE(address.c, next);
  }
  return header.writeUInt32BE(address.d, next);
}

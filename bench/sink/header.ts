/**
 * The PROXY header as a back end takes it: to know what it was told, and no more.
 *
 * Postern's own decoder (src/proxy/header.ts) refuses what cannot be a client of its users, such as a loopback address or
 * another family. A gateway under test may well say such things, and the record has to show them, read by somebody else.
 */
import { Address, endpointText } from "../../src/address.ts";
import { bytesOf, Lines, nothing, textOf } from "../../src/lines.ts";

export type HeaderKind = "v2" | "v1" | "off" | "auto";

/** - `more`: all of the chunk is the header's. - `done`: `rest` is the session's. `source` is null where there was none. */
export type HeaderStep =
  | { readonly kind: "more" }
  | { readonly kind: "done"; readonly source: string | null; readonly rest: Uint8Array }
  | { readonly kind: "bad" };

const SIGNATURE_2 = bytesOf("\r\n\r\n\0\r\nQUIT\n");
const SIGNATURE_1 = bytesOf("PROXY ");

/** Signature, version and command, family, length. */
const FIXED_BYTES = 16;
const COMMAND_AT = 12;
const FAMILY_AT = 13;
const LENGTH_AT = 14;

/** As much as any gateway has a reason to say, certificates included. */
const BYTES_MAX = 4096;

/** Version 1 with two full IPv6 addresses, by the specification's own count (2.1). */
const LINE_BYTES_MAX = 107;

const V1_LINE = /^PROXY (?:TCP[46] (\S+) \S+ (\d{1,5}) \d{1,5}|UNKNOWN(?: .*)?)\r\n$/;

const more: HeaderStep = { kind: "more" };
const bad: HeaderStep = { kind: "bad" };

export class HeaderReader {
  #kind: HeaderKind;
  #held: Uint8Array = nothing;

  constructor(kind: HeaderKind) {
    this.#kind = kind;
  }

  /** Once it has said `done` or `bad` it must not be fed again. */
  feed(chunk: Uint8Array): HeaderStep {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    if (this.#kind === "auto") this.#kind = kindOf(bytes);
    const step = stepOf(this.#kind, bytes);
    // The chunk's memory is the wire's.
    if (step.kind === "more") this.#held = Uint8Array.from(bytes);
    return step;
  }
}

/** By its first bytes; no command begins with either. */
function kindOf(bytes: Uint8Array): HeaderKind {
  if (bytes.length === 0) return "auto";
  if (begins(bytes, SIGNATURE_2)) return "v2";
  if (!begins(bytes, SIGNATURE_1)) return "off";
  return bytes.length < SIGNATURE_1.length ? "auto" : "v1";
}

function stepOf(kind: HeaderKind, bytes: Uint8Array): HeaderStep {
  switch (kind) {
    case "v2":
      return begins(bytes, SIGNATURE_2) ? version2(bytes) : bad;
    case "v1":
      return begins(bytes, SIGNATURE_1) ? version1(bytes) : bad;
    case "off":
      return { kind: "done", source: null, rest: bytes };
    case "auto":
      return more;
    default:
      return kind satisfies never;
  }
}

/** Whether they differ nowhere, as far as both go. */
function begins(bytes: Uint8Array, signature: Uint8Array): boolean {
  for (let at = 0; at < signature.length && at < bytes.length; at++)
    if (bytes[at] !== signature[at]) return false;
  return true;
}

function version2(bytes: Uint8Array): HeaderStep {
  if (bytes.length < FIXED_BYTES) return more;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const size = FIXED_BYTES + view.getUint16(LENGTH_AT);
  if (size > BYTES_MAX) return bad;
  if (bytes.length < size) return more;
  const source = sourceIn(new DataView(bytes.buffer, bytes.byteOffset, size));
  return source === null ? bad : { kind: "done", source, rest: bytes.subarray(size) };
}

/** Null when the header contradicts itself. */
function sourceIn(header: DataView): string | null {
  const command = header.getUint8(COMMAND_AT);
  if (command === 0x20) return "local";
  if (command !== 0x21) return null;
  const word = (index: number) => header.getUint32(FIXED_BYTES + 4 * index);
  switch (header.getUint8(FAMILY_AT) >> 4) {
    case 1:
      return header.byteLength < FIXED_BYTES + 12 ? null : named(Address.v4(word(0)), header.getUint16(24));
    case 2:
      if (header.byteLength < FIXED_BYTES + 36) return null;
      return named(new Address(word(0), word(1), word(2), word(3)), header.getUint16(48));
    default:
      return "local";
  }
}

function version1(bytes: Uint8Array): HeaderStep {
  const lines = new Lines(LINE_BYTES_MAX);
  lines.feed(bytes);
  const line = lines.next();
  if (line === null) return lines.tooLong ? bad : more;
  const match = V1_LINE.exec(textOf(line));
  if (match === null) return bad;
  const [, host, port] = match;
  if (host === undefined) return { kind: "done", source: "local", rest: lines.rest() };
  const address = Address.parse(host);
  return address === null ? bad : { kind: "done", source: named(address, Number(port)), rest: lines.rest() };
}

function named(address: Address, port: number): string {
  return endpointText({ host: address.text, port });
}

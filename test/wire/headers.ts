/**
 * PROXY headers as they stand on the wire, and what each is to the decoder: one table for all that reads or writes them.
 *
 * `verdict` is `local`, the two endpoints of a client's connection, or the reason of a refusal. Where the addresses do not
 * matter they are 198.51.100.7:40001 and 192.0.2.25:2525.
 */
import type { HeaderReason } from "../../src/outcome.ts";

export interface WireHeader {
  readonly name: string;
  readonly bytes: Buffer;
  readonly verdict: Verdict;
}

export type Verdict = "local" | HeaderReason | { readonly source: string; readonly destination: string };

export const signature = "0d0a0d0a 000d0a51 5549540a";
export const block4 = "c6336407 c0000219 9c41 09dd";
export const block6 = "20010db8000000000000000000000007 20010db8000100000000000000000025 9c41 2af1";

const client4 = { source: "198.51.100.7:40001", destination: "192.0.2.25:2525" };
const client6 = { source: "[2001:db8::7]:40001", destination: "[2001:db8:1::25]:10993" };

export function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(" ", ""), "hex");
}

/** A header with a length that fits: `start` is version, command, family and transport. */
export function framed(start: string, ...body: string[]): Buffer {
  const rest = bytesOf(body.join(""));
  const length = rest.length.toString(16).padStart(4, "0");
  return Buffer.concat([bytesOf(`${signature} ${start} ${length}`), rest]);
}

/** Headers that are taken, each of them whole and with nothing behind it. */
export const good: readonly WireHeader[] = [
  { name: "IPv4", bytes: framed("2111", block4), verdict: client4 },
  { name: "IPv4 with a checksum", bytes: framed("2111", block4, "030004 be2a6f23"), verdict: client4 },
  { name: "IPv6", bytes: framed("2121", block6), verdict: client6 },
  {
    name: "IPv6 with a unique id and a checksum",
    bytes: framed("2121", block6, "050004 65646765", "030004 48eb5f71"),
    verdict: client6,
  },
  { name: "LOCAL", bytes: framed("2000"), verdict: "local" },
  { name: "LOCAL with a checksum", bytes: framed("2000", "030004 a9b87e8f"), verdict: "local" },
  {
    name: "IPv4 as HAProxy 2.6 sends it",
    bytes: bytesOf(`${signature} 2111000c c0000201 7f000001 de16 2edf`),
    verdict: { source: "192.0.2.1:56854", destination: "127.0.0.1:11999" },
  },
  {
    name: "a mapped source and destination in an IPv6 block",
    bytes: framed("2121", `${"00".repeat(10)}ffff c6336407 ${"00".repeat(10)}ffff c0000219 9c41 09dd`),
    verdict: client4,
  },
  {
    name: "source port 0",
    bytes: framed("2111", "c6336407 c0000219 0000 09dd"),
    verdict: { source: "198.51.100.7:0", destination: "192.0.2.25:2525" },
  },
  {
    name: "a destination that is no client's",
    bytes: framed("2111", "c6336407 00000000 9c41 0000"),
    verdict: { source: "198.51.100.7:40001", destination: "0.0.0.0:0" },
  },
  { name: "an empty NOOP", bytes: framed("2111", block4, "040000"), verdict: client4 },
  { name: "unknown types", bytes: framed("2111", block4, "e00001ff", "ff0000"), verdict: client4 },
  {
    name: "the same type twice",
    bytes: framed("2111", block4, "02000161", "02000162"),
    verdict: client4,
  },
  {
    name: "a unique id of 128 bytes",
    bytes: framed("2111", block4, "050080", "61".repeat(128)),
    verdict: client4,
  },
  {
    name: "SSL with no TLV inside",
    bytes: framed("2111", block4, "200005 00 00000000"),
    verdict: client4,
  },
  {
    name: "SSL with a version and an empty TLV inside",
    bytes: framed("2111", block4, "20000f 01 00000000 210004 544c5376 ff0000"),
    verdict: client4,
  },
  {
    name: "all that HAProxy's options add",
    bytes: framed("2111", block4, "02000461626364", "05000132", "20000d 01 00000000 210005 544c537631"),
    verdict: client4,
  },
  { name: "LOCAL with an IPv4 block", bytes: framed("2011", block4), verdict: "local" },
  {
    name: "LOCAL with a loopback source",
    bytes: framed("2011", "7f000001", block4.slice(8)),
    verdict: "local",
  },
  { name: "LOCAL with an IPv6 family and no block", bytes: framed("2021"), verdict: "local" },
  { name: "LOCAL with an IPv4 block and a TLV", bytes: framed("2011", block4, "040000"), verdict: "local" },
  { name: "LOCAL with a UNIX block", bytes: framed("2031", "00".repeat(216)), verdict: "local" },
  { name: "LOCAL with an undefined transport", bytes: framed("201f", block4), verdict: "local" },
  { name: "LOCAL with an undefined family", bytes: framed("20f1", "01"), verdict: "local" },
];

/** Beginnings that are refused; `early` is at which byte the refusal is due, where that is before the last. */
export const bad: readonly (WireHeader & { readonly early?: number })[] = [
  { name: "a version 1 line", bytes: Buffer.from("PROXY TCP4 "), verdict: "proxy-missing", early: 1 },
  { name: "SMTP", bytes: Buffer.from("EHLO x\r\n"), verdict: "proxy-missing", early: 1 },
  { name: "TLS", bytes: bytesOf("1603010200010001fc0303"), verdict: "proxy-missing", early: 1 },
  { name: "an empty line of a client", bytes: Buffer.from("\r\nEHLO"), verdict: "proxy-missing", early: 3 },
  {
    name: "a signature whose last byte is wrong",
    bytes: bytesOf(`${signature.slice(0, -2)}0b 2111`),
    verdict: "proxy-missing",
    early: 12,
  },
  { name: "version 1", bytes: framed("1111", block4), verdict: "proxy-malformed", early: 13 },
  { name: "version 3", bytes: framed("3111", block4), verdict: "proxy-malformed", early: 13 },
  { name: "command 2", bytes: framed("2211", block4), verdict: "proxy-malformed", early: 13 },
  { name: "command 15", bytes: framed("2f00"), verdict: "proxy-malformed", early: 13 },
  ...["00", "01", "02", "10", "12", "13", "1f", "20", "22", "23", "31", "32", "41", "f1", "ff"].map(
    (family) => ({
      name: `PROXY with family and transport ${family}`,
      bytes: framed(`21${family}`, block4),
      verdict: "proxy-unsupported" as const,
      early: 16,
    }),
  ),
  { name: "PROXY with no addresses", bytes: framed("2111"), verdict: "proxy-malformed" },
  {
    name: "an IPv4 block that lacks a byte",
    bytes: framed("2111", block4.slice(0, -2)),
    verdict: "proxy-malformed",
    early: 16,
  },
  {
    name: "an IPv6 family with an IPv4 block",
    bytes: framed("2121", block4),
    verdict: "proxy-malformed",
    early: 16,
  },
  {
    name: "LOCAL with half an IPv4 block",
    bytes: framed("2011", "c6336407"),
    verdict: "proxy-malformed",
    early: 16,
  },
  {
    name: "LOCAL with half a UNIX block",
    bytes: framed("2031", block6),
    verdict: "proxy-malformed",
    early: 16,
  },
  { name: "one stray byte", bytes: framed("2111", block4, "04"), verdict: "proxy-malformed" },
  { name: "two stray bytes", bytes: framed("2111", block4, "0400"), verdict: "proxy-malformed" },
  {
    name: "a TLV that is one byte short",
    bytes: framed("2111", block4, "04000261"),
    verdict: "proxy-malformed",
  },
  {
    name: "a TLV that is far too long",
    bytes: framed("2121", block6, "02ffff61"),
    verdict: "proxy-malformed",
  },
  {
    name: "a second TLV that runs out",
    bytes: framed("2111", block4, "040000", "020001"),
    verdict: "proxy-malformed",
  },
  { name: "LOCAL with a stray byte", bytes: framed("2000", "04"), verdict: "proxy-malformed" },
  {
    name: "LOCAL with a block and a stray byte",
    bytes: framed("2011", block4, "04"),
    verdict: "proxy-malformed",
  },
  {
    name: "a checksum of 3 bytes",
    bytes: framed("2111", block4, "030003 be2a6f"),
    verdict: "proxy-malformed",
  },
  {
    name: "a checksum of 5 bytes",
    bytes: framed("2111", block4, "030005 be2a6f2300"),
    verdict: "proxy-malformed",
  },
  {
    name: "two checksums",
    bytes: framed("2111", block4, "030004 be2a6f23", "030004 be2a6f23"),
    verdict: "proxy-malformed",
  },
  {
    name: "a unique id of 129 bytes",
    bytes: framed("2111", block4, "050081", "61".repeat(129)),
    verdict: "proxy-malformed",
  },
  {
    name: "SSL without its fixed part",
    bytes: framed("2111", block4, "200004 01000000"),
    verdict: "proxy-malformed",
  },
  {
    name: "SSL with a stray byte inside",
    bytes: framed("2111", block4, "200006 01 00000000 21"),
    verdict: "proxy-malformed",
  },
  {
    name: "SSL with a TLV inside that reaches into the next",
    bytes: framed("2111", block4, "200008 01 00000000 210003", "040000"),
    verdict: "proxy-malformed",
  },
  { name: "a wrong checksum", bytes: framed("2111", block4, "030004 be2a6f24"), verdict: "proxy-checksum" },
  {
    name: "LOCAL with a wrong checksum",
    bytes: framed("2000", "030004 00000000"),
    verdict: "proxy-checksum",
  },
  {
    name: "a wrong checksum and a source that is no client's",
    bytes: framed("2111", "7f000001", block4.slice(8), "030004 00000000"),
    verdict: "proxy-checksum",
  },
  ...["00000000", "00000001", "7f000001", "e0000001", "ffffffff"].map((address) => ({
    name: `source ${address}`,
    bytes: framed("2111", address, block4.slice(8)),
    verdict: "proxy-source" as const,
  })),
  ...[
    "00".repeat(16),
    `${"00".repeat(15)}01`,
    `ff02${"00".repeat(13)}01`,
    `${"00".repeat(10)}ffff7f000001`,
    `${"00".repeat(10)}ffff00000000`,
  ].map((address) => ({
    name: `source ${address}`,
    bytes: framed("2121", address, block6.slice(32)),
    verdict: "proxy-source" as const,
  })),
  {
    name: "4097 bytes announced",
    bytes: bytesOf(`${signature} 2111 0ff1`),
    verdict: "proxy-too-long",
  },
  {
    name: "LOCAL with 65535 bytes announced",
    bytes: bytesOf(`${signature} 2000 ffff`),
    verdict: "proxy-too-long",
  },
  {
    name: "too long, and of an unsupported family",
    bytes: bytesOf(`${signature} 2131 ffff`),
    verdict: "proxy-too-long",
  },
];

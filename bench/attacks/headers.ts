/**
 * PROXY headers that are none (proxy-protocol.txt 2), and such as no balancer sends: whoever is served behind one is somebody
 * that the target has made up.
 *
 * A header that does not match the protocol must end the connection at once, says its specification in 2. Whoever serves one
 * that names no client fails. Where a lenient reading has the right client all the same, or has no use for what is wrong, as
 * Postfix has none for TLVs, serving is no fault.
 */
import { Address } from "../../src/address.ts";
import { encodeV1, encodeV2 } from "../../src/proxy/header.ts";
import { type Attack, endedWell, limitedTo, type Observed, seen, type Tools, trick } from "./attack.ts";

const client = { address: Address.v4(0xcb007107), port: 40_123 };
const server = { address: Address.v4(0xc0000219), port: 25 };
const v2 = encodeV2(client, server);
const signature = v2.subarray(0, 12);
/** Two addresses and two ports of IPv4. */
const block = v2.subarray(16);

/** What to make of it when the target serves, and when it does not. */
interface Verdict {
  readonly served: boolean | null;
  readonly refused: boolean | null;
}

const MUST_REFUSE: Verdict = { served: false, refused: true };
const MAY_SERVE: Verdict = { served: null, refused: true };
const SHOULD_SERVE: Verdict = { served: true, refused: null };

type Row = readonly [what: string, bytes: Uint8Array, verdict: Verdict];

/** A version 2 header: version and command, family and transport, and a body, of its own length or of another one. */
function framed(command: number, family: number, body: Uint8Array, length = body.length): Uint8Array {
  return Buffer.concat([signature, Buffer.of(command, family, length >> 8, length & 0xff), body]);
}

function tlv(type: number, value: Uint8Array | string, length = value.length): Uint8Array {
  return Buffer.concat([Buffer.of(type, length >> 8, length & 0xff), Buffer.from(value)]);
}

function withTlvs(...tlvs: readonly Uint8Array[]): Uint8Array {
  return framed(0x21, 0x11, Buffer.concat([block, ...tlvs]));
}

const line = (text: string) => Buffer.from(text, "latin1");

const version1: readonly Row[] = [
  ["a line that never ends", line(`PROXY TCP4 ${"1".repeat(500)}`), MUST_REFUSE],
  [
    "a line of more than 107 bytes",
    line(`PROXY TCP4 203.0.113.7 192.0.2.25 40123 25${" ".repeat(100)}\r\n`),
    MAY_SERVE,
  ],
  ["a line that ends with LF alone", line("PROXY TCP4 203.0.113.7 192.0.2.25 40123 25\n"), MAY_SERVE],
  ["a line that ends with CR alone", line("PROXY TCP4 203.0.113.7 192.0.2.25 40123 25\r"), MAY_SERVE],
  ["an unknown family", line("PROXY TCP5 203.0.113.7 192.0.2.25 40123 25\r\n"), MUST_REFUSE],
  ["IPv6 addresses as TCP4", line("PROXY TCP4 2001:db8::7 2001:db8::25 40123 25\r\n"), MUST_REFUSE],
  ["IPv4 addresses as TCP6", line("PROXY TCP6 203.0.113.7 192.0.2.25 40123 25\r\n"), MUST_REFUSE],
  ["an address with leading zeros", line("PROXY TCP4 203.000.113.007 192.0.2.25 40123 25\r\n"), MAY_SERVE],
  ["an address beyond 255", line("PROXY TCP4 203.0.113.256 192.0.2.25 40123 25\r\n"), MUST_REFUSE],
  ["an address in hexadecimal", line("PROXY TCP4 0xcb007107 192.0.2.25 40123 25\r\n"), MAY_SERVE],
  ["a name in place of an address", line("PROXY TCP4 localhost 192.0.2.25 40123 25\r\n"), MUST_REFUSE],
  ["a port with leading zeros", line("PROXY TCP4 203.0.113.7 192.0.2.25 040123 25\r\n"), MAY_SERVE],
  ["a port of 65536", line("PROXY TCP4 203.0.113.7 192.0.2.25 65536 25\r\n"), MUST_REFUSE],
  ["a port below 0", line("PROXY TCP4 203.0.113.7 192.0.2.25 -1 25\r\n"), MUST_REFUSE],
  ["one port only", line("PROXY TCP4 203.0.113.7 192.0.2.25 40123\r\n"), MUST_REFUSE],
  ["a word too many", line("PROXY TCP4 203.0.113.7 192.0.2.25 40123 25 7\r\n"), MAY_SERVE],
  ["two spaces", line("PROXY TCP4  203.0.113.7 192.0.2.25 40123 25\r\n"), MAY_SERVE],
  ["small letters", line("proxy tcp4 203.0.113.7 192.0.2.25 40123 25\r\n"), MAY_SERVE],
  ["a NUL", line("PROXY TCP4 203.0.113.7\0 192.0.2.25 40123 25\r\n"), MUST_REFUSE],
  ["nothing but PROXY", line("PROXY\r\n"), MUST_REFUSE],
  ["UNKNOWN", line("PROXY UNKNOWN\r\n"), MAY_SERVE],
];

const version2: readonly Row[] = [
  [
    "a signature whose last byte is wrong",
    Buffer.concat([signature.subarray(0, 11), line("\v"), v2.subarray(12)]),
    MUST_REFUSE,
  ],
  ["version 1", framed(0x11, 0x11, block), MUST_REFUSE],
  ["version 3", framed(0x31, 0x11, block), MUST_REFUSE],
  ["an unknown command", framed(0x22, 0x11, block), MUST_REFUSE],
  ["an undefined family", framed(0x21, 0x41, block), MAY_SERVE],
  ["an undefined transport", framed(0x21, 0x1f, block), MAY_SERVE],
  ["a client by UDP", framed(0x21, 0x12, block), MAY_SERVE],
  ["a client at a UNIX socket", framed(0x21, 0x31, Buffer.alloc(216, "/")), MAY_SERVE],
  ["an unspecified client", framed(0x21, 0x00, Buffer.alloc(0)), MAY_SERVE],
  ["more announced than comes", framed(0x21, 0x11, block, block.length + 100), MUST_REFUSE],
  ["a length that cuts the addresses", framed(0x21, 0x11, block, 4), MUST_REFUSE],
  ["no addresses", framed(0x21, 0x11, Buffer.alloc(0)), MUST_REFUSE],
  ["IPv4 addresses as IPv6", framed(0x21, 0x21, block), MUST_REFUSE],
  ["a TLV of one byte", withTlvs(Buffer.of(4)), MAY_SERVE],
  ["a TLV that overruns the header", withTlvs(tlv(0x02, "a", 1000)), MAY_SERVE],
  [
    "a TLV inside SSL that overruns it",
    withTlvs(tlv(0x20, Buffer.of(1, 0, 0, 0, 0, 0x21, 0, 99))),
    MAY_SERVE,
  ],
  ["a wrong checksum", withTlvs(tlv(0x03, Buffer.alloc(4, 1))), MAY_SERVE],
  ["a checksum of 3 bytes", withTlvs(tlv(0x03, Buffer.alloc(3, 1))), MAY_SERVE],
  ["TLVs of 60,000 bytes", withTlvs(tlv(0x04, Buffer.alloc(60_000))), MAY_SERVE],
  ["20,000 empty TLVs", withTlvs(Buffer.alloc(60_000, tlv(0x04, ""))), MAY_SERVE],
  ["the greatest length, and no more", framed(0x21, 0x11, block, 0xffff), MUST_REFUSE],
  ["a client at 127.0.0.1", encodeV2({ ...client, address: Address.v4(0x7f000001) }, server), MAY_SERVE],
  ["a client at 0.0.0.0", encodeV2({ ...client, address: Address.v4(0) }, server), MAY_SERVE],
  ["a client at 224.0.0.1", encodeV2({ ...client, address: Address.v4(0xe0000001) }, server), MAY_SERVE],
  [
    "a client at 255.255.255.255",
    encodeV2({ ...client, address: Address.v4(0xffffffff) }, server),
    MAY_SERVE,
  ],
  ["LOCAL", framed(0x20, 0, Buffer.alloc(0)), SHOULD_SERVE],
  ["LOCAL with half an address block", framed(0x20, 0x11, block.subarray(0, 6)), MAY_SERVE],
];

/** What comes where a header is due, and is none. */
const others: readonly Row[] = [
  ["nothing at all", Buffer.alloc(0), MUST_REFUSE],
  ["a command", line("EHLO a\r\nNOOP\r\n"), MUST_REFUSE],
  ["an HTTP request", line("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), MUST_REFUSE],
  ["a TLS handshake", Buffer.from("1603010200010001fc0303", "hex"), MUST_REFUSE],
  ["empty lines", line("\r\n".repeat(50)), MUST_REFUSE],
  ["100 KB of noise", Buffer.alloc(100_000, 7), MUST_REFUSE],
];

export const headers = limitedTo({ needsProxy: true }, [
  ...tricksOf("PROXY v1", version1),
  trick("PROXY v1", "a good header", (tools) =>
    offer(tools, encodeV1(client, server), tools.plan.proxy === "v1" ? SHOULD_SERVE : MAY_SERVE),
  ),
  ...tricksOf("PROXY v2", version2),
  ...tricksOf("no PROXY header", others),
  trick("slow header", "byte by byte, and soon there", async (tools) => {
    const contact = await tools.open(Buffer.alloc(0));
    // A tenth of the patience: any deadline for headers that is worth the name is longer.
    await contact.drip(tools.header(), tools.patienceMs / 10);
    const isServed = await contact.greeted();
    return seen(contact, isServed ? true : null, isServed ? "served" : "");
  }),
  trick("slow header", "byte by byte, and never whole", async (tools) => {
    const contact = await tools.open(Buffer.alloc(0));
    await contact.drip(tools.header().subarray(0, -1), tools.patienceMs);
    return seen(contact, contact.isGreeted ? false : endedWell(contact));
  }),
  trick("slow header", "the first half, then the end", async (tools) => {
    const contact = await tools.open(tools.header().subarray(0, 14));
    contact.end();
    await contact.over();
    return seen(contact, contact.isGreeted ? false : endedWell(contact));
  }),
  trick("second header", "of version 1, behind the greeting", (tools) =>
    again(tools, encodeV1(client, server)),
  ),
  trick("second header", "of version 2, behind the greeting", (tools) => again(tools, v2)),
]);

function tricksOf(name: string, rows: readonly Row[]): Attack[] {
  return rows.map(([what, bytes, verdict]) => trick(name, what, (tools) => offer(tools, bytes, verdict)));
}

/** Whether the target serves whoever begins like that. */
async function offer(tools: Tools, bytes: Uint8Array, { served, refused }: Verdict): Promise<Observed> {
  const contact = await tools.open(bytes);
  if (await contact.greeted()) return seen(contact, served, "served");
  return seen(contact, contact.ending === null ? null : refused);
}

/**
 * A client that names itself anew in the midst of its session. To a server these are words of no command, so that it objects;
 * one that is silent about them, and answers what comes behind, has believed them.
 */
async function again(tools: Tools, header: Uint8Array): Promise<Observed> {
  const contact = await tools.open();
  if (!(await contact.greeted())) return seen(contact, null, "not served before");
  const isSmtp = tools.plan.protocol === "smtp";
  contact.send(Buffer.concat([header, line(isSmtp ? "NOOP\r\n" : "a NOOP\r\n")]));
  const isAnswered = await contact.hears(isSmtp ? /^250 /m : /^a OK/m);
  // 221 is an objection, too: the QUIT in the midst of version 2's signature is a command to whoever ends lines at LF.
  const isRefused = (isSmtp ? /^(?:[45]\d\d|221)\b/m : /^\S+ BAD\b|^\* BYE\b/m).test(contact.heard);
  if (isAnswered && !isRefused) return seen(contact, false, "taken without a word");
  return seen(contact, isRefused ? true : endedWell(contact));
}

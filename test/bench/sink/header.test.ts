/** PROXY headers as the sink reads them, checked against those that postern writes. */
import t from "tap";
import { type HeaderKind, HeaderReader, type HeaderStep } from "../../../bench/sink/header.ts";
import { Address } from "../../../src/address.ts";
import { bytesOf, textOf } from "../../../src/lines.ts";
import { encodeV1, encodeV2 } from "../../../src/proxy/header.ts";
import { pieces, singly } from "../../cuts.ts";

const four = { address: Address.v4(0xcb007107), port: 1024 };
const six = { address: Address.parse("2001:db8::7")!, port: 65535 };
const loopback = { address: Address.parse("127.0.0.1")!, port: 9 };

const local = bytesOf("\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00");
const unix = Buffer.concat([bytesOf("\r\n\r\n\0\r\nQUIT\n\x21\x31\x00\xd8"), Buffer.alloc(216)]);

/** What a reader makes of bytes: the source, and what it left; or how far it came. */
function read(kind: HeaderKind, bytes: Uint8Array, cuts: readonly number[] = []): unknown {
  const reader = new HeaderReader(kind);
  let step: HeaderStep = { kind: "more" };
  let rest = "";
  for (const piece of pieces(bytes, cuts)) {
    if (step.kind === "done") rest += textOf(piece);
    if (step.kind !== "more") continue;
    step = reader.feed(piece);
    if (step.kind === "done") rest = textOf(step.rest);
  }
  return step.kind === "done" ? [step.source, rest] : step.kind;
}

t.test("HeaderReader gives the source and what is left when a header is whole, in any cuts", async (t) => {
  for (const [kind, header, source] of [
    ["v2", encodeV2(four, loopback), "203.0.113.7:1024"],
    ["v2", encodeV2(six, six, { crc32c: true, uniqueId: bytesOf("x") }), "[2001:db8::7]:65535"],
    ["v2", encodeV2(loopback, four), "127.0.0.1:9"],
    ["v2", local, "local"],
    ["v2", unix, "local"],
    ["v1", encodeV1(four, loopback), "203.0.113.7:1024"],
    ["v1", encodeV1(six, six), "[2001:db8::7]:65535"],
    ["v1", bytesOf("PROXY UNKNOWN\r\n"), "local"],
    ["v1", bytesOf("PROXY UNKNOWN ffff::1 ffff::1 1 1\r\n"), "local"],
  ] as const) {
    const bytes = Buffer.concat([header, bytesOf("EHLO a\r\n")]);
    for (const way of [kind, "auto"] as const) {
      t.strictSame(read(way, bytes), [source, "EHLO a\r\n"], `${way} ${source}`);
      t.strictSame(read(way, bytes, singly(bytes)), [source, "EHLO a\r\n"], `${way} ${source} byte by byte`);
      t.strictSame(read(way, header), [source, ""], `${way} ${source} alone`);
      t.equal(read(way, header.subarray(0, -1)), "more", `${way} ${source} without its last byte`);
    }
  }
});

t.test("HeaderReader takes what comes for the session's when there is no header", async (t) => {
  for (const words of ["EHLO a\r\n", "PROXIES\r\n", "a1 ID NIL\r\n", "\x16\x03\x01"]) {
    t.strictSame(read("auto", bytesOf(words)), [null, words]);
    t.strictSame(read("auto", bytesOf(words), singly(bytesOf(words))), [null, words], "byte by byte");
  }
  const header = textOf(encodeV2(four, four));
  t.strictSame(read("off", bytesOf(header)), [null, header]);
});

t.test("HeaderReader refuses what is no header when one has to be", async (t) => {
  const signature = "\r\n\r\n\0\r\nQUIT\n";
  for (const [kind, words] of [
    ["v2", "EHLO a\r\n"],
    ["v2", "PROXY UNKNOWN\r\n"],
    ["v2", `${signature}\x22\x11\x00\x00`],
    ["v2", `${signature}\x21\x11\x00\x04abcd`],
    ["v2", `${signature}\x21\x21\x00\x0cabcdabcdabcd`],
    ["v2", `${signature}\x20\x00\xff\xff`],
    ["v1", "EHLO a\r\n"],
    ["v1", signature],
    ["v1", "PROXY TCP4 a b 1 2\r\n"],
    ["v1", "PROXY TCP4 192.0.2.1 192.0.2.1 1 2\n"],
    ["v1", `PROXY UNKNOWN ${"x".repeat(92)}\r\n`],
    ["auto", `${signature}\x22\x11\x00\x00`],
    ["auto", "PROXY TCP4\r\n"],
  ] as const) {
    t.equal(read(kind, bytesOf(words)), "bad", `${kind} ${JSON.stringify(words)}`);
    t.equal(read(kind, bytesOf(words), singly(bytesOf(words))), "bad", `${kind} byte by byte`);
  }
  t.strictSame(read("v1", bytesOf(`PROXY UNKNOWN ${"x".repeat(91)}\r\n`)), ["local", ""], "107 bytes");
});

/** The decoder on the table of wire headers, on every cut and every mutation of them, and on what is no header at all. */
import fc from "fast-check";
import { V2ProxyProtocol } from "proxy-protocol-js";
import t from "tap";
import { endpointText } from "../../src/address.ts";
import { HEADER_BYTES_MAX, HeaderDecoder, type HeaderStep } from "../../src/proxy/header.ts";
import { bad, block4, block6, bytesOf, framed, good, signature, type Verdict } from "../wire/headers.ts";

t.test("HeaderDecoder takes a header when it is sound", async (t) => {
  for (const { name, bytes, verdict } of good) {
    const step = new HeaderDecoder().feed(bytes);
    t.strictSame(verdictOf(step), verdict, name);
    t.equal(step.kind === "done" && step.used, bytes.length, `${name}: used`);
  }
});

t.test("HeaderDecoder refuses a header when it is odd", async (t) => {
  for (const { name, bytes, verdict } of bad) {
    t.strictSame(verdictOf(new HeaderDecoder().feed(bytes)), verdict, name);
    t.strictSame(verdictOf(fedByteByByte(bytes).step), verdict, `${name}: byte by byte`);
  }
});

t.test("HeaderDecoder refuses at the first byte that decides when bytes come singly", async (t) => {
  for (const { name, bytes, early } of bad) {
    if (early !== undefined) t.equal(fedByteByByte(bytes).bytes, early, name);
  }
});

t.test("HeaderDecoder takes a header when it is cut in two anywhere", async (t) => {
  const behind = Buffer.from("EHLO client.example\r\n");
  for (const { name, bytes, verdict } of good) {
    const sent = Buffer.concat([bytes, behind]);
    for (let cut = 1; cut < bytes.length; cut++) {
      const decoder = new HeaderDecoder();
      const first = decoder.feed(sent.subarray(0, cut));
      const second = decoder.feed(sent.subarray(cut));
      if (first.kind !== "more" || second.kind !== "done" || cut + second.used !== bytes.length) {
        t.fail(`${name}, cut at ${cut}`, { first, second });
      }
      if (cut % 8 === 1) t.strictSame(verdictOf(second), verdict, `${name}, cut at ${cut}`);
    }
  }
});

t.test("HeaderDecoder takes a header when it comes byte by byte", async (t) => {
  for (const { name, bytes, verdict } of good) {
    const fed = fedByteByByte(Buffer.concat([bytes, behindHeader]));
    t.equal(fed.bytes, bytes.length, name);
    t.strictSame(verdictOf(fed.step), verdict, name);
  }
});

const anyGood = fc.constantFrom(...good);

t.test("HeaderDecoder leaves what follows to the session when the cuts are any", async () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(anyGood, fc.uint8Array({ maxLength: 80 }), cuts, ({ bytes }, payload, cuts) => {
      const sent = Buffer.concat([bytes, payload]);
      const { step, start } = fedInCuts(sent, cuts);
      return step.kind === "done" && start + step.used === bytes.length;
    }),
  );
});

t.test("HeaderDecoder changes no byte of its input and keeps none when it collects", async (t) => {
  for (const { name, bytes, verdict } of good) {
    const chunk = Buffer.from(bytes);
    new HeaderDecoder().feed(chunk);
    t.strictSame(chunk, bytes, name);
    // The same memory is used for the next chunk, as the wire does.
    const decoder = new HeaderDecoder();
    const memory = Buffer.alloc(1);
    let step: HeaderStep = { kind: "more" };
    for (const byte of bytes) {
      memory[0] = byte;
      step = decoder.feed(memory);
      memory[0] = ~byte;
    }
    t.strictSame(verdictOf(step), verdict, name);
  }
});

t.test("HeaderDecoder refuses or takes, and never throws, when any one byte differs", async (t) => {
  for (const { name, bytes, verdict } of good) {
    const checked = name.endsWith("a checksum");
    let taken = 0;
    for (let at = 0; at < bytes.length; at++) {
      for (let value = 0; value < 256; value++) {
        if (value === bytes[at]) continue;
        const step = new HeaderDecoder().feed(changed(bytes, at, value));
        if (step.kind === "done") taken++;
        // A changed length may ask for bytes that never come: the peer is cut off by the deadline then.
        if (step.kind === "more" && at !== 14 && at !== 15) t.fail(`${name}: ${value} at ${at} waits`);
        if (at < 13 && step.kind !== "bad" && !isCommandSwap(bytes, at, value)) {
          t.fail(`${name}: ${value} at ${at} is taken`);
        }
        if (checked && step.kind === "done" && !hidesChecksum(bytes, at, value)) {
          t.fail(`${name}: ${value} at ${at} is taken in spite of the checksum`, { step, verdict });
        }
      }
    }
    t.ok(checked || taken > 0, `${name}: ${taken} mutations are headers too`);
  }
});

t.test("HeaderDecoder gives the same verdict when a mutated header comes whole or in cuts", async () => {
  const byte = fc.nat(255);
  fc.assert(
    fc.property(anyGood, fc.nat(), byte, fc.integer({ min: 1, max: 20 }), ({ bytes }, where, value, size) => {
      const sent = Buffer.concat([changed(bytes, where % bytes.length, value), behindHeader]);
      const whole = new HeaderDecoder().feed(sent);
      const { step } = fedInCuts(sent, [size]);
      return JSON.stringify(verdictOf(whole)) === JSON.stringify(verdictOf(step));
    }),
    { numRuns: 500 },
  );
});

t.test("HeaderDecoder never throws when garbage follows a sound fixed part", async (t) => {
  const start = fc.constantFrom("2111", "2121", "2000", "2011", "2031", "20f1");
  const reasons = new Set<unknown>();
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 300 }), (start, body) => {
      const step = new HeaderDecoder().feed(framed(start, Buffer.from(body).toString("hex")));
      reasons.add(step.kind === "bad" ? step.reason : step.kind);
      return step.kind !== "more";
    }),
    { numRuns: 1000 },
  );
  t.ok(reasons.has("done") && reasons.has("proxy-malformed"));
});

t.test("HeaderDecoder says missing when random bytes come", async () => {
  const first = signature.slice(0, 2);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
      const step = new HeaderDecoder().feed(bytes);
      const begins = Buffer.from(bytes).toString("hex").startsWith(first);
      return begins ? step.kind !== "done" : step.kind === "bad" && step.reason === "proxy-missing";
    }),
  );
});

t.test(
  "HeaderDecoder reads the addresses that proxy-protocol-js reads when the header is plain",
  async (t) => {
    const sound = /^(IPv[46]|a mapped source.*|source port 0|IPv4 as HAProxy.*)$/;
    const plain = good.filter(({ name }) => sound.test(name));
    t.equal(plain.length, 5);
    for (const { name, bytes } of plain) {
      const step = new HeaderDecoder().feed(bytes);
      if (step.kind !== "done" || step.header.command !== "proxy") throw new Error(name);
      const { proxyAddress: theirs } = V2ProxyProtocol.parse(bytes);
      if (!("sourcePort" in theirs)) throw new Error(name);
      const { source, destination } = step.header;
      t.strictSame(
        [source.port, destination.port],
        [theirs.sourcePort, theirs.destinationPort],
        `${name}: ports`,
      );
      const { a, b, c, d } = source.address;
      const words = theirs.sourceAddress.address.length === 4 ? [d] : [a, b, c, d];
      t.strictSame(bytesOfWords(words), Buffer.from(theirs.sourceAddress.address), `${name}: source`);
    }
  },
);

t.test("HeaderDecoder takes 4096 bytes and no more when a header is long", async (t) => {
  const room = HEADER_BYTES_MAX - 16 - 12 - 3;
  const filler = (length: number) => `04${length.toString(16).padStart(4, "0")}${"00".repeat(length)}`;
  const longest = framed("2111", block4, filler(room));
  t.equal(longest.length, 4096);
  t.match(new HeaderDecoder().feed(longest), { kind: "done", used: 4096 });
  t.equal(fedByteByByte(longest).bytes, 4096);

  const longer = framed("2111", block4, filler(room + 1));
  t.equal(longer.length, 4097);
  t.strictSame(new HeaderDecoder().feed(longer), { kind: "bad", reason: "proxy-too-long" });
  t.equal(fedByteByByte(longer).bytes, 16, "as soon as the length is known");
});

t.test("HeaderDecoder ends when a header would be endless", async (t) => {
  const endless = Buffer.concat([bytesOf(`${signature} 2121 ffff`), Buffer.alloc(70_000)]);
  for (const size of [1, 15, 16, 17, 4096]) {
    const { step, start } = fedInCuts(endless, [size]);
    t.strictSame(step, { kind: "bad", reason: "proxy-too-long" });
    t.ok(start <= 16, `after ${start} bytes in pieces of ${size}`);
  }
});

t.test("HeaderDecoder.end says what is wrong when the peer closes early", async (t) => {
  t.equal(new HeaderDecoder().end(), "proxy-missing");
  const empty = new HeaderDecoder();
  empty.feed(new Uint8Array(0));
  t.equal(empty.end(), "proxy-missing");
  const whole = framed("2121", block6);
  for (let length = 1; length < whole.length; length++) {
    const decoder = new HeaderDecoder();
    decoder.feed(whole.subarray(0, length));
    t.equal(decoder.end(), "proxy-malformed", `after ${length} bytes`);
  }
});

t.test("HeaderDecoder throws when it is used after its end", async (t) => {
  const done = new HeaderDecoder();
  done.feed(framed("2000"));
  t.throws(() => done.feed(Buffer.from("x")));
  t.throws(() => done.end());
  const refused = new HeaderDecoder();
  refused.feed(Buffer.from("QUIT"));
  t.throws(() => refused.feed(framed("2000")));
  t.throws(() => refused.end());
  const closed = new HeaderDecoder();
  closed.end();
  t.throws(() => closed.feed(framed("2000")));
});

const behindHeader = Buffer.from("\r\n\0behind");

function verdictOf(step: HeaderStep): Verdict | "more" {
  switch (step.kind) {
    case "more":
      return "more";
    case "bad":
      return step.reason;
    case "done": {
      if (step.header.command === "local") return "local";
      const text = ({ address, port }: typeof step.header.source) =>
        endpointText({ host: address.text, port });
      return { source: text(step.header.source), destination: text(step.header.destination) };
    }
    default:
      return step satisfies never;
  }
}

/** The first step that decides, and after how many bytes it came. */
function fedByteByByte(bytes: Buffer): { step: HeaderStep; bytes: number } {
  const { step, start } = fedInCuts(bytes, [1]);
  return { step, bytes: step.kind === "more" ? start : start + 1 };
}

/** Feeds pieces of the given sizes, over and over, until one decides; `start` is where that piece began. */
function fedInCuts(bytes: Buffer, sizes: readonly number[]): { step: HeaderStep; start: number } {
  const decoder = new HeaderDecoder();
  let start = 0;
  for (let piece = 0; start < bytes.length; piece++) {
    const size = sizes[piece % sizes.length]!;
    const step = decoder.feed(bytes.subarray(start, start + size));
    if (step.kind !== "more") return { step, start };
    start += size;
  }
  return { step: { kind: "more" }, start: bytes.length };
}

function changed(bytes: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = value;
  return copy;
}

/** LOCAL made PROXY or the other way round: the one change before the family that gives another header. */
function isCommandSwap(bytes: Buffer, at: number, value: number): boolean {
  return at === 12 && bytes[12] === (value ^ 1) && (value === 0x20 || value === 0x21);
}

/** A checksum protects only while it is found: these are the changes that put its TLV (the last, of 7 bytes) out of sight. */
function hidesChecksum(bytes: Buffer, at: number, value: number): boolean {
  const tlvBytes = 7;
  if (at === 13) return bytes[12] === 0x20 && value >= 0x40; // LOCAL, whose family is now unknown
  if (at === 15) return value === bytes[15]! - tlvBytes || (bytes[13] === 0x21 && value === 36); // left out
  if (at === 54 && bytes[52] === 0x05) return value === bytes[54]! + tlvBytes; // swallowed by the unique id
  return at === bytes.length - tlvBytes; // of another type
}

function bytesOfWords(words: readonly number[]): Buffer {
  const bytes = Buffer.alloc(words.length * 4);
  words.forEach((word, index) => {
    bytes.writeUInt32BE(word, index * 4);
  });
  return bytes;
}

/** What is skipped of a message, byte for byte. */
import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { bytesOf } from "../../src/lines.ts";
import { BLOCK_BYTES, hold, skip } from "../../src/smtp/skip.ts";

/** The same, one byte at a time. */
function placeIn(bytes: Uint8Array, from: number, to: number): number {
  for (let at = from; at < to; at++) {
    const [before, here] = [bytes[at - 1] ?? 0, bytes[at]];
    if ((here === 0x0a) !== (before === 0x0d) || (here === 0x2e && before === 0x0a)) return at;
  }
  return to;
}

t.test("skip passes over lines when they are as they should be, up to a block of them", async (t) => {
  const lines = "\x8d\x8a\x0e\t.\xff\0\x80\x0c\x0b\x2f\r\n\r\n";
  hold(bytesOf(lines.repeat(BLOCK_BYTES / lines.length + 1).slice(0, BLOCK_BYTES)));
  for (let from = 0; from < 40; from++)
    for (const to of [from + 1, 50, BLOCK_BYTES - 1, BLOCK_BYTES]) t.equal(skip(from, to), to);
});

t.test(
  "skip stops where reading bytes one by one would when they are any, with what was held before behind them",
  async (t) => {
    const byte = fc.oneof(fc.constantFrom(0x0d, 0x0a, 0x2e, 0x61), fc.nat(255));
    const plain = fc.nat(70).map((length) => Array<number>(length).fill(0x61));
    const some = fc.array(
      fc.oneof(
        plain,
        fc.constant([0x0d, 0x0a]),
        byte.map((one) => [one]),
      ),
      { minLength: 1, maxLength: 30 },
    );
    const bytes = some.map((parts) => Uint8Array.from(parts.flat())).filter(({ length }) => length > 0);
    const check = (bytes: Uint8Array) => {
      hold(bytes);
      for (let from = 0; from < bytes.length; from++)
        assert.equal(skip(from, bytes.length), placeIn(bytes, from, bytes.length));
      assert.equal(skip(0, 1), placeIn(bytes, 0, 1));
    };
    fc.assert(fc.property(bytes, check), { numRuns: 2000 });
    t.pass("held");
  },
);

/** A message's end, found in any cuts. */
import fc from "fast-check";
import t from "tap";
import { ContentEnd } from "../../../bench/sink/end.ts";
import { bytesOf } from "../../../src/lines.ts";
import { anyCuts, pieces, singly } from "../../cuts.ts";

/** How many bytes of `text`, fed in these cuts, are the content's. */
function lengthOf(text: string, cuts: readonly number[]): number | null {
  const end = new ContentEnd();
  let before = 0;
  for (const piece of pieces(bytesOf(text), cuts)) {
    const length = end.feed(piece);
    if (length !== null) return before + length;
    before += piece.length;
  }
  return null;
}

t.test("ContentEnd says how many bytes are the content's when it ends in them", async (t) => {
  for (const [text, length] of [
    [".\r\n", 3],
    [".\r\nNOOP\r\n", 3],
    ["a\r\n.\r\nb", 6],
    ["a.\r\n.\r\n", 7],
    ["..\r\n.a\r\n.\r\n", 11],
    ["\r\r\n.\r\r\n.\r\n", 10],
    ["\r\n.\r\n.\r\n", 5],
    ["a\n.\n.\r\n", null],
    ["a\n.\r\n", null],
    ["a\r.\r\n", null],
    ["a\r\n.", null],
    ["", null],
  ] as const) {
    const bytes = bytesOf(text);
    t.equal(lengthOf(text, []), length, JSON.stringify(text));
    t.equal(lengthOf(text, singly(bytes)), length, `${JSON.stringify(text)} byte by byte`);
    for (let at = 0; at <= bytes.length; at++)
      t.equal(lengthOf(text, [at / bytes.length]), length, `${JSON.stringify(text)} cut at ${at}`);
  }
});

t.test("ContentEnd finds the first end there is when anything is fed in any cuts", async () => {
  const bit = fc.constantFrom("\r", "\n", ".", "\r\n", ".\r\n", "a", "long enough to be looked over");
  fc.assert(
    fc.property(fc.array(bit, { maxLength: 30 }), anyCuts, (bits, cuts) => {
      const text = bits.join("");
      const at = `\r\n${text}`.indexOf("\r\n.\r\n");
      return lengthOf(text, cuts) === (at < 0 ? null : at + 3);
    }),
  );
});

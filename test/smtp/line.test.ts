/** Lines as bytes. */
import t from "tap";
import { bytesOf } from "../../src/lines.ts";
import { afterSpace, afterWord, flawOf, hasWord } from "../../src/smtp/line.ts";

t.test(
  "flawOf finds what two servers might read differently when it is there, and nothing else",
  async (t) => {
    for (const [line, flaw] of [
      ["\r\n", null],
      ["NOOP\r\n", null],
      ["\x7f\xff \t\r\n", null],
      ["\n", "LF"],
      ["NOOP\n", "LF"],
      ["\r\r\n", "CR"],
      ["NO\rOP\r\n", "CR"],
      ["NO\rOP\n", "CR"],
      ["NO\0OP\r\n", "NUL"],
      ["NOOP\0\r\n", "NUL"],
      ["NOOP\0\n", "NUL"],
    ] as const)
      t.equal(flawOf(bytesOf(line)), flaw, JSON.stringify(line));
  },
);

t.test("hasWord compares letters in any case when it finds the word, and nothing but letters", async (t) => {
  const line = bytesOf("x Mail-\r\n");
  t.ok(hasWord(line, 2, "MAIL-"));
  t.notOk(hasWord(line, 2, "MAIL\r"), "a dash is no CR");
  t.notOk(hasWord(line, 0, "MAIL"));
  t.notOk(hasWord(line, 8, "\nMAIL"), "it does not go on");
  for (let byte = 0; byte < 256; byte++) {
    const matches = byte === 0x4d || byte === 0x6d;
    t.equal(hasWord(Uint8Array.of(byte), 0, "M"), matches, String(byte));
  }
});

t.test("afterWord and afterSpace stop at the right byte when C's white space is between", async (t) => {
  const line = bytesOf("ab\t\v\f \r\n");
  t.equal(afterWord(line, 0), 2);
  t.equal(afterSpace(line, 2), 8);
  t.equal(afterSpace(line, 0), 0);
  for (let byte = 0; byte < 256; byte++) {
    const space = byte === 0x20 || (byte >= 9 && byte <= 13);
    t.equal(afterSpace(Uint8Array.of(byte), 0), space ? 1 : 0, String(byte));
    t.equal(afterWord(Uint8Array.of(byte), 0), space ? 0 : 1, String(byte));
  }
});

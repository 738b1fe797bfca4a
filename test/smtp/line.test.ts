/** Lines as bytes. */
import t from "tap";
import { bytesOf } from "../../src/lines.ts";
import { afterSpace, afterWord, hasWord, isStrict } from "../../src/smtp/line.ts";

t.test("isStrict is true when CRLF ends the line, and no other CR and no NUL is in it", async (t) => {
  for (const line of ["\r\n", "NOOP\r\n", "\x7f\xff \t\r\n"])
    t.ok(isStrict(bytesOf(line)), JSON.stringify(line));
  for (const line of ["\n", "NOOP\n", "\r\r\n", "NO\rOP\r\n", "NO\rOP\n", "NO\0OP\r\n"]) {
    t.notOk(isStrict(bytesOf(line)), JSON.stringify(line));
  }
});

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

/** The end of a message, found in any cuts. What a smuggler tries is tested with the watch. */
import fc from "fast-check";
import t from "tap";
import { bytesOf } from "../../src/lines.ts";
import { MessageEnd } from "../../src/smtp/data.ts";
import { BLOCK_BYTES } from "../../src/smtp/skip.ts";
import { anyMessage, checkEnd } from "./ends.ts";

t.test("MessageEnd says how many bytes are the message's when it ends in them", async (t) => {
  for (const [chunks, length] of [
    [[".\r\n"], 3],
    [[".\r\nNOOP\r\n"], 3],
    [["a\r\n.\r\nb"], 6],
    [["..\r\n.a\r\n.\r\n"], 11],
    [["a\r\n.", "\r\nb"], 2],
    [["a\r", "\n", ".", "\r", "\n.\r\n"], 1],
    [["", ".\r", "", "\nx"], 1],
    [["a.\r\n", "\r\n"], null],
    [["."], null],
  ] as const) {
    const end = new MessageEnd();
    const lengths = chunks.map((chunk) => end.feed(bytesOf(chunk)));
    t.equal(lengths.at(-1), length, JSON.stringify(chunks));
    t.ok(lengths.slice(0, -1).every((one) => one === null));
    t.equal(end.bare, null);
  }
});

t.test(
  "MessageEnd tells the first that stands alone when several do, and finds the end all the same",
  async (t) => {
    for (const [chunks, bare, length] of [
      [["a\n.\n\r\r\n.\r\nx"], "LF", 10],
      [["a\r", "b\n", "\r\n.\r\n"], "CR", 5],
      [["\r", "\r\n.\r\n"], "CR", 5],
      [["\n"], "LF", null],
      [["\r", "."], "CR", null],
      [["\n.\r\n"], "LF", null],
    ] as const) {
      const end = new MessageEnd();
      const lengths = chunks.map((chunk) => end.feed(bytesOf(chunk)));
      t.equal(end.bare, bare, JSON.stringify(chunks));
      t.equal(lengths.at(-1), length);
    }
  },
);

t.test("MessageEnd misses nothing when it stands in long lines, at whatever place", async (t) => {
  // Bytes that differ from a CR, an LF or the next lower ones in their top bit only, or stand close to them.
  const text = "\x8d\x8a\x0e\t\xff\x89\0\x80".repeat(3);
  const lines = `${text}\r\n${text}.\r\n\r\n..\r\n`;
  for (let cut = 0; cut <= text.length; cut++) {
    const [before, after] = [lines + text.slice(0, cut), text.slice(cut) + lines];
    for (const [what, bare, length] of [
      ["", null, null],
      ["\r\n.\r\n", null, before.length + 5],
      ["\r", "CR", null],
      ["\r\r\n", "CR", null],
      ["\r\n.\r", "CR", null],
      ["\n", "LF", null],
      ["\r\n\n", "LF", null],
      ["\r\n.\n", "LF", null],
      ["\n.\r\n", "LF", null],
    ] as const) {
      const end = new MessageEnd();
      const found = end.feed(bytesOf(before + what + after));
      t.same([end.bare, found], [bare, length], JSON.stringify([cut, what]));
    }
  }
});

t.test("MessageEnd has a CR pending when it comes last", async (t) => {
  const end = new MessageEnd();
  for (const [chunk, pending] of [
    ["a\r", true],
    ["\n", false],
    [".\r", true],
    ["", true],
  ] as const) {
    end.feed(bytesOf(chunk));
    t.equal(end.pending, pending);
    t.equal(end.bare, null);
  }
});

t.test(
  "MessageEnd is as strict as a look at the whole text when that is anything, in any cuts",
  async (t) => {
    fc.assert(
      fc.property(anyMessage(BLOCK_BYTES), ([text, cuts]) => checkEnd(new MessageEnd(), text, cuts)),
      { numRuns: 2000 },
    );
    t.pass("held");
  },
);

t.test("MessageEnd misses nothing when it stands about a block's beginning or end", async (t) => {
  const line = `${"a".repeat(29)}\r\n`;
  const lines = line.repeat(Math.ceil((BLOCK_BYTES + 40) / line.length));
  for (const odd of ["", "\r\n.\r\n", "\r\n..\r\n", "\r", "\n", "\r\r\n", "\n.\r\n", "\r\n.\r", "\r\n.\n"])
    for (let about = -20; about <= 20; about++)
      for (const length of [20 + about, BLOCK_BYTES + about]) {
        const text = `${lines.slice(0, length)}${odd}${line}`;
        for (const cut of [0, length - 1, length, length + 1, length + 2])
          checkEnd(new MessageEnd(), text, [cut / text.length]);
      }
  t.pass("all");
});

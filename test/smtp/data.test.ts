/** The end of a message, found in any cuts. What a smuggler tries is tested with the watch. */
import t from "tap";
import { bytesOf } from "../../src/lines.ts";
import { MessageEnd } from "../../src/smtp/data.ts";

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

/** Replies, whole and cut, sound and odd. */
import fc from "fast-check";
import t from "tap";
import { bytesOf, textOf } from "../../src/lines.ts";
import { Replies } from "../../src/smtp/reply.ts";
import { anyCuts, pieces } from "../cuts.ts";

const sound: [text: string, code: number, texts: string[]][] = [
  ["220 mx ESMTP\r\n", 220, ["mx ESMTP"]],
  ["250\r\n", 250, [""]],
  ["250 \r\n", 250, [""]],
  ["220-a\r\n220-b\r\n220 c\r\n", 220, ["a", "b", "c"]],
  ["220-a\r\n220\r\n", 220, ["a", ""]],
  ["554 5.7.1 \xe9\r\n", 554, ["5.7.1 \xe9"]],
];

t.test("Replies reads a reply when it is sound, in any cuts, and leaves what is behind it", async (t) => {
  for (const [text, code, texts] of sound) {
    fc.assert(
      fc.property(anyCuts, (cuts) => {
        const replies = new Replies();
        let found = null;
        let rest = "";
        for (const piece of pieces(bytesOf(`${text}250 next`), cuts)) {
          if (found !== null) rest += textOf(piece);
          replies.feed(piece);
          found ??= replies.next();
          if (found !== null && rest === "") rest = textOf(replies.rest());
        }
        t.strictSame([found?.code, found?.texts, textOf(found?.bytes ?? bytesOf(""))], [code, texts, text]);
        t.equal(rest, "250 next");
      }),
      { numRuns: 20 },
    );
  }
});

t.test("Replies finds them malformed when a line is odd", async (t) => {
  for (const text of [
    "220 bare line feed\n",
    "220 a\rb\r\n",
    "220 a\0b\r\n",
    "220-a\r\n250 b\r\n",
    "220-a\r\n220-b\n220 c\r\n",
    "22 a\r\n",
    "2200 a\r\n",
    "220\ta\r\n",
    "120 a\r\n",
    "620 a\r\n",
    " 220 a\r\n",
    "\r\n",
    "SSH-2.0-OpenSSH\r\n",
    `220 ${"x".repeat(2043)}\r\n`,
    "x".repeat(2049),
    `${"220-x\r\n".repeat(100)}220 x\r\n`,
  ]) {
    const replies = new Replies();
    replies.feed(bytesOf(text));
    t.equal(replies.next(), null);
    t.ok(replies.malformed, JSON.stringify(text.slice(0, 40)));
    t.equal(replies.next(), null, "final");
  }
});

t.test("Replies takes a reply when it is exactly as large as allowed", async (t) => {
  for (const text of [`220 ${"x".repeat(2042)}\r\n`, `${"220-x\r\n".repeat(99)}220 x\r\n`]) {
    const replies = new Replies();
    replies.feed(bytesOf(text));
    t.equal(replies.next()?.code, 220);
  }
});

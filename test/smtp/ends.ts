/** Where messages end and what stands alone in them, by another way than the watch's: a look at the whole text. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { bytesOf } from "../../src/lines.ts";
import type { MessageEnd } from "../../src/smtp/data.ts";
import { anyCuts, pieces } from "../cuts.ts";

/** The length of the message that `text` begins with, its end included; -1 when it does not end. */
export function strictEnd(text: string): number {
  const at = `\r\n${text}`.indexOf("\r\n.\r\n");
  return at < 0 ? -1 : at + 3;
}

/** The first CR or LF that stands alone; a CR that comes last may be none. */
export function firstBare(text: string): RegExpExecArray | null {
  return /\r(?!\n|$)|(?<!\r)\n/.exec(text);
}

/** Feeds `text` in pieces, to the message's end or its own, and compares all that there is to be known after each. */
export function checkEnd(end: MessageEnd, text: string, cuts: readonly number[]): void {
  const messageBytes = strictEnd(text);
  let from = 0;
  for (const piece of pieces(bytesOf(text), cuts)) {
    const to = from + piece.length;
    const found = end.feed(piece);
    const isWhole = messageBytes >= 0 && messageBytes <= to;
    assert.equal(found, isWhole ? messageBytes - from : null);
    const fed = text.slice(0, isWhole ? messageBytes : to);
    const bare = firstBare(fed);
    assert.equal(end.bare, bare === null ? null : bare[0] === "\r" ? "CR" : "LF");
    if (isWhole) return;
    assert.equal(end.pending, fed.endsWith("\r"));
    from = to;
  }
}

const part = fc.constantFrom("a", ".", "\r", "\n", "\r\n", "\r\n.", "\r\n.\r\n", "\x8d", "\x8a", "\xae");

/**
 * A message's beginning, or more than a message, and where to cut it: lines without fault, up to somewhere about a block's
 * beginning or end; then anything; then lines again.
 */
export function anyMessage(blockBytes: number): fc.Arbitrary<[text: string, cuts: number[]]> {
  const text = fc
    .record({
      line: fc.integer({ min: 0, max: 80 }).map((length) => `${"a".repeat(length)}\r\n`),
      about: fc.constantFrom(40, blockBytes, 2 * blockBytes),
      more: fc.integer({ min: -40, max: 20 }),
      odd: fc.array(part, { maxLength: 20 }).map((parts) => parts.join("")),
    })
    .map(({ line, about, more, odd }) => {
      const lines = line.repeat(Math.ceil((about + more) / line.length));
      return `${lines.slice(0, about + more)}${odd}${line.repeat(3)}`;
    });
  return fc.tuple(text, anyCuts);
}

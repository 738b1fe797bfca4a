/** The splitter against a plain split, in any cuts, and its bound, exactly. */
import fc from "fast-check";
import t from "tap";
import { bytesOf, Conversation, Lines, type Script, textOf } from "../src/lines.ts";
import { anyCuts, pieces } from "./cuts.ts";

t.test("Lines returns the same lines when the bytes come in any cuts", async () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "\r", "\n", "\xff", "\0"), maxLength: 60 });
  fc.assert(
    fc.property(text, anyCuts, (text, cuts) => {
      const lines = new Lines(100);
      const found: string[] = [];
      for (const piece of pieces(bytesOf(text), cuts)) found.push(...allOf(lines, piece));
      const expected = text.match(/[^\n]*\n/g) ?? [];
      lines.feed(bytesOf("!"));
      const left = textOf(lines.rest());
      return found.join("|") === expected.join("|") && left === `${text.slice(found.join("").length)}!`;
    }),
  );
});

t.test("Lines gives a view of the chunk when the chunk holds the whole line", async (t) => {
  const chunk = bytesOf("one\r\ntwo\r\nth");
  const lines = new Lines(10);
  lines.feed(chunk);
  const [one, two] = [lines.next(), lines.next()];
  t.equal(one?.buffer, chunk.buffer);
  t.equal(two?.byteOffset, chunk.byteOffset + 5);
  t.equal(lines.next(), null);
  t.equal(lines.heldBytes, 2);
});

t.test("Lines leaves a held line alone when the next one is held too", async (t) => {
  const lines = new Lines(10);
  t.strictSame(allOf(lines, bytesOf("on")), []);
  lines.feed(bytesOf("e\ntw"));
  const one = lines.next();
  t.equal(lines.next(), null);
  t.equal(textOf(one ?? bytesOf("")), "one\n");
});

t.test("Lines takes a line when it is exactly as long as allowed, and no longer one", async (t) => {
  for (const cuts of [[], [0.5], [0.1, 0.2, 0.3, 0.9, 0.95]]) {
    const fits = new Lines(8);
    const over = new Lines(8);
    const found: string[] = [];
    for (const piece of pieces(bytesOf("1234567\nx"), cuts)) found.push(...allOf(fits, piece));
    t.strictSame(found, ["1234567\n"]);
    t.notOk(fits.tooLong);
    for (const piece of pieces(bytesOf("a\n12345678\nx\n"), cuts)) {
      if (!over.tooLong) found.push(...allOf(over, piece));
    }
    t.strictSame(found, ["1234567\n", "a\n"]);
    t.ok(over.tooLong);
    t.equal(over.next(), null, "final");
  }
});

t.test("Lines counts an unfinished line when it is over the bound", async (t) => {
  const lines = new Lines(8);
  t.strictSame(allOf(lines, bytesOf("12345678")), []);
  t.notOk(lines.tooLong);
  t.strictSame(allOf(lines, bytesOf("9")), []);
  t.ok(lines.tooLong);
});

t.test("Lines takes counted bytes when it is asked to between lines", async (t) => {
  const lines = new Lines(80);
  lines.feed(bytesOf("a {5}\r\n1\n2\n3 b\r\nrest"));
  t.equal(textOf(lines.next() ?? bytesOf("")), "a {5}\r\n");
  t.equal(textOf(lines.take(5)), "1\n2\n3");
  t.equal(textOf(lines.next() ?? bytesOf("")), " b\r\n");
  t.equal(lines.unreadBytes, 4);
  t.equal(textOf(lines.take(9)), "rest");
});

const script: Script = {
  greeting: bytesOf("hello\n"),
  lineBytesMax: 8,
  linesMax: 3,
  answer: (line) => ({ reply: bytesOf(`<${line}>`), last: line === "end" }),
  overrun: bytesOf("!"),
};

t.test("Conversation answers each line when several come at once, and nothing behind the last", async (t) => {
  const talk = new Conversation(script);
  t.equal(textOf(talk.feed(bytesOf("a\r\nb\ne"))), "<a><b>");
  t.notOk(talk.closing);
  t.equal(textOf(talk.feed(bytesOf("nd\r\nc\n"))), "<end>");
  t.ok(talk.closing);
  t.equal(talk.feed(bytesOf("d\n")).length, 0);
});

t.test("Conversation ends when a line is too long or there are too many", async (t) => {
  const long = new Conversation(script);
  t.equal(textOf(long.feed(bytesOf("123456\r\n1234567\r\n"))), "<123456>!");
  t.ok(long.closing);
  const many = new Conversation(script);
  t.equal(textOf(many.feed(bytesOf("1\n2\n3\n4\n5\n"))), "<1><2><3>!");
  t.ok(many.closing);
});

function allOf(lines: Lines, chunk: Uint8Array): string[] {
  lines.feed(chunk);
  const found: string[] = [];
  for (let line = lines.next(); line !== null; line = lines.next()) found.push(textOf(line));
  return found;
}

/** A server's responses, with and without literals, in any cuts. */
import fc from "fast-check";
import t from "tap";
import { completionOf, endsLikeLiteral, Responses } from "../../src/imap/scan.ts";
import { bytesOf, textOf } from "../../src/lines.ts";
import { anyCuts, pieces } from "../cuts.ts";

t.test("Responses gives the first line of each response when they come in any cuts", async () => {
  const responses: [text: string, first: string][] = [
    ["* OK ready\r\n", "* OK ready\r\n"],
    ["* OK braces mean nothing {5}\r\n", "* OK braces mean nothing {5}\r\n"],
    ["a1 NO neither here {5}\r\n", "a1 NO neither here {5}\r\n"],
    ["+ nor {5}\n", "+ nor {5}\n"],
    ['* ID ("name" {9}\r\na1 OK x\r\n "v" {0}\r\n)\r\n', '* ID ("name" {9}\r\n'],
    ["* LIST {3}\r\n{3}\r\n", "* LIST {3}\r\n"],
    ["* ID (~{2}\r\n\n\n)\n", "* ID (~{2}\r\n"],
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...responses), { maxLength: 8 }), anyCuts, (script, cuts) => {
      const reader = new Responses();
      const found: string[] = [];
      for (const piece of pieces(bytesOf(script.map(([text]) => text).join("")), cuts)) {
        reader.feed(piece);
        for (let first = reader.next(); first !== null; first = reader.next()) found.push(first);
      }
      return !reader.overrun && found.join("|") === script.map(([, first]) => first).join("|");
    }),
  );
});

t.test("Responses leaves what is behind a response when it is not asked for it", async (t) => {
  const reader = new Responses();
  reader.feed(bytesOf("* ID ({1}\r\nx NIL)\r\na OK done\r\n* BY"));
  t.equal(reader.next(), "* ID ({1}\r\n");
  t.equal(reader.next(), "a OK done\r\n");
  t.equal(textOf(reader.rest()), "* BY");
});

t.test("Responses is overrun when a line or a response is too long", async (t) => {
  for (const text of [
    "x".repeat(8193),
    `* OK ${"x".repeat(8200)}\r\n`,
    "* ID ({32768}\r\n",
    "* ID (".concat("{9999}\r\n", "x".repeat(9999)).repeat(4),
  ]) {
    const reader = new Responses();
    reader.feed(bytesOf(text));
    t.equal(reader.next(), null);
    t.ok(reader.overrun, text.slice(0, 20));
  }
});

t.test("Responses counts each response by itself when there are many", async (t) => {
  const reader = new Responses();
  for (let round = 0; round < 5; round++) {
    reader.feed(bytesOf(`* ID ({9999}\r\n${"x".repeat(9999)} NIL)\r\n`));
    t.equal(reader.next(), "* ID ({9999}\r\n");
  }
  t.notOk(reader.overrun);
});

t.test("completionOf tells how a command ended when the line says so", async (t) => {
  t.strictSame(completionOf("a1 OK done\r\n"), { tag: "a1", ok: true });
  t.strictSame(completionOf("a1 no [LIMIT] x\n"), { tag: "a1", ok: false });
  t.strictSame(completionOf("} BAD\r\n"), { tag: "}", ok: false });
  for (const text of ["* OK a\r\n", "+ OK\r\n", "a1 OKAY\r\n", "a1\r\n", "a1  OK x\r\n", "OK\r\n"]) {
    t.equal(completionOf(text), null, text);
  }
});

t.test("endsLikeLiteral is wary when a line ends in braces", async (t) => {
  for (const text of ["a {5}\r\n", "a {5+}\n", "a {5-}\r\n", "a ~{5}\r\n", "a { 5 }\r\n", "a {}\r\r\n"]) {
    t.ok(endsLikeLiteral(text), text);
  }
  for (const text of ["a 5}\r\n", "a {5\r\n", "a {5} \r\n", 'a "{5}"\r\n', "a {5}"])
    t.notOk(endsLikeLiteral(text), text);
});

/** A server's responses, with and without literals, in any cuts. */
import fc from "fast-check";
import t from "tap";
import { completionOf, isBye, Responses } from "../../src/imap/scan.ts";
import { bytesOf, nothing, textOf } from "../../src/lines.ts";
import { anyCuts, pieces } from "../cuts.ts";

t.test("Responses gives each response whole when they come in any cuts", async () => {
  const responses = [
    "* OK ready\r\n",
    "* OK braces mean nothing {5}\r\n",
    "a1 NO neither here {5}\r\n",
    "+ nor {5}\n",
    '* ID ("name" {9}\r\na1 OK x\r\n "v" {0}\r\n)\r\n',
    "* LIST {3}\r\n{3}\r\n",
    "* ID (~{2}\r\n\n\n)\n",
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...responses), { maxLength: 8 }), anyCuts, (script, cuts) => {
      const reader = new Responses();
      const found: string[] = [];
      for (const piece of pieces(bytesOf(script.join("")), cuts)) {
        reader.feed(piece);
        for (let next = reader.next(); next !== null; next = reader.next()) found.push(textOf(next));
      }
      return !reader.overrun && !reader.holds && found.join("|") === script.join("|");
    }),
  );
});

t.test("Responses holds a response when it is not whole", async (t) => {
  const reader = new Responses();
  for (const [text, holds] of [
    ["* OK", true],
    ["\r\n", false],
    ["* ID ({2}\r\n", true],
    ["ab", true],
    [")\r\n", false],
  ] as const) {
    reader.feed(bytesOf(text));
    while (reader.next() !== null);
    t.equal(reader.holds, holds, JSON.stringify(text));
  }
});

t.test("Responses leaves what is behind a response when it is not asked for it", async (t) => {
  const reader = new Responses();
  reader.feed(bytesOf("* ID ({1}\r\nx NIL)\r\na OK done\r\n* BY"));
  for (const response of ["* ID ({1}\r\nx NIL)\r\n", "a OK done\r\n"]) {
    t.equal(textOf(reader.next() ?? nothing), response);
    t.ok(reader.hasMore);
  }
  t.equal(textOf(reader.rest()), "* BY");
  t.notOk(reader.hasMore);
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
  const response = `* ID ({9999}\r\n${"x".repeat(9999)} NIL)\r\n`;
  for (let round = 0; round < 5; round++) {
    reader.feed(bytesOf(response));
    t.equal(textOf(reader.next() ?? nothing), response);
  }
  t.notOk(reader.overrun);
});

t.test("completionOf tells how a command ended when the line says so", async (t) => {
  for (const [text, tag, status, code] of [
    ["a1 OK done\r\n", "a1", "OK", null],
    ["a1 no [limit] x\n", "a1", "NO", "LIMIT"],
    ["a1 OK [CAPABILITY IMAP4rev1] x\r\n", "a1", "OK", "CAPABILITY"],
    ["a1 NO [ALERT\r\n", "a1", "NO", "ALERT"],
    ["a1 NO x [LIMIT] x\r\n", "a1", "NO", null],
    ["a1 NO []\r\n", "a1", "NO", null],
    ["} BAD\r\n", "}", "BAD", null],
  ] as const)
    t.strictSame(completionOf(text), { tag, status, code }, text);
  for (const text of ["* OK a\r\n", "+ OK\r\n", "a1 OKAY\r\n", "a1\r\n", "a1  OK x\r\n", "OK\r\n"])
    t.equal(completionOf(text), null, text);
});

t.test("isBye tells a BYE when the response is one", async (t) => {
  for (const text of ["* BYE\r\n", "* bye [ALERT] x\n", "* BYE x\r\n"]) t.ok(isBye(text), text);
  for (const text of ["* BYEBYE\r\n", "a BYE x\r\n", "* OK BYE\r\n", "*  BYE\r\n"])
    t.notOk(isBye(text), text);
});

/** What a command line is, whether a literal follows it, and how far a command may go. */
import t from "tap";
import { commandOf, Extent, isTooDeep, literalBehind, literalOf, places } from "../../src/imap/commands.ts";

t.test("commandOf knows tag and verb when all servers do", async (t) => {
  for (const [line, tag, verb] of [
    ["a LOGIN joe x\r\n", "a", "LOGIN"],
    ["} login joe x\n", "}", "LOGIN"],
    ["a.1] Authenticate PLAIN\r\n", "a.1]", "AUTHENTICATE"],
    ["a STARTTLS\r\n", "a", "STARTTLS"],
    ["a compress DEFLATE\r\n", "a", "COMPRESS"],
    ["a id NIL\r\n", "a", "ID"],
    ["a NOOP\r\n", "a", null],
    ["a IDLE\r\n", "a", null],
    ["a\r\n", "a", null],
  ] as const)
    t.strictSame(commandOf(line), { tag, verb }, line);
  for (const line of [
    "a \r\n",
    "a  ID\r\n",
    " a ID\r\n",
    "a\tID\r\n",
    "a ID\tx\r\n",
    "* ID\r\n",
    "+ ID\r\n",
    "\r\n",
  ])
    t.equal(commandOf(line), null, JSON.stringify(line));
});

t.test("literalOf is wary when a line ends in braces", async (t) => {
  for (const text of ["a {5}\r\n", "a {5+}\n", "a {5-}\r\n", "a ~{5}\r\n", "a { 5 }\r\n", "a {}\r\r\n"])
    t.equal(literalOf(text, null), null, text);
  for (const text of ["a 5}\r\n", "a {5\r\n", "a {5} \r\n", 'a "{5}"\r\n', "a {5}"])
    t.equal(literalOf(text, null), "none", text);
});

t.test("literalOf tells the literal when it stands in its place", async (t) => {
  const { login, id } = places;
  const password = literalBehind("a LOGIN {3}\r\n");
  for (const [line, place, octets, waits] of [
    ["a LOGIN {5}\r\n", login, 5, true],
    ["a login {5+}\n", login, 5, false],
    ['a LOGIN "j o" {0+}\r\n', login, 0, false],
    [" {12}\r\n", password, 12, true],
    ['("name" {7+}\r\n', id, 7, false],
  ] as const)
    t.strictSame(literalOf(line, place), { octets, waits }, line);
  for (const [line, place] of [
    ["a LOGIN  {5}\r\n", login],
    ["a LOGIN x{5}\r\n", login],
    ["a LOGIN a b {5}\r\n", login],
    ["{5}\r\n", password],
    ["a LOGIN {12345}\r\n", login],
    ["a LOGIN {5-}\r\n", login],
  ] as const)
    t.equal(literalOf(line, place), null, line);
});

t.test("literalBehind lets LOGIN have no third string", async (t) => {
  t.not(literalBehind("a login {3+}\r\n"), null);
  for (const line of ["a LOGIN joe {3}\r\n", 'a LOGIN "b LOGIN {3" {3}\r\n', " {3}\r\n"])
    t.equal(literalBehind(line), null, line);
});

t.test("Extent holds a command to its bounds when it is added up", async (t) => {
  const extent = new Extent();
  t.ok(extent.line("x".repeat(8000)));
  t.ok(extent.literal(192), "exactly at the limit");
  t.equal(extent.left, 192);
  t.notOk(extent.line("x"));
  extent.begin();
  t.equal(extent.left, 0);
  for (let literal = 1; literal <= 60; literal++) t.ok(extent.literal(1));
  t.notOk(extent.literal(1), "one literal too many");
});

t.test("isTooDeep counts lists within lists when they are not quoted", async (t) => {
  for (const [line, deep] of [
    ["(".repeat(8), false],
    ["(".repeat(9), true],
    [`${"(".repeat(8)}${")".repeat(8)}`.repeat(9), false],
    [`"${"(".repeat(9)}"`, false],
    [`"\\"${"(".repeat(9)}"`, false],
    [`"\\\\" ${"(".repeat(9)}`, true],
    [`\\"" ${"(".repeat(9)}`, true],
    [`"${"(".repeat(9)}`, false],
    [`"a" ${"(".repeat(9)}`, true],
    [`${")".repeat(9)}${"(".repeat(8)}`, false],
    [`${")".repeat(9)}${"(".repeat(9)}`, true],
  ] as const)
    t.equal(isTooDeep(line), deep, line);
});

/** The parser of Prometheus's text format: a table of lines, good and bad, and a page of postern's own library. */
import { Counter, Gauge, Registry } from "prom-client";
import t from "tap";
import { parsePage } from "../../../bench/target/exposition.ts";

/** A line, and what it says: name, labels, value. */
const good: readonly (readonly [string, string, Readonly<Record<string, string>>, number])[] = [
  ["a_total 3", "a_total", {}, 3],
  ["a:b 3.5e-3", "a:b", {}, 0.0035],
  ["  a\t-1\t1700000000000 ", "a", {}, -1],
  ["a{} .5", "a", {}, 0.5],
  ['a{b="c"} 1', "a", { b: "c" }, 1],
  ['a{b="c"}1', "a", { b: "c" }, 1],
  ['a { b = "c" , d="", } 1 17', "a", { b: "c", d: "" }, 1],
  ['a{b="x\\\\y\\"z\\nw\\t"} 1', "a", { b: 'x\\y"z\nw\\t' }, 1],
  ['a{b="} 7 # {,="} 1', "a", { b: "} 7 # {,=" }, 1],
  ['a{b="é"} +Inf', "a", { b: "é" }, Number.POSITIVE_INFINITY],
  ["a -Inf", "a", {}, Number.NEGATIVE_INFINITY],
  ["a NaN", "a", {}, Number.NaN],
];

const bad = [
  "<html>",
  "a",
  "3a 1",
  "a one",
  "a 0x10",
  "a1{ 1",
  'a{b="c} 1',
  "a{b=c} 1",
  'a{b="c" d="e"} 1',
  'a{="c"} 1',
  "a{,} 1",
  "a 1 2 3",
  "a 1 soon",
];

for (const [text, name, labels, value] of good) {
  t.test(`parsePage finds one series when a line is ${JSON.stringify(text)}`, async (t) => {
    const page = parsePage(`# HELP a b\n# TYPE a counter\n\n${text}\r\n`);
    if (typeof page === "string") return t.fail(page);
    t.equal(page.length, 1);
    t.equal(page[0]?.name, name);
    t.same(Object.fromEntries(page[0]?.labels ?? []), labels);
    t.ok(Object.is(page[0]?.value, value), `${page[0]?.value}`);
  });
}

for (const text of bad) {
  t.test(`parsePage refuses a page when a line is ${JSON.stringify(text)}`, async (t) => {
    t.equal(parsePage(`a 1\n${text}\na 1\n`), "line 2 is no metric");
  });
}

t.test("parsePage finds no metrics when there are none", async (t) => {
  t.equal(parsePage("# TYPE a counter\n\n"), "it has no metrics");
});

t.test("parsePage reads back what was written when a library wrote it", async (t) => {
  const registry = new Registry();
  const value = 'a"b\\c\nd}';
  new Gauge({ name: "one", help: "h\nh", labelNames: ["l"], registers: [registry] }).set({ l: value }, 1.5);
  new Counter({ name: "two", help: "h", registers: [registry] }).inc(7);
  t.same(parsePage(await registry.metrics()), [
    { name: "one", labels: new Map([["l", value]]), value: 1.5 },
    { name: "two", labels: new Map(), value: 7 },
  ]);
});

t.test("parsePage is not slowed down when a line is long and broken", { timeout: 5000 }, async (t) => {
  const tails = [
    "} 1 ".repeat(50_000),
    `{a="${"\\".repeat(200_000)}`,
    "a".repeat(200_000),
    " ".repeat(200_000),
  ];
  for (const tail of tails) t.type(parsePage(`a{${tail}!`), "string");
});

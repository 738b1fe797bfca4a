/** Files as text: their tree, their places, and everything that is wrong with them before a setting is looked at. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration look like this.
import t from "tap";
import { Source, TEXT_LENGTH_MAX } from "../../src/config/source.ts";

const environment = { WORD: "from outside", LIST: "[1, 2]" };

t.test("Source.value is the tree when the text is a mapping", async (t) => {
  const text =
    "# a comment\r\na: ${WORD}\r\nb: ['${LIST}', off, 010, 0x10]\r\nc: &c { d: null }\r\ne: *c\r\n25: x\r\n";
  const source = new Source(text, environment);
  t.same(source.value, {
    25: "x",
    a: "from outside",
    b: ["[1, 2]", "off", 10, 16],
    c: { d: null },
    e: { d: null },
  });
  t.notOk(source.faulty);
  t.same(new Source('\ufeff{"json": [true]}', {}).value, { json: [true] });
});

t.test("Source.report gives the text's own faults when it is no tree of settings", async (t) => {
  const table: readonly [string, string[]][] = [
    ["", ["f:1:1: the file is empty"]],
    ["# nothing\n", ["f:1:1: the file is empty"]],
    ["~", ["f:1:1: the file is empty"]],
    ["- a\n- b\n", ["f:1:1: must be a mapping of settings"]],
    ["just words", ["f:1:1: must be a mapping of settings"]],
    ["a: 1\nb: 2\na: 3\n", ["f:3:1: Map keys must be unique"]],
    ["a:\n  - b: 1\n    b: 2\n", ["f:3:5: Map keys must be unique"]],
    ["a: 1\n---\nb: 2\n", ["f:2:1: Source contains multiple documents; please use YAML.parseAllDocuments()"]],
    ["a: !secret x\n", ["f:1:4: Unresolved tag: !secret"]],
    ["a: !!binary AAAA\n", ["f:1:4: Unresolved tag: tag:yaml.org,2002:binary"]],
    ["!!binary gIFe: 1\n", ["f:1:1: Unresolved tag: tag:yaml.org,2002:binary"]],
    ["\ta: 1\n", ["f:1:1: Tabs are not allowed as indentation"]],
    ["a: 1\nb: { c: *none }\n", ["f:2:9: b.c: no anchor is named none"]],
    ["a: 1\n? [b]\n: 2\n? { c: d }\n: 3\n", ["f:2:3: this cannot be a key", "f:4:3: this cannot be a key"]],
    ["__proto__: { a: 1 }\n", ["f:1:1: this cannot be a key"]],
    ["x".repeat(TEXT_LENGTH_MAX + 1), ["f:1:1: the file is larger than 1 MiB"]],
  ];
  for (const [text, lines] of table) {
    const source = new Source(text, {});
    t.equal(source.value, null, text.slice(0, 20));
    t.ok(source.faulty);
    t.same(source.report("f", []), lines);
  }
});

t.test("Source refuses when nesting or aliases have no end", async (t) => {
  const deep = new Source("[".repeat(20_000), {});
  t.equal(deep.value, null);
  t.ok(deep.faulty);
  const levels = Array.from({ length: 30 }, (_, level) =>
    level === 0 ? "a0: &a0 [x]" : `a${level}: &a${level} [*a${level - 1}, *a${level - 1}]`,
  );
  const laughs = new Source(levels.join("\n"), {});
  t.equal(laughs.value, null);
  t.match(laughs.report("f", []), [/^f:1:1: Excessive alias count/]);
});

t.test("Source.report says the place of each variable when it is not set", async (t) => {
  const text = "a: ${NO}\nb:\n  - c: x\n    d: 'say ${NO} twice'\n  - |\n    ${NEVER}\n${KEY}: 1\n";
  const source = new Source(text, {});
  t.same(source.report("f", []), [
    "f:1:4: a: the environment variable NO is not set",
    "f:4:8: b[0].d: the environment variable NO is not set",
    "f:5:5: b[1]: the environment variable NEVER is not set",
  ]);
  t.not(source.value, null, "the rest of the file is still looked at");
});

t.test("Source.report places a fault at its value, its key, or the mapping that lacks it", async (t) => {
  const text = "one: 1\nmap:\n  key: [x, {y: z}]\n  empty:\nlike: &a\n  deep: 1\nalias: *a\n";
  const source = new Source(text, {});
  const place = (path: PropertyKey[], atKey = false) =>
    source.report("f", [{ path, message: "!", atKey }])[0];
  t.equal(place([]), "f:1:1: !");
  t.equal(place(["one"]), "f:1:6: one: !");
  t.equal(place(["one"], true), "f:1:1: one: !");
  t.equal(place(["map", "key"], true), "f:3:3: map.key: !");
  t.equal(place(["map", "key", 0]), "f:3:9: map.key[0]: !");
  t.equal(place(["map", "key", 1, "y"]), "f:3:16: map.key[1].y: !");
  t.equal(place(["map", "key", 7]), "f:3:8: map.key[7]: !");
  t.equal(place(["map", "absent"]), "f:3:3: map.absent: !");
  t.equal(place(["map", "absent", "further"]), "f:3:3: map.absent.further: !");
  t.equal(place(["map", "empty"], true), "f:4:3: map.empty: !");
  t.equal(place(["alias"]), "f:7:8: alias: !");
  t.equal(place(["alias", "deep"]), "f:6:9: alias.deep: !");
  t.equal(place(["map", "a\nb"]), 'f:3:3: map."a\\nb": !');
});

t.test("Source.report sorts by place and says one thing of a value", async (t) => {
  const source = new Source("a: 1\nb: 2\n", {});
  const faults = [
    { path: ["b"], message: "second" },
    { path: ["a"], message: "first" },
    { path: ["a"], message: "its consequence" },
    { path: ["c"], message: "missing" },
    { path: ["d"], message: "missing too" },
  ];
  t.same(source.report("f", faults), [
    "f:1:1: c: missing",
    "f:1:1: d: missing too",
    "f:1:4: a: first",
    "f:2:4: b: second",
  ]);
});

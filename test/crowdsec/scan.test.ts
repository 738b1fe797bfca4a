/** The answer of LAPI's stream in every cut, and what is none. */
import fc from "fast-check";
import t from "tap";
import { type Ending, Scanner } from "../../src/crowdsec/scan.ts";
import { anyCuts, pieces } from "../cuts.ts";
import { changes, decision } from "../servers/lapi.ts";

interface Scanned {
  readonly ending: Ending;
  readonly elements: readonly (readonly [string, unknown])[];
}

function scan(...chunks: readonly (string | Uint8Array)[]): Scanned {
  const elements: [string, unknown][] = [];
  const scanner = new Scanner((list, raw) => elements.push([list, raw]));
  for (const chunk of chunks) scanner.feed(Buffer.from(chunk));
  return { ending: scanner.end(), elements };
}

/** Pieces of `size` bytes. */
function cut(text: string, size: number): Uint8Array[] {
  const bytes = Buffer.from(text);
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  );
}

/** Each with what its lists hold. */
const complete: readonly (readonly [string, ...(readonly [string, unknown])[]])[] = [
  ['{"new":null,"deleted":null}'],
  ['{"deleted":[],"new":[]}'],
  [' \r\n{\t"new" : [ ] ,\n"deleted" : null } \n'],
  [
    '{"new":[{"id":1}],"deleted":[{"id":2},{"id":3}]}',
    ["new", { id: 1 }],
    ["deleted", { id: 2 }],
    ["deleted", { id: 3 }],
  ],
  ['{"deleted":[{"a":[{"b":{}}]} , {}],"new":null}', ["deleted", { a: [{ b: {} }] }], ["deleted", {}]],
  [
    '{"new":[1,"two",null,true,[3]],"deleted":[]}',
    ["new", 1],
    ["new", "two"],
    ["new", null],
    ["new", true],
    ["new", [3]],
  ],
  ['{"new":[{"s":"}],\\"{[\\\\"}],"deleted":[]}', ["new", { s: '}],"{[\\' }]],
  ['{"new":[{"s":"\\u00e4 ä € 😀"}],"deleted":[]}', ["new", { s: "ä ä € 😀" }]],
  ['{"\\u006eew":[0],"deleted":[]}', ["new", 0]],
  ['{"x":{"new":[1],"y":"]"},"new":[],"z":[[]],"deleted":[2],"w":-1.5e3,"v":false}', ["deleted", 2]],
];

t.test("Scanner gives each element when a document comes in any cuts", async (t) => {
  for (const [text, ...elements] of complete) {
    for (let size = 1; size <= Buffer.byteLength(text); size++) {
      t.strictSame(scan(...cut(text, size)), { ending: "complete", elements }, `${text} by ${size}`);
    }
  }
});

t.test("Scanner says truncated when a document ends early, wherever that is", async (t) => {
  for (const [text] of complete) {
    const bytes = Buffer.from(text.trimEnd());
    for (let length = 0; length < bytes.length; length++) {
      t.equal(scan(bytes.subarray(0, length)).ending, "truncated", `${text} at ${length}`);
    }
  }
});

t.test("Scanner says malformed when it is no such document", async (t) => {
  const texts = [
    "null",
    "[]",
    "<html>",
    "\u{feff}{}",
    "{}",
    '{"new":[]}',
    '{"message":"access forbidden"}',
    '{"new":{},"deleted":null}',
    '{"new":"","deleted":null}',
    '{"new":nul,"deleted":null}',
    '{"new":[],"deleted":null}}',
    '{"new":[],"deleted":null} x',
    '{"new":[],"deleted":null,}',
    '{"new":[,],"deleted":null}',
    '{"new":[{},],"deleted":null}',
    '{"new":[{}{}],"deleted":null}',
    '{"new":[{"a":1]],"deleted":null}',
    '{"new":[{"a":01}],"deleted":null}',
    '{"new":[{\'a\':1}],"deleted":null}',
    '{"new":[tru],"deleted":null}',
    '{"new":[}],"deleted":null}',
    '{"new"[],"deleted":null}',
    '{"new":[] "deleted":null}',
    '{new:[],"deleted":null}',
    '{"x":,"new":[],"deleted":null}',
    '{"new":["a\nb"],"deleted":null}',
  ];
  for (const text of texts) {
    t.equal(scan(text).ending, "malformed", text);
    t.equal(scan(...cut(text, 1)).ending, "malformed", `${text} by 1`);
  }
});

t.test("Scanner stays malformed when more comes", async (t) => {
  const scanner = new Scanner(() => t.fail("no element"));
  t.equal(scanner.feed(Buffer.from("x")), false);
  t.equal(scanner.feed(Buffer.from('{"new":[1],"deleted":[]}')), false);
  t.equal(scanner.end(), "malformed");
});

t.test("Scanner gives no element behind a fault when there are some", async (t) => {
  t.strictSame(scan('{"new":[1,,2],"deleted":[]}').elements, [["new", 1]]);
});

t.test("Scanner refuses an element when it is longer than 64 KiB or deeper than 32", async (t) => {
  const document = (element: string) => `{"new":[${element}],"deleted":[]}`;
  const long = (bytes: number) => document(`"${"x".repeat(bytes - 2)}"`);
  const deep = (depth: number) => document("[".repeat(depth) + "]".repeat(depth));
  for (const size of [7, 1_000_000]) {
    t.equal(scan(...cut(long(65_536), size)).ending, "complete");
    t.equal(scan(...cut(long(65_537), size)).ending, "malformed");
    t.equal(scan(...cut(deep(32), size)).ending, "complete");
    t.equal(scan(...cut(deep(33), size)).ending, "malformed");
  }
});

t.test("Scanner passes a member over when it is longer than an element may be", async (t) => {
  const text = `{"x":["${"x".repeat(200_000)}"],"new":[1],"deleted":[]}`;
  t.strictSame(scan(...cut(text, 1000)), { ending: "complete", elements: [["new", 1]] });
});

t.test("Scanner agrees with JSON.parse when elements and cuts are any", async (t) => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue({ maxDepth: 8 })), anyCuts, (values, cuts) => {
      const found: unknown[] = [];
      const scanner = new Scanner((_, raw) => found.push(raw));
      const bytes = Buffer.from(JSON.stringify({ new: values, deleted: [] }));
      for (const piece of pieces(bytes, cuts)) scanner.feed(piece);
      t.equal(scanner.end(), "complete");
      return JSON.stringify(found) === JSON.stringify(values);
    }),
  );
  const text = changes([decision(1, "192.0.2.1")], [decision(2, "2001:db8::/32")]);
  t.equal(scan(text).elements.length, 2);
});

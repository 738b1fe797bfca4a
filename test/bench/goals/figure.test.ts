/** Figures in a bench's line of JSON, by paths that are right, that lead nowhere, and that are none. */
import t from "tap";
import { isPath, worst } from "../../../bench/goals/figure.ts";

const line = {
  gain: 1.14,
  nested: { figure: 7 },
  rows: [
    { key: "RSA 2048", handshake: "full", ratio: 1.1, parallel: 1 },
    { key: "RSA 2048", handshake: "resumed", ratio: 1.3, parallel: 4 },
    { key: "ECDSA P-256", handshake: "full", ratio: 1.2, parallel: 4 },
  ],
};

t.test("worst finds a figure when its path leads to one", async (t) => {
  const cases: readonly (readonly [path: string, most: number | null, least: number | null])[] = [
    ["gain", 1.14, 1.14],
    ["nested.figure", 7, 7],
    ["rows[].ratio", 1.3, 1.1],
    ["rows[handshake=full].ratio", 1.2, 1.1],
    ["rows[key=RSA 2048,handshake=full].ratio", 1.1, 1.1],
    ["rows[parallel=4].ratio", 1.3, 1.2],
  ];
  for (const [path, most, least] of cases) {
    t.equal(worst(line, path, "most"), most, path);
    t.equal(worst(line, path, "least"), least, path);
  }
});

t.test("worst finds nothing when the path leads nowhere, or to what is no figure", async (t) => {
  for (const path of [
    "loss",
    "gain.ratio",
    "rows.ratio",
    "gain[].ratio",
    "rows[handshake=none].ratio",
    "rows[handshake=full].key",
    "rows[].missing",
    "toString",
    "rows[].constructor",
    "rows[",
    "",
  ])
    t.equal(worst(line, path, "most"), null, path);
  for (const nothing of [null, undefined, 7, "line", [], { rows: [{ ratio: null }] }])
    t.equal(worst(nothing, "rows[].ratio", "most"), null);
  // One row without its figure would hide the worst of them.
  t.equal(worst({ rows: [{ ratio: 1 }, {}] }, "rows[].ratio", "most"), null);
});

t.test("isPath tells paths when it is given any text", async (t) => {
  for (const path of ["a", "a.b", "a[].b", "a[b=c].d", "a[b=c d,e=1.5].f"]) t.ok(isPath(path), path);
  for (const path of ["", ".", "a.", "a[", "a[]b", "a[b].c", "a[b=].c", "a[b=c,].d", "a b", "a[=c].d"])
    t.notOk(isPath(path), path);
});

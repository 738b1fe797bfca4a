/** The package's JavaScript: no type and no `.ts` is left in it, and everything stays in its place. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { javaScript, pack } from "../../build/pack.ts";

const sources = fileURLToPath(new URL("../../src", import.meta.url));

t.test("javaScript names files as they are in the package when the source imports them", async (t) => {
  const table: readonly [string, string][] = [
    ['import { a } from "./a.ts";', 'import { a } from "./a.js";'],
    ['import "../b.ts";', 'import "../b.js";'],
    ['export { c } from "./d/c.ts";', 'export { c } from "./d/c.js";'],
    ['const e = () => import("./e.ts");', 'const e = () => import("./e.js");'],
    ['new URL("./f.ts", import.meta.url);', 'new URL("./f.js", import.meta.url);'],
    ['import g from "../package.json";', 'import g from "../package.json";'],
    ['const text = "h.ts"; // ./h.ts', 'const text = "h.ts"; // ./h.ts'],
  ];
  for (const [source, expected] of table) t.equal(javaScript(source), expected);
});

t.test("javaScript keeps lines and columns when types go", async (t) => {
  const source = 'import type { A } from "./a.ts";\nconst b: A = c as A;\n';
  t.match(javaScript(source), /^ *;?\nconst b {4}= c {5};\n$/);
});

t.test("pack writes every source anew when it is called", async (t) => {
  const to = t.testdir({ "old.js": "" });
  pack(sources, to);
  const expected = readdirSync(sources, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  const written = readdirSync(to, { recursive: true, encoding: "utf8" }).filter((name) =>
    /\.\w+$/.test(name),
  );
  t.strictSame(written.sort(), expected.map((name) => name.replace(/\.ts$/, ".js")).sort());
  for (const name of written) t.notMatch(readFileSync(join(to, name), "utf8"), /\.ts["']/, name);
});

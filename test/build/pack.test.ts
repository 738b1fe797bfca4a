/** The package's JavaScript: no type and no `.ts` is left in it, and everything stays in its place. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { javaScript, pack } from "../../build/pack.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

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

t.test("pack writes all that runs, and the manifest above it, anew when it is called", async (t) => {
  const to = t.testdir({ "old.js": "" });
  pack(root, to);
  const sources = ["src", "bench"].flatMap((folder) =>
    filesIn(join(root, folder)).map((name) => `${folder}/${name}`),
  );
  const expected = sources
    .filter((name) => !name.endsWith(".md"))
    .map((name) => name.replace(/\.ts$/, ".js"));
  const written = filesIn(to);
  t.strictSame(written.sort(), [...expected, "package.json"].sort());
  for (const name of written.filter((name) => name.endsWith(".js"))) {
    t.notMatch(readFileSync(join(to, name), "utf8"), /\.ts["']/, name);
  }
});

function filesIn(directory: string): string[] {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)));
}

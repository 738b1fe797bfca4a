/**
 * Writes `src/` and `bench/` as plain JavaScript to `dist/`, for the npm package: Node strips no types below `node_modules`.
 *
 * Types become blanks, so that lines and columns stay what they are in the sources, and a relative path in quotes that
 * ends in `.ts` ends in `.js` afterwards: the specifiers of imports, and the URLs that threads are started from. What else
 * is read when they run goes along as it is. It compiles, bundles and checks nothing; `npm run ok` does the checking.
 * `npm pack` runs it and removes `dist/` when done.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { dirname, join, relative } from "node:path";

/** They lie beside one another in `dist/`, as here, and above them the manifest that says what kind of modules they are. */
const FOLDERS = ["src", "bench"];

/** The JavaScript for one source file. */
export function javaScript(source: string): string {
  return stripTypeScriptTypes(source).replaceAll(/(["'])(\.{1,2}\/[^"'\n]+)\.ts\1/g, "$1$2.js$1");
}

/** Writes every source of the repository `from` to the same place below `to`, which is emptied first. */
export function pack(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  for (const name of FOLDERS.flatMap((folder) => filesBelow(from, folder))) {
    const target = join(to, name.replace(/\.ts$/, ".js"));
    mkdirSync(dirname(target), { recursive: true });
    if (name.endsWith(".ts")) writeFileSync(target, javaScript(readFileSync(join(from, name), "utf8")));
    else cpSync(join(from, name), target);
  }
  cpSync(join(from, "package.json"), join(to, "package.json"));
}

/** What there is to run, or to read when it runs: documents are neither. */
function filesBelow(from: string, folder: string): string[] {
  const entries = readdirSync(join(from, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !entry.name.endsWith(".md"))
    .map((entry) => relative(from, join(entry.parentPath, entry.name)));
}

if (import.meta.main) {
  const root = dirname(import.meta.dirname);
  pack(root, join(root, "dist"));
}

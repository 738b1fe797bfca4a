/**
 * Writes `src/` as plain JavaScript to `dist/`, for the npm package: Node strips no types below `node_modules`.
 *
 * Types become blanks, so that lines and columns stay what they are in the sources, and a relative path in quotes that
 * ends in `.ts` ends in `.js` afterwards: the specifiers of imports, and the URLs that threads are started from. It
 * compiles, bundles and checks nothing; `npm run ok` does the checking. `npm pack` runs it and removes `dist/` when done.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { dirname, join } from "node:path";

/** The JavaScript for one source file. */
export function javaScript(source: string): string {
  return stripTypeScriptTypes(source).replaceAll(/(["'])(\.{1,2}\/[^"'\n]+)\.ts\1/g, "$1$2.js$1");
}

/** Writes every source below `from` to the same place below `to`, which is emptied first. */
export function pack(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  for (const name of readdirSync(from, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".ts")) continue;
    const target = join(to, name.replace(/\.ts$/, ".js"));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, javaScript(readFileSync(join(from, name), "utf8")));
  }
}

if (import.meta.main) {
  const root = dirname(import.meta.dirname);
  pack(join(root, "src"), join(root, "dist"));
}

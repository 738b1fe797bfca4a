/** The repository's TypeScript files, for the tests that read the code itself. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const root = dirname(import.meta.dirname);

/** A file by its path from the root of the repository, which has forward slashes. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** The `.ts` files below `folders`, in the order of their paths. */
export function sourceFiles(...folders: readonly string[]): SourceFile[] {
  const paths = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) => `${folder}/${name}`),
  );
  const sources = paths.filter((path) => path.endsWith(".ts")).sort();
  return sources.map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
}

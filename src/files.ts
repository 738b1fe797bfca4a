/** Small text files that the configuration names: read whole, by a function that is handed in; trouble is a sentence. */

/** The text of a file; throws where it cannot be read. */
export type ReadFile = (path: string) => string;

export type FileText =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly message: string };

export function textOfFile(path: string, readFile: ReadFile): FileText {
  try {
    return { ok: true, text: readFile(path) };
  } catch (error) {
    return { ok: false, message: `the file cannot be read (${errorCode(error)})` };
  }
}

/** ENOENT and its like. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

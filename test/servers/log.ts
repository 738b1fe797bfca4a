/** A server's log file as a test sees it: what was written since a moment, and lines that are waited for. */
import { existsSync, readFileSync } from "node:fs";
import { until } from "./process.ts";

export class ServerLog {
  readonly #file: string;
  #mark = 0;

  constructor(file: string) {
    this.#file = file;
  }

  /** The lines since the last `mark()`. */
  lines(): string[] {
    if (!existsSync(this.#file)) return [];
    const text = readFileSync(this.#file, "utf8");
    return text.split("\n").slice(0, -1).slice(this.#mark);
  }

  /** Forgets what is there: later lines are looked at alone. */
  mark(): void {
    this.#mark += this.lines().length;
  }

  /** The first line since the mark that matches, once it is there. */
  waitFor(pattern: RegExp): Promise<string> {
    return until(`${pattern} in ${this.#file}`, () => this.lines().find((line) => pattern.test(line)));
  }
}

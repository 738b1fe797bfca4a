/**
 * Reloads, one at a time: the file is read again, what is in it comes into force or does not, and the log says which.
 *
 * It knows neither what a configuration is made of nor how one comes into force; it is told both.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Configuration } from "../config/options.ts";
import type { EventLog } from "../observe/logger.ts";

/** A file takes milliseconds; a named pipe that nobody writes to takes for ever. */
const READ_MS = 10_000;

/** A setting that is another than it was, in the file's own words and without secrets; null where there was or is none. */
interface Change {
  readonly what: string;
  readonly from: unknown;
  readonly to: unknown;
}

type Reading =
  | { readonly ok: true; readonly configuration: Configuration; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly errors: readonly string[] };

/** Where the configuration comes from. */
export interface Origin {
  /** Reads it again. */
  read(): Promise<Reading>;
  changes(from: Configuration, to: Configuration): readonly Change[];
}

/** What became of a configuration that came into force. */
export interface Applied {
  readonly before: Configuration;
  readonly asked: Configuration;
  /** As much of it as can change while the process runs. */
  readonly now: Configuration;
}

export type Reloaded =
  | {
      readonly ok: true;
      readonly changes: readonly Change[];
      /** Settings that stay as they were until a restart. */
      readonly needRestart: readonly string[];
      readonly warnings: readonly string[];
    }
  | { readonly ok: false; readonly errors: readonly string[] };

export interface ReloadTerms {
  readonly origin: Origin;
  readonly log: EventLog;
  /** Brings a configuration into force. @throws Error that says why it cannot be; then nothing has changed. */
  apply(asked: Configuration): Promise<Applied>;
}

export class Reloads {
  readonly #terms: ReloadTerms;
  #current: Promise<unknown> = Promise.resolve();
  /** Asked for and not begun yet. */
  #next: Promise<Reloaded> | null = null;

  constructor(terms: ReloadTerms) {
    this.#terms = terms;
  }

  /** Whoever asks while one is under way gets the next, which reads the file after all of them have asked. */
  ask(): Promise<Reloaded> {
    this.#next ??= this.#current.then(() => {
      const reload = this.#reload();
      this.#current = reload;
      this.#next = null;
      return reload;
    });
    return this.#next;
  }

  async #reload(): Promise<Reloaded> {
    const { origin, apply } = this.#terms;
    try {
      const reading = await Promise.race([origin.read(), late()]);
      if (!reading.ok) return this.#failed(reading.errors);
      const { before, asked, now } = await apply(reading.configuration);
      const needRestart = origin.changes(now, asked).map(({ what }) => what);
      return this.#done({ changes: origin.changes(before, now), needRestart, warnings: reading.warnings });
    } catch (error) {
      return this.#failed([error instanceof Error ? error.message : String(error)]);
    }
  }

  #done(outcome: Omit<Extract<Reloaded, { ok: true }>, "ok">): Reloaded {
    const { log } = this.#terms;
    const { changes, needRestart, warnings } = outcome;
    for (const warning of warnings) log.event("warn", "reload-warning", { warning });
    for (const { what, from, to } of changes) log.event("info", "reloaded", { what, from, to });
    if (needRestart.length > 0) log.event("warn", "reload-needs-restart", { settings: needRestart });
    log.event("info", "reload-done", { changes: changes.length });
    return { ok: true, ...outcome };
  }

  #failed(errors: readonly string[]): Reloaded {
    this.#terms.log.event("error", "reload-failed", { errors });
    return { ok: false, errors };
  }
}

async function late(): Promise<Reading> {
  await sleep(READ_MS, null, { ref: false });
  return { ok: false, errors: [`the file could not be read within ${READ_MS / 1000} s`] };
}

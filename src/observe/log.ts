/**
 * The log's end in the control thread: the only place that writes to the destination.
 *
 * It owns the destination (standard output, standard error or a file) and a bounded queue before it. Its own lines and
 * the data threads' batches are each one write, so that no two lines ever mix. A destination that fails never stops the
 * gateway: what cannot be written waits, then is dropped and counted, and standard error hears of it once.
 */
import { once } from "node:events";
import { closeSync, openSync, writeSync } from "node:fs";
import { type Logger, pino } from "pino";
import { type EventLog, type Fields, logger } from "./logger.ts";
import type { LogLevel, LogOptions } from "./options.ts";

/** What may wait for the destination: about 40,000 session lines. */
const waitingBytesMax = 16 * 1024 * 1024;

/** How long `close` waits for a destination that takes nothing, such as a pipe that nobody reads. */
const closeTimeoutMs = 2000;

/** Client addresses are personal data: a new log file is not for everybody to read. */
const fileMode = 0o640;

const descriptors: ReadonlyMap<string, number> = new Map([
  ["stdout", 1],
  ["stderr", 2],
]);

type Destination = ReturnType<typeof pino.destination>;

/** Opens the log. @throws Error that says which file and why, when it cannot be written. */
export async function openLog(options: LogOptions): Promise<Log> {
  const descriptor = descriptors.get(options.destination);
  if (descriptor === undefined) {
    const code = probe(options.destination);
    if (code !== null) throw new Error(`log.destination: cannot write to ${options.destination}: ${code}`);
  }
  const destination = pino.destination({
    dest: descriptor ?? options.destination,
    sync: false,
    maxLength: waitingBytesMax,
    mode: fileMode,
  });
  const log = new Log(options, destination);
  // Until it is open, an exit could not write what waits.
  await once(destination, "ready");
  return log;
}

/** What is wrong with a log file, or null. The destination opens it by itself, but recovers badly where that fails. */
function probe(path: string): string | null {
  try {
    closeSync(openSync(path, "a", fileMode));
    return null;
  } catch (error) {
    return codeOf(error);
  }
}

/**
 * - `open`: lines are written.
 * - `broken`: nobody reads the pipe any more; nothing can be written ever again.
 * - `closed`: by `close`.
 */
type State = "open" | "broken" | "closed";

export class Log implements EventLog {
  readonly #name: string;
  readonly #destination: Destination;
  readonly #logger: Logger;
  #state: State = "open";
  #linesDropped = 0;
  /** The trouble that standard error has heard of; null once a write has gone well. */
  #trouble: string | null = null;

  constructor(options: LogOptions, destination: Destination) {
    this.#name = options.destination;
    this.#destination = destination;
    this.#logger = logger(options.level, { write: (line) => this.#write(line) });
    destination.on("error", (error) => this.#failed(codeOf(error)));
    destination.on("drop", (text: string) => this.#dropped(text));
    destination.on("write", () => {
      this.#trouble = null;
    });
  }

  /** Lines that the destination did not take. */
  get linesDropped(): number {
    return this.#linesDropped;
  }

  event(level: LogLevel, event: string, fields?: Fields): void {
    this.#logger[level]({ event, ...fields });
  }

  /** Writes a data thread's lines, and takes them off its backlog. */
  batch(lines: string, backlog: Int32Array): void {
    Atomics.sub(backlog, 0, lines.length);
    this.#write(lines);
  }

  /** Opens the file anew under its name, after somebody has renamed it. Where that fails the old file stays in use. */
  reopen(): void {
    if (this.#state !== "open" || descriptors.has(this.#name)) return;
    const code = probe(this.#name);
    if (code === null) this.#destination.reopen();
    else this.#failed(code);
  }

  /** Writes what waits, then closes. A destination that takes nothing is given up after a while. */
  async close(): Promise<void> {
    if (this.#state !== "open") return;
    this.#state = "closed";
    const destination = this.#destination;
    await new Promise<void>((resolve) => {
      const giveUp = () => {
        clearTimeout(timer);
        destination.destroy();
        resolve();
      };
      const timer = setTimeout(giveUp, closeTimeoutMs);
      destination.once("error", giveUp);
      destination.once("close", giveUp);
      destination.end();
    });
  }

  #write(text: string): void {
    if (this.#state === "open") this.#destination.write(text);
    else this.#dropped(text);
  }

  #dropped(text: string): void {
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) this.#linesDropped++;
  }

  #failed(code: string): void {
    // pino has made its stream deaf, without an end that could be waited for.
    if (code === "EPIPE") this.#state = "broken";
    if (this.#trouble === code) return;
    this.#trouble = code;
    try {
      writeSync(2, `log.destination: cannot write to ${this.#name}: ${code}\n`);
    } catch {
      // Standard error is gone as well; the dropped lines are still counted.
    }
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

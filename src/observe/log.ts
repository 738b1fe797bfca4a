/**
 * The log's end in the control thread: the only place that writes to the destination.
 *
 * Its own lines and the data threads' batches go the same way, each in one piece, so that no two lines ever mix.
 */
import type { Logger } from "pino";
import { Batch } from "./batch.ts";
import { Destination } from "./destination.ts";
import { type EventLog, type Fields, logger } from "./logger.ts";
import type { LogLevel, LogOptions } from "./options.ts";

/** Opens the log. @throws Error that says which file and why, when it cannot be opened. */
export function openLog({ level, destination }: Pick<LogOptions, "level" | "destination">): Log {
  return new Log(level, new Destination(destination));
}

export class Log implements EventLog {
  readonly #logger: Logger;
  #destination: Destination;
  /** Of the destinations before this one. */
  #linesDropped = 0;

  constructor(level: LogLevel, destination: Destination) {
    this.#destination = destination;
    this.#logger = logger(level, { write: (line) => this.#destination.write(line) });
  }

  /** Lines that no destination took. */
  get linesDropped(): number {
    return this.#linesDropped + this.#destination.linesDropped;
  }

  set level(level: LogLevel) {
    this.#logger.level = level;
  }

  /** Every line from now on goes there; what waits for the old destination is still written to it. */
  redirect(destination: Destination): void {
    const old = this.#destination;
    this.#destination = destination;
    void old.close().then(() => {
      this.#linesDropped += old.linesDropped;
    });
  }

  event(level: LogLevel, event: string, fields?: Fields): void {
    this.#logger[level]({ event, ...fields });
  }

  /** Writes a data thread's lines, and takes them off its backlog. */
  batch(lines: string, backlog: Int32Array): void {
    Batch.taken(lines, backlog);
    this.#destination.write(lines);
  }

  /** For a file that somebody has renamed: goes on in a new one. */
  reopen(): void {
    this.#destination.reopen();
  }

  /** Writes what waits, then closes. */
  close(): Promise<void> {
    return this.#destination.close();
  }
}

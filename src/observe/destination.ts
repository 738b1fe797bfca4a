/**
 * Where log lines end up: standard output, standard error or a file, with a bounded queue before it.
 *
 * It owns the file descriptor and writes one piece at a time, by a thread of Node's pool, so that a slow disk stops
 * nobody; what comes meanwhile is the next piece. Whatever goes wrong is a state, never an exception: a full disk is tried
 * again, lines beyond the queue's bound are dropped and counted, and standard error hears of each trouble once. Opening is
 * synchronous, so that it can say at once what is wrong and a renamed file gets no more lines once `reopen` has returned.
 */
import { closeSync, constants, openSync, write, writeSync } from "node:fs";

/** What may wait, in characters: about 40,000 session lines. */
const WAITING_LENGTH_MAX = 16 * 1024 * 1024;

/** How soon what could not be written is tried again. */
const RETRY_MS = 100;

/** How long `close` and an exit wait for a destination that takes nothing. */
const CLOSE_TIMEOUT_MS = 2000;

/** Client addresses are personal data: a new log file is not for everybody to read. */
const FILE_MODE = 0o640;

/** Non-blocking matters to a named pipe only: without a reader it is an error to open, and when full it can wait. */
const fileFlags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

const descriptors: ReadonlyMap<string, number> = new Map([
  ["stdout", 1],
  ["stderr", 2],
]);

/**
 * - `idle`: nothing waits.
 * - `writing`: the kernel has a piece.
 * - `retrying`: the kernel did not take a piece; a timer runs.
 * - `over`: closed, or nobody reads the pipe any more; lines are dropped.
 */
type State = "idle" | "writing" | "retrying" | "over";

export class Destination {
  readonly #name: string;
  readonly #setting: string;
  #descriptor: number;
  #state: State = "idle";
  /** Whole lines, behind the piece that is being written. */
  #waiting = "";
  /** What is left of the piece that is being written. */
  #piece = Buffer.alloc(0);
  #reopenWanted = false;
  #linesDropped = 0;
  /** The trouble that standard error has heard of; null once a write has gone well. */
  #trouble: string | null = null;
  /** Called when nothing waits, or never will. */
  #onRest = () => {};
  readonly #onExit = () => this.#writeAtExit();

  /**
   * `setting` is what the configuration calls it, for those who read of a trouble.
   * @throws Error that says which file and why, when it cannot be opened.
   */
  constructor(name: string, setting = "log.destination") {
    this.#name = name;
    this.#setting = setting;
    try {
      this.#descriptor = descriptors.get(name) ?? openSync(name, fileFlags, FILE_MODE);
    } catch (error) {
      throw new Error(`${setting}: cannot open ${name}: ${codeOf(error)}`);
    }
    process.on("exit", this.#onExit);
  }

  get linesDropped(): number {
    return this.#linesDropped;
  }

  /** Takes whole lines. */
  write(lines: string): void {
    if (this.#state === "over" || this.#waiting.length + lines.length > WAITING_LENGTH_MAX) {
      this.#drop(lines);
      return;
    }
    this.#waiting += lines;
    if (this.#state === "idle") this.#next();
  }

  /** Opens the file anew under its name, after somebody has renamed it. Where that fails the old file stays in use. */
  reopen(): void {
    if (this.#state === "over" || descriptors.has(this.#name)) return;
    // The kernel is not done with the old descriptor.
    this.#reopenWanted = this.#state === "writing";
    if (this.#reopenWanted) return;
    try {
      const old = this.#descriptor;
      this.#descriptor = openSync(this.#name, fileFlags, FILE_MODE);
      closeSync(old);
    } catch (error) {
      this.#complain(codeOf(error));
    }
  }

  /** Writes what waits, then closes. A destination that takes nothing is given up after a while. */
  async close(): Promise<void> {
    if (this.#state === "over") return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
      this.#onRest = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#state === "idle") this.#onRest();
    });
    const isBusy = this.#state === "writing";
    this.#end();
    if (!isBusy && !descriptors.has(this.#name)) closeSync(this.#descriptor);
  }

  #next(): void {
    if (this.#piece.length === 0) {
      this.#piece = Buffer.from(this.#waiting);
      this.#waiting = "";
    }
    if (this.#piece.length === 0) {
      this.#state = "idle";
      this.#onRest();
      return;
    }
    this.#state = "writing";
    write(this.#descriptor, this.#piece, (error, count) => this.#written(error, count));
  }

  #written(error: NodeJS.ErrnoException | null, count: number): void {
    if (this.#state === "over") return;
    this.#state = "retrying";
    if (this.#reopenWanted) this.reopen();
    if (error === null) {
      this.#trouble = null;
      this.#piece = this.#piece.subarray(count);
      this.#next();
      return;
    }
    const code = codeOf(error);
    // EAGAIN: a pipe is full, and its reader slow.
    if (code !== "EAGAIN") this.#complain(code);
    if (code === "EPIPE") this.#end();
    else setTimeout(() => this.#retry(), RETRY_MS).unref();
  }

  #retry(): void {
    if (this.#state === "retrying") this.#next();
  }

  /** Nothing is written any more. */
  #end(): void {
    this.#drop(this.#piece.toString());
    this.#drop(this.#waiting);
    this.#piece = Buffer.alloc(0);
    this.#waiting = "";
    this.#state = "over";
    process.off("exit", this.#onExit);
    this.#onRest();
  }

  /** The process ends without `close`: what waits has only this moment. The piece that the kernel has is on its way. */
  #writeAtExit(): void {
    const piece = this.#state === "writing" ? [] : [this.#piece];
    let rest = Buffer.concat([...piece, Buffer.from(this.#waiting)]);
    let patienceMs = CLOSE_TIMEOUT_MS;
    while (rest.length > 0 && patienceMs > 0) {
      try {
        rest = rest.subarray(writeSync(this.#descriptor, rest));
      } catch (error) {
        if (codeOf(error) !== "EAGAIN") return;
        patienceMs -= RETRY_MS;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
      }
    }
  }

  #drop(lines: string): void {
    for (let at = lines.indexOf("\n"); at >= 0; at = lines.indexOf("\n", at + 1)) this.#linesDropped++;
  }

  #complain(code: string): void {
    if (this.#trouble === code) return;
    this.#trouble = code;
    try {
      writeSync(2, `${this.#setting}: cannot write to ${this.#name}: ${code}\n`);
    } catch {
      // Standard error is gone as well; the dropped lines are still counted.
    }
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

/**
 * Lines on their way from a data thread to the control thread: joined, and handed over a batch at a time.
 *
 * It owns at most one unfinished batch, sent when it is full or old enough, and adds to a counter in shared memory of what
 * the control thread has not taken yet. Beyond that counter's bound lines are dropped and counted: a slow disk costs
 * lines, never memory and never a session's time. All batches of a thread share its counter.
 */

/** Long enough to join the lines of a busy thread, short enough for whoever watches the log. */
const AGE_MAX_MS = 50;

/** Some 200 lines: the hand-over's cost, spread over so many, disappears beside theirs. */
const LENGTH_MAX = 64 * 1024;

/** About 10,000 session lines: seconds of full load while the control thread is busy. */
const BACKLOG_LENGTH_MAX = 4 * 1024 * 1024;

export interface BatchOptions {
  /** Characters sent and not yet taken: shared with the control thread, and made anew for each thread that starts. */
  readonly backlog: Int32Array;
  /** Hands whole lines to the control thread. */
  send(lines: string): void;
  /** A line was lost. */
  dropped(): void;
}

export class Batch {
  readonly #options: BatchOptions;
  #lines = "";
  #timer: NodeJS.Timeout | null = null;

  /** The counter to share with one thread: see `BatchOptions`. */
  static backlog(): Int32Array {
    return new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  }

  /** The control thread has taken these lines. */
  static taken(lines: string, backlog: Int32Array): void {
    Atomics.sub(backlog, 0, lines.length);
  }

  constructor(options: BatchOptions) {
    this.#options = options;
  }

  /** Takes whole lines. */
  write(line: string): void {
    const waiting = Atomics.load(this.#options.backlog, 0) + this.#lines.length;
    if (waiting + line.length > BACKLOG_LENGTH_MAX) {
      this.#options.dropped();
      return;
    }
    this.#lines += line;
    if (this.#lines.length >= LENGTH_MAX) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), AGE_MAX_MS).unref();
  }

  /** Sends what is there; the thread calls it before it ends. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#lines === "") return;
    const lines = this.#lines;
    this.#lines = "";
    Atomics.add(this.#options.backlog, 0, lines.length);
    this.#options.send(lines);
  }
}

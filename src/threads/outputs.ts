/**
 * Where the control thread writes: the log, and the lines for CrowdSec's stock parsers. Other places can take over: they
 * are opened first, and what waits for the old ones is still written there.
 */
import { isDeepStrictEqual } from "node:util";
import { Destination } from "../observe/destination.ts";
import { type Log, openLog } from "../observe/log.ts";
import type { LogOptions } from "../observe/options.ts";
import { openStock, type StockSink } from "../observe/stocksink.ts";

/** Null: the one that there is stays. */
interface Opened {
  readonly options: LogOptions;
  readonly destination: Destination | null;
  readonly stock: StockSink | null;
}

export class Outputs {
  readonly log: Log;
  #options: LogOptions;
  /** Null: nobody wants its lines. */
  #stock: StockSink | null;
  /** Of the sinks before this one. */
  #stockLinesDropped = 0;
  #next: Opened | null = null;

  /** @throws Error that says which file and why, when one cannot be opened. */
  constructor(options: LogOptions) {
    this.#options = options;
    this.log = openLog(options);
    this.#stock = options.stockLines && openStock(options.stockLines, this.log);
  }

  /** Lines that could not be written. */
  get linesDropped(): number {
    return this.log.linesDropped + this.#stockLinesDropped + (this.#stock?.linesDropped ?? 0);
  }

  /** Takes lines for the stock parsers. */
  stock(lines: string): void {
    this.#stock?.write(lines);
  }

  /** For files that somebody has renamed. */
  reopen(): void {
    this.log.reopen();
    this.#stock?.reopen();
    this.log.event("info", "reopened");
  }

  /** Opens what other options name. @throws Error that says which file and why, when one cannot be; then nothing is. */
  prepare(options: LogOptions): void {
    const { destination: name, stockLines } = options;
    const destination = name === this.#options.destination ? null : new Destination(name);
    try {
      const isNew = stockLines !== null && !this.#isSameStock(options);
      this.#next = { options, destination, stock: isNew ? openStock(stockLines, this.log) : null };
    } catch (error) {
      void destination?.close();
      throw error;
    }
  }

  commit(): void {
    if (this.#next === null) return;
    const { options, destination, stock } = this.#next;
    this.#next = null;
    this.log.level = options.level;
    if (destination !== null) this.log.redirect(destination);
    if (!this.#isSameStock(options)) this.#turnStock(stock);
    this.#options = options;
  }

  abort(): void {
    void this.#next?.destination?.close();
    void this.#next?.stock?.close();
    this.#next = null;
  }

  async close(): Promise<void> {
    await this.#stock?.close();
    await this.log.close();
  }

  #isSameStock({ stockLines }: LogOptions): boolean {
    return isDeepStrictEqual(stockLines, this.#options.stockLines);
  }

  #turnStock(stock: StockSink | null): void {
    const old = this.#stock;
    this.#stock = stock;
    void old?.close().then(() => {
      this.#stockLinesDropped += old.linesDropped;
    });
  }
}

/**
 * A data thread's side of the lines for CrowdSec's stock parsers: what they are to hear of joins a batch for the control
 * thread, at whatever level the log is. What is written, and what is not, says `stock.ts`.
 */
import type { ListenerName, Login, SessionRecord } from "../record.ts";
import { Batch, type BatchOptions } from "./batch.ts";
import type { StockDestination } from "./options.ts";
import { type StockFrame, type StockLine, stockAuth, stockHost, stockOffence, stockText } from "./stock.ts";

export interface StockLogOptions extends BatchOptions {
  readonly kind: StockDestination["kind"];
  /** The gateway's. */
  readonly hostname: string;
}

export class StockLog {
  readonly #batch: Batch;
  readonly #frame: StockFrame;

  constructor({ kind, hostname, ...options }: StockLogOptions) {
    this.#batch = new Batch(options);
    this.#frame = { kind, host: stockHost(hostname), pid: process.pid };
  }

  /** A login that the upstream has judged. */
  login({ protocol }: ListenerName, { client, ok, method }: Login): void {
    if (!ok) this.#write(stockAuth(protocol, client, method));
  }

  /** A session that has ended; that of a client only which postern itself sent away. */
  session({ protocol }: ListenerName, { client, outcome, reason }: SessionRecord): void {
    if (outcome === "refused" && client !== null) this.#write(stockOffence(protocol, client, reason));
  }

  /** Sends what is there; the thread calls it before it ends. */
  flush(): void {
    this.#batch.flush();
  }

  #write(line: StockLine | null): void {
    if (line !== null) this.#batch.write(stockText(line, this.#frame, new Date()));
  }
}

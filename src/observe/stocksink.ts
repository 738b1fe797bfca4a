/** Where the control thread writes the lines for CrowdSec's stock parsers: a file, or whoever listens for syslog. */
import { Datagrams } from "./datagrams.ts";
import { Destination } from "./destination.ts";
import type { EventLog } from "./logger.ts";
import type { StockDestination } from "./options.ts";

export interface StockSink {
  /** Those that could not be written. */
  readonly linesDropped: number;
  /** Takes whole lines. */
  write(lines: string): void;
  /** For a file that somebody has renamed: goes on in a new one. */
  reopen(): void;
  /** Writes what waits, then closes. */
  close(): Promise<void>;
}

/** @throws Error that says which file and why, when it cannot be opened. */
export function openStock(destination: StockDestination, log: EventLog): StockSink {
  switch (destination.kind) {
    case "file":
      return new Destination(destination.path, "log.stockLines");
    case "udp":
      return new Datagrams(destination.endpoint, log);
    default:
      return destination satisfies never;
  }
}

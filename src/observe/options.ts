/** What the log and the admin server are told by the configuration: plain data. */
import type { Endpoint } from "../address.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface LogOptions {
  readonly level: LogLevel;
  /** `stdout`, `stderr` or the path of a file. */
  readonly destination: string;
  /** Null: there are none. */
  readonly stockLines: StockDestination | null;
}

/** Where the lines go that CrowdSec's stock parsers take: a file, or whoever listens for syslog over UDP. */
export type StockDestination =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "udp"; readonly endpoint: Endpoint };

export interface AdminOptions {
  readonly listen: Endpoint;
  /** What `/api` asks for as a bearer token; null: nothing (only allowed on loopback). */
  readonly token: string | null;
  /** How many clients have metrics of their own. */
  readonly topClients: number;
}

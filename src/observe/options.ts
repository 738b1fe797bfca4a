/** What the log and the admin server are told by the configuration: plain data. */
import type { Endpoint } from "../address.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface LogOptions {
  readonly level: LogLevel;
  /** `stdout`, `stderr` or the path of a file. */
  readonly destination: string;
}

export interface AdminOptions {
  readonly listen: Endpoint;
  /** What `/api` asks for as a bearer token; null: nothing (only allowed on loopback). */
  readonly token: string | null;
  /** How many clients have metrics of their own. */
  readonly topClients: number;
}

/** What a listener is told by the configuration: plain data. */
import type { Endpoint } from "../address.ts";

export type Protocol = "smtp" | "imap" | "tcp";

/**
 * - `off`: a cleartext port; STARTTLS passes through.
 * - `passthrough`: implicit TLS that passes through: the client speaks first, and nothing in it can be read.
 */
type TlsMode = "off" | "passthrough";

export interface ListenerOptions {
  readonly name: string;
  readonly listen: readonly Endpoint[];
  readonly protocol: Protocol;
  /** The networks that may send a PROXY header, and how long it may take; null: `proxy: { mode: off }`. */
  readonly proxy: { readonly from: readonly string[]; readonly timeoutMs: number } | null;
  readonly tls: TlsMode;
  /** The pool's name. */
  readonly pool: string;
  /** The name of the set of limits. */
  readonly limits: string;
  readonly idleTimeoutMs: number;
}

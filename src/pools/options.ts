/** What a pool is told by the configuration: plain data. */
import type { Endpoint } from "../address.ts";

/**
 * How a pool's servers learn who the client is.
 *
 * - `proxy-v2`, `proxy-v1`: a PROXY header as the first bytes.
 * - `xclient`: Postfix's XCLIENT command (SMTP).
 * - `id`: Dovecot's `x-originating-ip` in an ID command (IMAP, RFC 2971).
 * - `none`: they are not told; every client has the gateway's own address.
 */
export type Identity = "proxy-v2" | "proxy-v1" | "xclient" | "id" | "none";

/** TLS towards the servers: never begun, by STARTTLS, or before everything else. */
export interface PoolTlsOptions {
  readonly mode: "off" | "starttls" | "implicit";
  /** `ca`: the server has to prove its name; `none`: any server will do. */
  readonly verify: "none" | "ca";
  /** The name that is asked for and verified; null: the server's address. */
  readonly name: string | null;
  /** PEM of the authorities to believe; null: the system's. */
  readonly ca: string | null;
}

export interface PoolOptions {
  readonly name: string;
  readonly servers: readonly Endpoint[];
  readonly identity: Identity;
  readonly tls: PoolTlsOptions;
  readonly connectTimeoutMs: number;
  /** From the connection to the end of the greeting and of the identity's exchange. */
  readonly greetTimeoutMs: number;
}

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

export interface PoolOptions {
  readonly name: string;
  readonly servers: readonly Endpoint[];
  readonly identity: Identity;
  readonly connectTimeoutMs: number;
  /** From the connection to the end of the greeting and of the identity's exchange. */
  readonly greetTimeoutMs: number;
}

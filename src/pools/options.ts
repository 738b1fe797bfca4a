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

/**
 * By what the next server is chosen.
 *
 * - `roundrobin`: each in its turn, as often as its weight says.
 * - `leastconn`: the one with the fewest sessions for its weight.
 * - `source`: the client's own, the same each time while it is up.
 */
export type BalanceMode = "roundrobin" | "leastconn" | "source";

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

export interface ServerOptions {
  /** Its host may be a name, which stands for a server at each of its addresses. */
  readonly endpoint: Endpoint;
  /** Its share beside the other servers' weights. */
  readonly weight: number;
  /** It is used only while no other server can be. */
  readonly backup: boolean;
  /** Sessions on it at the same time, over all threads; 0: as many as come. */
  readonly maxConnections: number;
}

/** How servers are asked, by a short conversation that postern holds with each, whether they take sessions. */
export interface HealthOptions {
  /** From the end of one check to the beginning of the next; 0: there are none. */
  readonly intervalMs: number;
  /** How long a server may take to its greeting. */
  readonly timeoutMs: number;
  /** Where else; without a host, at another port of each server. Null: where sessions go. */
  readonly address: { readonly host: string | null; readonly port: number } | null;
  /** Null: the pool's. */
  readonly identity: Identity | null;
  /** Which client a check says that it is. */
  readonly logIdentity: string;
  /** How many checks in a row have to succeed for a server that is down to count as up. */
  readonly rise: number;
  /** How many in a row have to fail for one that is up to count as down. */
  readonly fall: number;
}

/** Clients that are kept, connected and not greeted, while no server can take them. */
export interface ParkOptions {
  /** 0: none are kept. */
  readonly timeoutMs: number;
  /** So many at the same time, over all threads; 0: none. */
  readonly max: number;
  /** What health checks are told: `up` while clients are served or kept, `down` as soon as no server is up. */
  readonly healthchecks: "up" | "down";
}

export interface PoolOptions {
  readonly name: string;
  readonly servers: readonly ServerOptions[];
  readonly balance: BalanceMode;
  readonly identity: Identity;
  readonly tls: PoolTlsOptions;
  readonly connectTimeoutMs: number;
  /** From the connection to the end of the greeting and of the identity's exchange. */
  readonly greetTimeoutMs: number;
  readonly health: HealthOptions;
  readonly park: ParkOptions;
}

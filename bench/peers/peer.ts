/**
 * What a proxy is told that is measured beside others, and what it is to whoever starts it. Each is run as an administrator
 * would run it: PROXY in, limits by the client's address, timeouts, and PROXY out. Where there is a certificate, TLS with
 * clients ends in it, and servers are told so if it can.
 *
 * A peer's file has its configuration, made from the same options as everybody else's; it starts nothing.
 */
import type { CertificateFiles } from "../harness/certificate.ts";
import type { Cores } from "../harness/process.ts";

/** In the order that they are shown in. */
export const NAMES = ["postern", "haproxy", "nginx", "haraka"] as const;

export type Name = (typeof NAMES)[number];

/** What is behind a port that is listened on. */
export interface Route {
  /** The ports of the back ends. */
  readonly to: readonly number[];
  /** What postern makes of it: it follows SMTP, IMAP until login, and is blind to `tcp`, as HAProxy always is. */
  readonly protocol: "smtp" | "imap" | "tcp";
  /** Postern's; by default `reply`. HAProxy drops. */
  readonly banAction?: "reply" | "drop";
}

export interface ProxyOptions {
  readonly routes: readonly Route[];
  /** Of postern's; the others always have one. */
  readonly threads: number;
  readonly cores: Cores;
  /** What clients are shown in TLS; without it they speak in the clear. */
  readonly certificate?: CertificateFiles;
  /** What one client may have in this time; without it nobody comes near. */
  readonly limit?: { readonly connections: number; readonly window: string };
  /** The addresses that HAProxy turns away; postern has them from LAPI. */
  readonly banned?: readonly string[];
  /** Where postern's bans come from, and how often it asks; without it nobody is banned. */
  readonly lapi?: { readonly url: string; readonly updateFrequency: string };
  /** Postern's; without it as by default. */
  readonly healthInterval?: string;
  /** Where Haraka is installed, if it is not on the path. */
  readonly haraka?: string;
}

/** Where a peer may write, and where it is to listen. */
export interface Place {
  /** What `find` found. */
  readonly program: string;
  /** The peer's own, and gone when it is. */
  readonly directory: string;
  /** One for each of the routes. */
  readonly ports: readonly number[];
  /** For its own pages, where it has any. */
  readonly adminPort: number;
}

/**
 * What not all of them can.
 * - `tls`: ends TLS that begins behind the PROXY header.
 * - `rate`: refuses a client that begins too many connections in some time.
 * - `relay`: has the server greet the client, and does not do so itself.
 */
export type Ability = "tls" | "rate" | "relay";

export type Found =
  | { readonly kind: "found"; readonly program: string; readonly version: string }
  /** Why not, for people. */
  | { readonly kind: "missing"; readonly reason: string };

/** The PROXY header that servers are sent. */
export type Tells = "v1" | "v2" | "off";

export interface Peer {
  /** The PROXY header that it takes; it may take the other as well. */
  readonly hears: "v1" | "v2";
  readonly tells: Tells;
  /** What it cannot do, with the reason for people. */
  readonly lacks: Partial<Readonly<Record<Ability, string>>>;
  /** Where it does something else than the others in every case, for people; empty where it does not. */
  readonly differs: string;
  /** Whether its code is compiled while it runs, so that its first thousands of sessions cost more than those after. */
  readonly warmsUp: boolean;
  find(haraka: string | undefined): Found;
  /** Writes what the peer is to read, and returns the command that starts it in the foreground. */
  command(place: Place, options: ProxyOptions): readonly string[];
}

/** Enough for every bench; with two files for each, below the usual limit of 20,000 open files. */
export const CONNECTIONS_MAX = 9500;

/** What no client of a bench comes near, so that everything is counted and nobody refused. */
export const UNLIMITED = { connections: 1_000_000, window: "60s" };

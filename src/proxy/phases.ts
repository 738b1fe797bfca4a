/** What a session waits for on its way, and for how long at most where the configuration does not say. */
import type { Gate } from "./gate.ts";

/**
 * What the session waits for, and so what its deadline means.
 *
 * - `header`: the PROXY header.
 * - `monitor`: a health check converses with postern itself.
 * - `handshake`: the client's side of a TLS handshake.
 * - `parked`: its turn, as no server can take it yet; the client hears nothing.
 * - `connect`: an upstream connection.
 * - `greet`: the upstream's greeting, and its belief in the identity.
 * - `splice`: either side; bytes flow.
 * - `pause`: its own end, before which a client whose login has failed is not heard again; the server is.
 * - `tarpit`: its own end, before which a banned client hears nothing.
 * - `farewell`: the client, to read what it was refused with; the lease is given back already.
 * - `over`: nothing; all is given back.
 */
export type Phase =
  | "header"
  | "monitor"
  | "handshake"
  | "parked"
  | "connect"
  | "greet"
  | "splice"
  | "pause"
  | "tarpit"
  | "farewell"
  | "over";

/** The client has yet to hear the first word, and may be told anything instead. */
export function isUngreeted(phase: Phase): boolean {
  return phase === "parked" || phase === "connect" || phase === "greet";
}

/** An IMAP client that has not logged in yet may be silent for this long: a person at a password prompt is not. */
const LOGIN_MS = 60_000;

/** How long a session may be silent at first. */
export function firstSilenceMs({ dialogue, options }: Gate): number {
  const isBeforeLogin = dialogue !== null && options.protocol === "imap";
  return isBeforeLogin ? Math.min(LOGIN_MS, options.idleTimeoutMs) : options.idleTimeoutMs;
}

/** A refused client has this long to read its refusal and to close. */
export const FAREWELL_MS = 2000;

/** How long a health check may converse. */
export const MONITOR_MS = 30_000;

/** How long a client may take for its side of a TLS handshake: five round trips by way of a satellite, and a lost packet. */
export const HANDSHAKE_MS = 10_000;

/** A client whose upstream has ended may be silent for this long at most, and may take this long to get the last bytes. */
export const AFTER_UPSTREAM_MS = 30_000;

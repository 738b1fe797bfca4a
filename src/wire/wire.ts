/**
 * Bytes in and out of the kernel: the one interface that the rest of postern sees of TCP.
 *
 * There are two ways behind it: `handles.ts` (libuv's TCP handles, the fast one) and `sockets.ts` (documented `node:net`).
 * Neither knows a protocol, a header or a limit.
 *
 * The life of a connection: `connect` or a listener makes it; it calls its `owner` with data, end and drain; it is over
 * with `onError` or with its own `close()`, and calls nobody after that. Whoever takes a connection over sets `owner`.
 */

import { Address, type AddressAndPort, type Endpoint, endpointText } from "../address.ts";
import type { TlsFacts, TlsTerms } from "./tls.ts";

/** How many clients the kernel may keep for us; it lowers it to its own net.core.somaxconn. */
export const BACKLOG = 4096;

export interface ConnectionOwner {
  /** A connection that `Wire.connect` began is there. */
  onConnect(connection: Connection): void;
  /**
   * Bytes from the far end. They are valid until this call returns, and beyond it only where they were given to another
   * connection's `write` that stays pending, provided that this connection is stopped until that one drains.
   */
  onData(connection: Connection, bytes: Uint8Array): void;
  /** The far end sends no more; it may still read. */
  onEnd(connection: Connection): void;
  /** All that was written is with the kernel, after a `write` that said false. */
  onDrain(connection: Connection): void;
  /** The connection broke, or was never made, and is closed. `code` is the system's: ECONNRESET, ECONNREFUSED, … */
  onError(connection: Connection, code: string): void;
}

/** The owner of a connection that nobody has taken over yet, or that is over. */
export const nobody: ConnectionOwner = {
  onConnect() {},
  onData() {},
  onEnd() {},
  onDrain() {},
  onError() {},
};

export interface Connection {
  owner: ConnectionOwner;
  /** Whether the far end has said that it sends no more. */
  readonly hasEnded: boolean;
  /** Whether something that was written is not yet with the kernel. */
  readonly isPending: boolean;
  /** What TLS came to; null before its handshake is done. */
  readonly tls: TlsFacts | null;
  /** The far end of the socket; null when it is gone before it was asked. */
  peer(): AddressAndPort | null;
  /** The near end of the socket; null when the socket is gone. */
  local(): AddressAndPort | null;
  /** Begins or resumes reading. A new connection does not read. */
  start(): void;
  stop(): void;
  /**
   * True: the kernel has all of it, and `bytes` may be used again. False: some of it is pending, `bytes` must not change
   * until `onDrain`, and whoever feeds this connection should stop.
   */
  write(bytes: Uint8Array): boolean;
  /**
   * Begins TLS: what comes and goes from here on is inside it. `surplus` was read already and is its first bytes. The
   * owner hears `onConnect` once the handshake is done, and `onError` when it fails; then the connection does not read
   * before `start`. Nothing may be pending.
   */
  secure(terms: TlsTerms, surplus: Uint8Array): void;
  /** Ends our direction once all that is pending is written (TCP FIN). */
  end(): void;
  /** Ends both directions at once; what is pending is dropped; the owner hears nothing more. Harmless when repeated. */
  close(): void;
}

export interface ListenOptions {
  readonly endpoint: Endpoint;
  /** Several threads, or two processes during an upgrade, listen on the same port (SO_REUSEPORT). */
  readonly reusePort: boolean;
  /** A client has come; the connection has no owner yet and does not read. */
  onConnection(connection: Connection): void;
  /** A client could not be accepted. libuv keeps it to itself when that was for want of a descriptor. */
  onAcceptError(code: string): void;
}

export interface Listening {
  /** What was bound: the port is the real one where 0 was asked for. */
  readonly endpoint: Endpoint;
  close(): void;
}

export interface Wire {
  readonly name: "handles" | "net";
  /** Throws `ListenError` when the address cannot be bound. */
  listen(options: ListenOptions): Promise<Listening>;
  connect(endpoint: Endpoint, owner: ConnectionOwner): Connection;
}

/** An address that cannot be listened on; `code` is the system's, e.g. EADDRINUSE. */
export class ListenError extends Error {
  override readonly name = "ListenError";
  readonly code: string;
  constructor(endpoint: Endpoint, code: string) {
    super(`cannot listen on ${endpointText(endpoint)}: ${code}`);
    this.code = code;
  }
}

/**
 * A socket's end as the system names it; null where it names none. The name of a link-local peer's interface (RFC 4007
 * 11, `fe80::1%eth0`) is left out: postern tells none apart.
 */
export function socketName(address: string | undefined, port: number | undefined): AddressAndPort | null {
  const parsed = Address.parse(address?.replace(/%.*$/, "") ?? "");
  return parsed === null ? null : { address: parsed, port: port ?? 0 };
}

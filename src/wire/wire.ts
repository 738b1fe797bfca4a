/**
 * Bytes in and out of the kernel: the one interface that the rest of postern sees of TCP, and of TLS on it.
 *
 * There are two ways behind it: `handles.ts` (libuv's TCP handles, the fast one) and `sockets.ts` (documented `node:net`).
 * Neither knows a protocol, a header or a limit.
 *
 * The life of a connection: `connect` or a listener makes it; it calls its `owner` with data, end and drain; it is over
 * with `onError` or with its own `close()`, and calls nobody after that. Whoever takes a connection over sets `owner`.
 * `secure` begins TLS on it, at any time and on either side; from there on the same calls mean what is inside.
 */
import { Address, type AddressAndPort, type Endpoint, endpointText } from "../address.ts";
import type { Certificates } from "./certificates.ts";
import type { Trust } from "./trust.ts";

/** How many clients the kernel may keep for us; it lowers it to its own net.core.somaxconn. */
export const BACKLOG = 4096;

export interface ConnectionOwner {
  /** A connection that `Wire.connect` began is there, or the handshake that `secure` began is done. */
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
  /**
   * The connection broke, or was never made, and is closed. `code` is the system's (ECONNRESET, ECONNREFUSED, …) or that of
   * TLS: EOF for an end in mid-handshake, OpenSSL's reason as ERR_SSL_…, why a certificate is not trusted
   * (DEPTH_ZERO_SELF_SIGNED_CERT, ERR_TLS_CERT_ALTNAME_INVALID, …). It never holds a word of the far end's.
   */
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

/** What came of a TLS handshake. */
export interface TlsFacts {
  /** `TLSv1.3` */
  readonly version: string;
  /** OpenSSL's name: `TLS_AES_256_GCM_SHA384`, `ECDHE-ECDSA-AES128-GCM-SHA256`. */
  readonly cipher: string;
  /** Whether an earlier session was taken up, so that no certificate was shown. */
  readonly resumed: boolean;
}

/** Who we are in a handshake, and by what. */
export type TlsTerms =
  | { readonly side: "server"; readonly certificates: Certificates }
  | { readonly side: "client"; readonly trust: Trust };

export interface Connection {
  owner: ConnectionOwner;
  /** Null in the clear, and until a handshake is done. */
  readonly tls: TlsFacts | null;
  /** Whether the far end has said that it sends no more: by FIN, in TLS by close_notify or by FIN alone. */
  readonly hasEnded: boolean;
  /** Whether something that was written is not yet with the kernel. */
  readonly isPending: boolean;
  /** The far end of the socket; null when it is gone before it was asked. */
  peer(): AddressAndPort | null;
  /** The near end of the socket; null when the socket is gone. */
  local(): AddressAndPort | null;
  /**
   * Begins TLS; what comes and goes from here on is inside it. `surplus` was read already and is its first bytes. The owner
   * hears `onConnect` or `onError`, in a later turn. As a new connection it does not read: bytes that come behind the
   * handshake wait for `start`. What is pending goes out in the clear before it. Once at most; also from within the owner's
   * calls.
   *
   * The handshake takes as long as the far end likes: whoever begins it has the deadline.
   */
  secure(terms: TlsTerms, surplus: Uint8Array): void;
  /** Begins or resumes reading. A new connection does not read. */
  start(): void;
  stop(): void;
  /**
   * True: the kernel has all of it, and `bytes` may be used again. False: some of it is pending, `bytes` must not change
   * until `onDrain`, and whoever feeds this connection should stop.
   */
  write(bytes: Uint8Array): boolean;
  /** Ends our direction once all that is pending is written (TCP FIN, behind a close_notify in TLS). */
  end(): void;
  /** Ends both directions at once; what is pending is dropped; the owner hears nothing more. Harmless when repeated. */
  close(): void;
}

export interface ListenOptions {
  readonly endpoint: Endpoint;
  /** Several threads, or two processes during an upgrade, listen on the same port (SO_REUSEPORT). */
  readonly reusePort: boolean;
  /** A socket that is bound to it already. */
  readonly descriptor?: number | null;
  /** A client has come; the connection has no owner yet and does not read. */
  onConnection(connection: Connection): void;
  /** A client could not be accepted. libuv keeps it to itself when that was for want of a descriptor. */
  onAcceptError(code: string): void;
}

export interface Listening {
  /** What was bound: the port is the real one where 0 was asked for. */
  readonly endpoint: Endpoint;
  /** The socket's, for another process that is to have it too; -1 where it is not known. */
  readonly descriptor: number;
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

/** An error's code, without its text, which may hold words of the far end's. */
export function errorCode(error: unknown): string {
  if (!(error instanceof Error)) return "ERR_UNKNOWN";
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}

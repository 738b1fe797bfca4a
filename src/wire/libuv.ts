/**
 * Node's internal bindings to libuv's TCP handles, and to OpenSSL on them, typed: the one place that touches
 * `process.binding` (DEP0111).
 *
 * They are not documented, so nothing is taken for granted: `loadLibuv` looks at each member that `handles.ts` and
 * `inside.ts` use and says no when one is missing; postern then goes on over `node:net`.
 */
import { getSystemErrorName } from "node:util";

/** What a read gives when the far end sends no more. */
export const UV_EOF = -4095;

/** What bytes come from and go to: a TCP handle, or TLS on one. */
export interface StreamHandle {
  readStart(): number;
  readStop(): number;
  /** Reads go into `buffer` from now on; what `onread` returns, if anything, replaces it. */
  useUserBuffer(buffer: Uint8Array): void;
  /** Tries at once; `state[kLastWriteWasAsync]` says whether the rest is pending under `request`. */
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
  shutdown(request: ShutdownRequest): number;
  /** Of a TCP handle: bytes that the kernel has not taken. Of TLS: encrypted ones that are not known to be with it. */
  readonly writeQueueSize: number;
  onread: (this: StreamHandle) => Uint8Array | undefined;
}

export interface TcpHandle extends StreamHandle {
  /** The descriptor; -1 where there is none. */
  readonly fd: number;
  /** Takes a socket that is there already. */
  open(fd: number): number;
  bind(host: string, port: number, flags: number): number;
  bind6(host: string, port: number, flags: number): number;
  listen(backlog: number): number;
  connect(request: ConnectRequest, host: string, port: number): number;
  connect6(request: ConnectRequest, host: string, port: number): number;
  getsockname(out: SocketName): number;
  getpeername(out: SocketName): number;
  setNoDelay(on: boolean): number;
  close(onClosed?: () => void): void;
  onconnection: ((status: number, client: TcpHandle) => void) | null;
}

/**
 * TLS on a TCP handle, whose bytes it takes from then on. It takes one write at a time (another one ends the process),
 * and has encrypted or copied the bytes when `writeBuffer` returns; `oncomplete` always comes later, or for a connection
 * that is broken from within the call.
 */
export interface TlsHandle extends StreamHandle {
  /** Begins a client's handshake; a server's begins with what it reads. */
  start(): void;
  /** What the handle had pending when it was wrapped is written; TLS writes nothing before this. */
  writesIssuedByPrevListenerDone(): void;
  /** Takes bytes as if the TCP handle had read them. */
  receive(bytes: Uint8Array): void;
  setServername(name: string): void;
  /** `oncertcb` is called for each full handshake, which waits for `certCbDone`. */
  enableCertCb(): void;
  certCbDone(): void;
  getProtocol(): string;
  getCipher(): { readonly name: string };
  isSessionReused(): boolean;
  /** Why the chain that a server showed is not trusted, in a `code`. */
  verifyError(): unknown;
  getPeerCertificate(): { readonly raw?: Buffer } | undefined;
  /** Never from within a call of OpenSSL's, of which `onhandshakedone` and `oncertcb` are parts. */
  destroySSL(): void;
  oncertcb: (this: TlsHandle, hello: { readonly servername: string }) => void;
  onhandshakedone: (this: TlsHandle) => void;
  /** Comes again for whatever is read after it. */
  onerror: (this: TlsHandle, error: unknown) => void;
  /** The certificate for `certCbDone`, where it is not the handle's own. */
  sni_context: unknown;
}

export interface SocketName {
  address?: string;
  port?: number;
}

interface ConnectRequest {
  oncomplete: ((status: number, handle: TcpHandle, request: ConnectRequest) => void) | null;
}

export interface WriteRequest {
  oncomplete: ((this: WriteRequest, status: number) => void) | null;
}

export interface ShutdownRequest {
  oncomplete: ((this: ShutdownRequest, status: number) => void) | null;
}

export interface Libuv {
  readonly TCP: new (type: number) => TcpHandle;
  readonly TCPConnectWrap: new () => ConnectRequest;
  readonly WriteWrap: new () => WriteRequest;
  readonly ShutdownWrap: new () => ShutdownRequest;
  /** `context` is the binding's own, of a `tls.SecureContext`; `hasActiveWrite`: the handle has a write pending. */
  readonly wrap: (
    handle: TcpHandle,
    context: unknown,
    isServer: boolean,
    hasActiveWrite: boolean,
  ) => TlsHandle;
  readonly TLSWrap: { readonly prototype: TlsHandle };
  readonly constants: Readonly<Record<"SOCKET" | "SERVER" | "UV_TCP_IPV6ONLY" | "UV_TCP_REUSEPORT", number>>;
  readonly streamBaseState: Int32Array;
  readonly kReadBytesOrError: number;
  readonly kLastWriteWasAsync: number;
}

/** A Unix socket. Of the kind IPC, other sockets travel along with its bytes. */
interface PipeHandle {
  readonly fd: number;
  bind(path: string): number;
  listen(backlog: number): number;
  connect(request: PipeConnectRequest, path: string): number;
  open(fd: number): number;
  readStart(): number;
  /** Sends `handle`'s socket with the text, which must not be empty. */
  writeUtf8String(request: WriteRequest, text: string, handle: TcpHandle): number;
  shutdown(request: ShutdownRequest): number;
  close(): void;
  onconnection: ((status: number, client: PipeHandle) => void) | null;
  /** Bytes have come, and the socket that came with them, or undefined at the end and for an error. */
  onread: ((bytes: ArrayBuffer | undefined) => void) | null;
  pendingHandle?: TcpHandle | null;
}

interface PipeConnectRequest {
  oncomplete: ((status: number) => void) | null;
}

export interface Pipes {
  readonly Pipe: new (type: number) => PipeHandle;
  readonly PipeConnectWrap: new () => PipeConnectRequest;
  readonly constants: Readonly<Record<"SERVER" | "IPC", number>>;
}

const STREAM_METHODS = [
  "readStart",
  "readStop",
  "useUserBuffer",
  "writeBuffer",
  "shutdown",
] as const satisfies readonly (keyof StreamHandle)[];

const TCP_METHODS = [
  "open",
  "bind",
  "bind6",
  "listen",
  "connect",
  "connect6",
  "getsockname",
  "getpeername",
  "setNoDelay",
  "close",
] as const satisfies readonly (keyof TcpHandle)[];

const TLS_METHODS = [
  "start",
  "receive",
  "writesIssuedByPrevListenerDone",
  "setServername",
  "enableCertCb",
  "certCbDone",
  "getProtocol",
  "getCipher",
  "isSessionReused",
  "verifyError",
  "getPeerCertificate",
  "destroySSL",
] as const satisfies readonly (keyof TlsHandle)[];

/** The bindings, or null where this Node does not have all of them. */
export function loadLibuv(): Libuv | null {
  const { binding } = process as { binding?: (name: string) => Partial<Libuv> };
  if (binding === undefined) return null;
  try {
    const libuv = { ...binding("tcp_wrap"), ...binding("stream_wrap"), ...binding("tls_wrap") };
    return isComplete(libuv) ? libuv : null;
  } catch {
    return null;
  }
}

const PIPE_METHODS = [
  "bind",
  "listen",
  "connect",
  "open",
  "readStart",
  "writeUtf8String",
  "shutdown",
  "close",
] as const satisfies readonly (keyof PipeHandle)[];

/** The bindings to Unix sockets, or null where this Node does not have all of them. */
export function loadPipes(): Pipes | null {
  const { binding } = process as { binding?: (name: string) => Partial<Pipes> };
  if (binding === undefined) return null;
  try {
    const pipes = binding("pipe_wrap");
    return arePipes(pipes) ? pipes : null;
  } catch {
    return null;
  }
}

function arePipes(pipes: Partial<Pipes>): pipes is Pipes {
  const { Pipe, PipeConnectWrap, constants } = pipes;
  if (Pipe === undefined || PipeConnectWrap === undefined || constants === undefined) return false;
  if ([constants.SERVER, constants.IPC].some((value) => typeof value !== "number")) return false;
  return "fd" in Pipe.prototype && has(Pipe.prototype, PIPE_METHODS);
}

function isComplete(libuv: Partial<Libuv>): libuv is Libuv {
  const { TCP, constants, streamBaseState, kReadBytesOrError, kLastWriteWasAsync } = libuv;
  if (TCP === undefined || constants === undefined || !(streamBaseState instanceof Int32Array)) return false;
  if (kReadBytesOrError === undefined || kLastWriteWasAsync === undefined) return false;
  const { SOCKET, SERVER, UV_TCP_IPV6ONLY, UV_TCP_REUSEPORT } = constants;
  if ([SOCKET, SERVER, UV_TCP_IPV6ONLY, UV_TCP_REUSEPORT].some((value) => typeof value !== "number"))
    return false;
  if ([libuv.TCPConnectWrap, libuv.WriteWrap, libuv.ShutdownWrap].some((wrap) => wrap === undefined))
    return false;
  const { wrap, TLSWrap } = libuv;
  if (typeof wrap !== "function" || TLSWrap === undefined) return false;
  return (
    has(TCP.prototype, [...STREAM_METHODS, ...TCP_METHODS]) &&
    has(TLSWrap.prototype, [...STREAM_METHODS, ...TLS_METHODS])
  );
}

function has(handle: object, methods: readonly string[]): boolean {
  return (
    "writeQueueSize" in handle && methods.every((method) => typeof Reflect.get(handle, method) === "function")
  );
}

/** The system's name of a negative `status`. */
export function codeOf(status: number): string {
  return getSystemErrorName(status);
}

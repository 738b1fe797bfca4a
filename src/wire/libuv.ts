/**
 * Node's internal bindings to libuv's TCP handles, typed: the one place that touches `process.binding` (DEP0111).
 *
 * They are not documented, so nothing is taken for granted: `loadLibuv` looks at each member that `handles.ts` uses and
 * says no when one is missing; postern then goes on over `node:net`.
 */

export interface TcpHandle {
  bind(host: string, port: number, flags: number): number;
  bind6(host: string, port: number, flags: number): number;
  listen(backlog: number): number;
  connect(request: ConnectRequest, host: string, port: number): number;
  connect6(request: ConnectRequest, host: string, port: number): number;
  getsockname(out: SocketName): number;
  getpeername(out: SocketName): number;
  setNoDelay(on: boolean): number;
  readStart(): number;
  readStop(): number;
  /** Reads go into `buffer` from now on; what `onread` returns, if anything, replaces it. */
  useUserBuffer(buffer: Uint8Array): void;
  /** Tries at once; `state[kLastWriteWasAsync]` says whether the rest is pending under `request`. */
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
  shutdown(request: ShutdownRequest): number;
  close(): void;
  onconnection: ((status: number, client: TcpHandle) => void) | null;
  onread: (this: TcpHandle) => Uint8Array | undefined;
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
  readonly constants: Readonly<Record<"SOCKET" | "SERVER" | "UV_TCP_IPV6ONLY" | "UV_TCP_REUSEPORT", number>>;
  readonly streamBaseState: Int32Array;
  readonly kReadBytesOrError: number;
  readonly kLastWriteWasAsync: number;
}

const METHODS = [
  "bind",
  "bind6",
  "listen",
  "connect",
  "connect6",
  "getsockname",
  "getpeername",
  "setNoDelay",
  "readStart",
  "readStop",
  "useUserBuffer",
  "writeBuffer",
  "shutdown",
  "close",
] as const satisfies readonly (keyof TcpHandle)[];

/** The bindings, or null where this Node does not have all of them. */
export function loadLibuv(): Libuv | null {
  const { binding } = process as { binding?: (name: string) => Partial<Libuv> };
  if (binding === undefined) return null;
  try {
    const libuv = { ...binding("tcp_wrap"), ...binding("stream_wrap") };
    return isComplete(libuv) ? libuv : null;
  } catch {
    return null;
  }
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
  const handle = TCP.prototype as Partial<TcpHandle>;
  return METHODS.every((method) => typeof handle[method] === "function");
}

/**
 * The wire on libuv's TCP handles: no stream objects, no buffer for each read, no callback objects for each write.
 *
 * All connections of a thread read into one shared buffer, and what they read is handed out as a copy in a slab: for the
 * few hundred bytes of a command that costs less than a buffer for each read. A connection that reads in bulk is given a
 * private buffer, from which its bytes are handed out uncopied. libuv keeps a pointer, not a copy, to what it could not
 * write at once, so a private buffer is not read into again while such a write is pending (`#borrowed`).
 */
import type { AddressAndPort, Endpoint } from "../address.ts";
import { Buffers, COPY_BYTES_MAX, type OwnedWrite, PRIVATE_BYTES, SHARED_BYTES } from "./buffers.ts";
import { Inside } from "./inside.ts";
import {
  codeOf,
  type Libuv,
  type ShutdownRequest,
  type SocketName,
  type StreamHandle,
  type TcpHandle,
  UV_EOF,
  type WriteRequest,
} from "./libuv.ts";
import {
  BACKLOG,
  type Connection,
  type ConnectionOwner,
  ListenError,
  type Listening,
  type ListenOptions,
  nobody,
  socketName,
  type TlsFacts,
  type TlsTerms,
  type Wire,
} from "./wire.ts";

/** libuv keeps a small record for each buffer that was ever set from outside a read: 256 of them are 12 KiB. */
const REBINDS_MAX = 256;

type OwnedHandle = TcpHandle & { connection: HandleConnection };
type OwnedShutdown = ShutdownRequest & { connection: HandleConnection };

export class HandleWire implements Wire {
  readonly name = "handles";
  readonly #libuv: Libuv;
  readonly #buffers: Buffers;

  constructor(libuv: Libuv) {
    this.#libuv = libuv;
    this.#buffers = new Buffers(libuv);
  }

  async listen(options: ListenOptions): Promise<Listening> {
    const { TCP, constants } = this.#libuv;
    const { endpoint } = options;
    const handle = new TCP(constants.SERVER);
    const six = endpoint.host.includes(":");
    const flags =
      (options.reusePort ? constants.UV_TCP_REUSEPORT : 0) | (six ? constants.UV_TCP_IPV6ONLY : 0);
    const bind = () =>
      six
        ? handle.bind6(endpoint.host, endpoint.port, flags)
        : handle.bind(endpoint.host, endpoint.port, flags);
    const { descriptor = null } = options;
    const status = (descriptor === null ? bind() : handle.open(descriptor)) || handle.listen(BACKLOG);
    if (status !== 0) {
      handle.close();
      throw new ListenError(endpoint, codeOf(status));
    }
    handle.onconnection = (failure, client) => {
      if (failure !== 0) options.onAcceptError(codeOf(failure));
      else options.onConnection(new HandleConnection(this.#buffers, client, nobody));
    };
    const bound: SocketName = {};
    handle.getsockname(bound);
    return {
      endpoint: { host: endpoint.host, port: bound.port ?? endpoint.port },
      descriptor: handle.fd,
      close: () => handle.close(),
    };
  }

  connect(endpoint: Endpoint, owner: ConnectionOwner): Connection {
    const { TCP, TCPConnectWrap, constants } = this.#libuv;
    const handle = new TCP(constants.SOCKET);
    const connection = new HandleConnection(this.#buffers, handle, owner);
    const request = new TCPConnectWrap();
    request.oncomplete = connected;
    const status = endpoint.host.includes(":")
      ? handle.connect6(request, endpoint.host, endpoint.port)
      : handle.connect(request, endpoint.host, endpoint.port);
    if (status !== 0) process.nextTick(() => connection.fail(codeOf(status)));
    return connection;
  }
}

export class HandleConnection implements Connection {
  owner: ConnectionOwner;
  hasEnded = false;
  tls: TlsFacts | null = null;
  /** Null in the clear; from `secure` on reading, writing and ending are its. */
  #inside: Inside | null = null;
  readonly #buffers: Buffers;
  #handle: TcpHandle | null;
  /** Null while reads go into the shared buffer. */
  #private: Buffer | null = null;
  /** Pending writes of other connections that point into the private buffer. */
  #borrowed = 0;
  #pendingWrites = 0;
  #reading = false;
  /** Whether anything was read since the last sweep. */
  #busy = false;
  #rebinds = 0;

  constructor(buffers: Buffers, handle: TcpHandle, owner: ConnectionOwner) {
    this.owner = owner;
    this.#buffers = buffers;
    this.#handle = handle;
    (handle as OwnedHandle).connection = this;
    handle.onread = onRead;
    handle.useUserBuffer(buffers.shared);
    handle.setNoDelay(true);
  }

  get isPending(): boolean {
    return this.#pendingWrites > 0 || this.#inside?.isPending === true;
  }

  peer(): AddressAndPort | null {
    const name: SocketName = {};
    return this.#handle?.getpeername(name) === 0 ? socketName(name.address, name.port) : null;
  }

  local(): AddressAndPort | null {
    const name: SocketName = {};
    return this.#handle?.getsockname(name) === 0 ? socketName(name.address, name.port) : null;
  }

  secure(terms: TlsTerms, surplus: Uint8Array): void {
    if (this.#handle === null) return;
    this.stop();
    const inside = new Inside(this.#buffers, this.#handle, this, terms);
    this.#inside = inside;
    inside.shake(surplus);
  }

  start(): void {
    if (this.#inside !== null) return this.#inside.start();
    if (this.#handle === null || this.#reading || this.hasEnded) return;
    // Only an owner that forgot to wait for the drain gets here with a borrowed buffer; its bytes are kept whole. Within
    // a read it is `#received` that replaces the buffer: libuv must not be given another one behind its back.
    if (this.#borrowed > 0 && this.#buffers.reading !== this)
      this.#rebind(Buffer.allocUnsafeSlow(PRIVATE_BYTES));
    this.#reading = true;
    this.#handle.readStart();
  }

  stop(): void {
    if (this.#inside !== null) return this.#inside.stop();
    if (this.#handle === null || !this.#reading) return;
    this.#reading = false;
    this.#handle.readStop();
  }

  write(bytes: Uint8Array): boolean {
    if (this.#handle === null || bytes.length === 0) return true;
    if (this.#inside !== null) return this.#inside.write(bytes);
    const { libuv } = this.#buffers;
    const request = this.#buffers.idleWrite ?? (new libuv.WriteWrap() as OwnedWrite);
    this.#buffers.idleWrite = request;
    const status = this.#handle.writeBuffer(request, bytes);
    if (status !== 0) {
      // Told on the next tick: an owner is not called back from within its own call.
      process.nextTick(() => this.fail(codeOf(status)));
      return true;
    }
    if (libuv.streamBaseState[libuv.kLastWriteWasAsync] === 0) return this.#pendingWrites === 0;
    this.#buffers.idleWrite = null;
    const lender = this.#buffers.reading?.lends(bytes) === true ? this.#buffers.reading : null;
    if (lender !== null) lender.#borrowed++;
    request.oncomplete = written;
    request.writer = this;
    request.lender = lender;
    request.bytes = bytes;
    this.#pendingWrites++;
    return false;
  }

  end(): void {
    if (this.#handle === null) return;
    if (this.#inside !== null) return this.#inside.end();
    const request = new this.#buffers.libuv.ShutdownWrap() as OwnedShutdown;
    request.connection = this;
    request.oncomplete = shutDown;
    const status = this.#handle.shutdown(request);
    if (status < 0) process.nextTick(() => this.fail(codeOf(status)));
  }

  close(): void {
    const handle = this.#handle;
    if (handle === null) return;
    this.#handle = null;
    this.#reading = false;
    if (this.#inside === null) handle.close();
    else this.#inside.close();
    this.owner = nobody;
    if (this.#borrowed === 0) this.#giveBack();
  }

  /** Something ended this connection: `code`, as the owner hears it. */
  fail(code: string): void {
    if (this.#handle === null) return;
    const { owner } = this;
    this.close();
    owner.onError(this, code);
  }

  connected(): void {
    if (this.#handle !== null) this.owner.onConnect(this);
  }

  /** The handle has read, or has failed to. Returns what libuv reads into next, or undefined for the same buffer. */
  read(): Uint8Array | undefined {
    const { streamBaseState, kReadBytesOrError } = this.#buffers.libuv;
    const status = streamBaseState[kReadBytesOrError]!;
    if (status > 0) return this.#received(status);
    if (status < 0 && status !== UV_EOF) this.fail(codeOf(status));
    else if (status === UV_EOF) {
      this.#reading = false;
      this.hasEnded = true;
      this.owner.onEnd(this);
    }
    return undefined;
  }

  #received(length: number): Uint8Array | undefined {
    const buffers = this.#buffers;
    const buffer = this.#private;
    if (buffer !== null && length > COPY_BYTES_MAX) {
      this.#busy = true;
      this.#handOut(buffer.subarray(0, length));
      // As in `start`: whoever reads on over a pending write gets another buffer.
      if (this.#borrowed > 0 && this.#reading) return this.#replacePrivate();
      return undefined;
    }
    this.#handOut(buffers.copy(buffer ?? buffers.shared, length));
    if (this.#handle === null) return undefined;
    if (buffer !== null && this.#borrowed === 0) {
      this.#giveBack();
      return buffers.shared;
    }
    if (buffer === null && length === SHARED_BYTES) {
      this.#private = buffers.lend(this);
      this.#busy = true;
      return this.#private ?? undefined;
    }
    return undefined;
  }

  lends(bytes: Uint8Array): boolean {
    return this.#private !== null && bytes.buffer === this.#private.buffer;
  }

  written(request: OwnedWrite, status: number): void {
    const { lender } = request;
    if (lender !== null && --lender.#borrowed === 0 && lender.#handle === null) lender.#giveBack();
    this.#pendingWrites--;
    if (status < 0) this.fail(codeOf(status));
    else if (this.#pendingWrites === 0 && this.#handle !== null) {
      this.#inside?.proceed();
      this.owner.onDrain(this);
    }
  }

  /** Gives the private buffer back if nothing was read since the last time. */
  rest(): void {
    if (!this.#busy && this.#borrowed === 0 && this.#rebinds < REBINDS_MAX) this.#rebind(null);
    this.#busy = false;
  }

  #handOut(bytes: Uint8Array): void {
    this.#buffers.reading = this;
    this.owner.onData(this, bytes);
    this.#buffers.reading = null;
  }

  #rebind(buffer: Buffer | null): void {
    this.#rebinds++;
    if (buffer === null) this.#giveBack();
    else this.#private = buffer;
    // Inside TLS the handle's bytes are not ours to take.
    if (this.#inside === null) this.#handle?.useUserBuffer(buffer ?? this.#buffers.shared);
  }

  #replacePrivate(): Buffer {
    this.#private = Buffer.allocUnsafeSlow(PRIVATE_BYTES);
    return this.#private;
  }

  #giveBack(): void {
    if (this.#private === null) return;
    this.#buffers.takeBack(this, this.#private);
    this.#private = null;
  }
}

function onRead(this: StreamHandle): Uint8Array | undefined {
  return (this as OwnedHandle).connection.read();
}

function connected(status: number, handle: TcpHandle): void {
  const { connection } = handle as OwnedHandle;
  if (status === 0) connection.connected();
  else connection.fail(codeOf(status));
}

function written(this: WriteRequest, status: number): void {
  const request = this as OwnedWrite;
  request.writer.written(request, status);
}

function shutDown(this: ShutdownRequest, status: number): void {
  if (status < 0) (this as OwnedShutdown).connection.fail(codeOf(status));
}

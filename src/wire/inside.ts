/**
 * The inside of a connection on libuv's handles from `secure` on: OpenSSL by way of Node's TLSWrap, which takes the TCP
 * handle's bytes and is a stream like it. It owns that stream and the handle's end; whom the bytes are for, and who closes,
 * is the connection's business.
 *
 * TLSWrap differs from a TCP handle in two ways, and most of this file is about them:
 *
 * - It decrypts all that one read of the handle brought, whether or not we stopped it meanwhile. What nobody wants to hear
 *   yet is held here: 64 KiB, libuv's read, and the surplus at most.
 * - It takes one write at a time and never says that one is complete before the next turn. Whether the kernel has the bytes
 *   already is seen from both queues' sizes; what is written meanwhile is queued here.
 *
 * OpenSSL calls back from its midst, where it may not be destroyed. So the owner hears of a handshake, and of what went wrong
 * in TLS, only once that call is over, and OpenSSL goes when the handle is closed.
 */
import type { Buffers } from "./buffers.ts";
import {
  codeOf,
  type ShutdownRequest,
  type StreamHandle,
  type TcpHandle,
  type TlsHandle,
  UV_EOF,
  type WriteRequest,
} from "./libuv.ts";
import { type Connection, errorCode, type TlsFacts, type TlsTerms } from "./wire.ts";

/** A write behind one of OpenSSL's own takes a turn for that and a turn for itself; as many again are to spare. */
const STUCK_TURNS = 4;

/** The connection whose inside it is. */
interface Outside extends Connection {
  hasEnded: boolean;
  tls: TlsFacts | null;
  fail(code: string): void;
}

/**
 * - `handshake`: what is read is the handshake's.
 * - `done`: the owner is about to hear of it.
 * - `open`: bytes come and go.
 * - `closed`: nobody is called any more.
 */
type Phase = "handshake" | "done" | "open" | "closed";

type OwnedTls = TlsHandle & { inside: Inside };
type OwnedWrite = WriteRequest & { inside: Inside };
type OwnedShutdown = ShutdownRequest & { inside: Inside };

export class Inside {
  /** A write has said false, and the owner has not heard of its drain yet. */
  isPending = false;
  readonly #buffers: Buffers;
  readonly #handle: TcpHandle;
  readonly #outside: Outside;
  readonly #terms: TlsTerms;
  readonly #tls: TlsHandle;
  #phase: Phase = "handshake";
  /** Whether the owner wants to hear bytes. */
  #reading = false;
  #held: Uint8Array[] = [];
  #isEndHeld = false;
  /** The write that TLSWrap has; null: none. */
  #writing: OwnedWrite | null = null;
  #queue: Uint8Array[] = [];
  #ending = false;

  constructor(buffers: Buffers, handle: TcpHandle, outside: Outside, terms: TlsTerms) {
    this.#buffers = buffers;
    this.#handle = handle;
    this.#outside = outside;
    this.#terms = terms;
    const isServer = terms.side === "server";
    const { context } = isServer ? terms.certificates.first : terms.trust.context;
    const tls = buffers.libuv.wrap(handle, context, isServer, outside.isPending);
    this.#tls = tls;
    (tls as OwnedTls).inside = this;
    tls.onread = onRead;
    tls.onhandshakedone = onHandshakeDone;
    tls.onerror = onError;
    tls.useUserBuffer(buffers.shared);
  }

  shake(surplus: Uint8Array): void {
    const tls = this.#tls;
    if (this.#terms.side === "client") {
      const { servername } = this.#terms.trust;
      if (servername !== null) tls.setServername(servername);
      tls.start();
    } else if (!this.#terms.certificates.isOne) {
      tls.oncertcb = onHello;
      tls.enableCertCb();
    }
    if (surplus.length > 0) tls.receive(surplus);
    tls.readStart();
  }

  /** What was pending in the clear is written. */
  proceed(): void {
    this.#tls.writesIssuedByPrevListenerDone();
  }

  start(): void {
    if (this.#phase === "closed" || this.#reading || this.#outside.hasEnded) return;
    this.#reading = true;
    if (this.#phase === "open") this.#resume();
  }

  stop(): void {
    this.#reading = false;
    if (this.#phase === "open") this.#tls.readStop();
  }

  write(bytes: Uint8Array): boolean {
    if (this.#writing !== null) {
      this.#queue.push(Uint8Array.from(bytes));
      this.isPending = true;
    } else if (!this.#send(bytes)) {
      this.isPending = true;
    }
    return !this.isPending;
  }

  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    // Amid its reads OpenSSL would look for the far end's close_notify behind ours, and lose the bytes that it finds.
    if (this.#writing === null) setImmediate(() => this.#shutDown());
  }

  close(): void {
    this.#phase = "closed";
    this.#reading = false;
    this.#held = [];
    this.#queue = [];
    this.#handle.close(() => this.#tls.destroySSL());
  }

  read(): void {
    const { libuv, shared } = this.#buffers;
    const status = libuv.streamBaseState[libuv.kReadBytesOrError]!;
    const isHeard = this.#phase === "open" && this.#reading && this.#held.length === 0;
    if (this.#phase === "closed") return;
    if (status > 0) {
      const bytes = this.#buffers.copy(shared, status);
      if (isHeard) this.#outside.owner.onData(this.#outside, bytes);
      else this.#held.push(bytes);
    } else if (status !== UV_EOF) {
      this.#outside.fail(codeOf(status));
    } else if (this.#phase === "handshake") {
      this.#outside.fail("EOF");
    } else if (isHeard) {
      this.#ended();
    } else {
      this.#isEndHeld = true;
    }
  }

  choose(name: string): void {
    if (this.#terms.side === "server") this.#tls.sni_context = this.#terms.certificates.choose(name).context;
    this.#tls.certCbDone();
  }

  shaken(): void {
    if (this.#phase !== "handshake") return;
    this.#phase = "done";
    this.#tls.readStop();
    setImmediate(() => this.#open());
  }

  fault(code: string): void {
    process.nextTick(() => this.#outside.fail(code));
  }

  written(status: number): void {
    this.#writing = null;
    if (this.#phase === "closed") return;
    if (status < 0) return this.fault(codeOf(status));
    if (this.#queue.length > 0) {
      const bytes = Buffer.concat(this.#queue);
      this.#queue = [];
      if (!this.#send(bytes)) return;
    } else if (this.#ending) {
      this.#shutDown();
    }
    if (!this.isPending) return;
    this.isPending = false;
    this.#outside.owner.onDrain(this.#outside);
  }

  #open(): void {
    if (this.#phase !== "done") return;
    const distrust = this.#distrust();
    if (distrust !== null) return this.#outside.fail(distrust);
    this.#phase = "open";
    const tls = this.#tls;
    this.#outside.tls = {
      version: tls.getProtocol(),
      cipher: tls.getCipher().name,
      resumed: tls.isSessionReused(),
    };
    if (this.#reading) this.#resume();
    this.#outside.owner.onConnect(this.#outside);
  }

  /** Why the server that we have reached is not the one that we want; null when it is. */
  #distrust(): string | null {
    if (this.#terms.side === "server" || !this.#terms.trust.verifies) return null;
    const fault = this.#tls.verifyError();
    if (fault !== null && fault !== undefined) return errorCode(fault);
    return this.#terms.trust.misnamed(this.#tls.getPeerCertificate()?.raw, this.#outside.peer());
  }

  /** The owner is never called back from within its own `start`. */
  #resume(): void {
    if (this.#held.length === 0 && !this.#isEndHeld) this.#tls.readStart();
    else setImmediate(() => this.#release());
  }

  #release(): void {
    while (this.#reading && this.#held.length > 0)
      this.#outside.owner.onData(this.#outside, this.#held.shift()!);
    if (!this.#reading) return;
    if (this.#isEndHeld) this.#ended();
    else this.#tls.readStart();
  }

  /** TLSWrap would read on, for nobody, behind a close_notify. */
  #ended(): void {
    this.#reading = false;
    this.#tls.readStop();
    this.#outside.hasEnded = true;
    this.#outside.owner.onEnd(this.#outside);
  }

  /** Whether the kernel has all of `bytes` already. */
  #send(bytes: Uint8Array): boolean {
    const request = new this.#buffers.libuv.WriteWrap() as OwnedWrite;
    request.inside = this;
    request.oncomplete = written;
    // Something of OpenSSL's own may be on its way, a ticket say, and ours goes behind it.
    const isFirst = this.#tls.writeQueueSize === 0;
    this.#writing = request;
    const status = this.#tls.writeBuffer(request, bytes);
    if (status < 0) this.fault(codeOf(status));
    if (!isFirst) this.#suspect(request, STUCK_TURNS);
    return isFirst && this.#handle.writeQueueSize === 0;
  }

  /**
   * When the kernel refuses what OpenSSL writes of its own, for a client that has reset, TLSWrap tells nobody and never
   * writes again: its write then stands while the handle has nothing to do.
   */
  #suspect(request: OwnedWrite, turns: number): void {
    setImmediate(() => {
      if (this.#writing !== request || this.#handle.writeQueueSize > 0) return;
      if (turns === 0) this.#outside.fail("EPIPE");
      else this.#suspect(request, turns - 1);
    });
  }

  #shutDown(): void {
    if (this.#phase === "closed") return;
    const request = new this.#buffers.libuv.ShutdownWrap() as OwnedShutdown;
    request.inside = this;
    request.oncomplete = shutDown;
    const status = this.#tls.shutdown(request);
    if (status < 0) this.fault(codeOf(status));
  }
}

function onRead(this: StreamHandle): undefined {
  (this as OwnedTls).inside.read();
}

function onHello(this: TlsHandle, { servername }: { readonly servername: string }): void {
  (this as OwnedTls).inside.choose(servername);
}

function onHandshakeDone(this: TlsHandle): void {
  (this as OwnedTls).inside.shaken();
}

function onError(this: TlsHandle, error: unknown): void {
  (this as OwnedTls).inside.fault(errorCode(error));
}

function written(this: WriteRequest, status: number): void {
  (this as OwnedWrite).inside.written(status);
}

function shutDown(this: ShutdownRequest, status: number): void {
  if (status < 0) (this as OwnedShutdown).inside.fault(codeOf(status));
}

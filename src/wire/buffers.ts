/**
 * The memory that the connections of a thread on libuv's handles read into and hand out from. It moves no bytes between
 * sockets and knows no connection's state.
 */
import type { HandleConnection } from "./handles.ts";
import type { Libuv, WriteRequest } from "./libuv.ts";

/** What one read takes at most while a connection is not in bulk; a read that fills it is the sign of bulk. */
export const SHARED_BYTES = 64 * 1024;

/** Reads up to here are copied; a quarter of the slab, so that few bytes of a slab are lost at its end. */
export const COPY_BYTES_MAX = 16 * 1024;
const SLAB_BYTES = 64 * 1024;

/** A private buffer: 64 KiB cost about twice the CPU of 256 KiB for each byte, and 1 MiB hardly less. */
export const PRIVATE_BYTES = 256 * 1024;

/** Private buffers that are kept for the next connection: 8 MiB. */
const SPARES_MAX = 32;

/** Private buffers at the same time, 64 MiB; connections beyond it read on into the shared one. */
const PRIVATE_MAX = 256;

/** A connection that has read nothing for so long gives its private buffer back. */
const QUIET_SWEEP_MS = 5000;

export type OwnedWrite = WriteRequest & {
  writer: HandleConnection;
  lender: HandleConnection | null;
  bytes: Uint8Array;
};

/** The buffers that the connections of a thread share. */
export class Buffers {
  readonly libuv: Libuv;
  readonly shared = Buffer.allocUnsafeSlow(SHARED_BYTES);
  /** Used again for each write that completes at once. */
  idleWrite: OwnedWrite | null = null;
  /** The connection whose bytes are being handed out. */
  reading: HandleConnection | null = null;
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  #slabUsed = 0;
  readonly #spares: Buffer[] = [];
  readonly #bulk = new Set<HandleConnection>();
  #sweeper: NodeJS.Timeout | null = null;

  constructor(libuv: Libuv) {
    this.libuv = libuv;
  }

  copy(bytes: Uint8Array, length: number): Buffer {
    if (length > COPY_BYTES_MAX) return Buffer.from(bytes.subarray(0, length));
    if (this.#slabUsed + length > SLAB_BYTES) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#slabUsed = 0;
    }
    const copy = this.#slab.subarray(this.#slabUsed, this.#slabUsed + length);
    this.#slabUsed += length;
    copy.set(length === bytes.length ? bytes : bytes.subarray(0, length));
    return copy;
  }

  /** A private buffer for a connection in bulk; null when there are too many already. */
  lend(to: HandleConnection): Buffer | null {
    if (this.#bulk.size >= PRIVATE_MAX) return null;
    this.#bulk.add(to);
    this.#sweeper ??= setInterval(() => this.#sweep(), QUIET_SWEEP_MS).unref();
    return this.#spares.pop() ?? Buffer.allocUnsafeSlow(PRIVATE_BYTES);
  }

  takeBack(from: HandleConnection, buffer: Buffer): void {
    this.#bulk.delete(from);
    if (this.#spares.length < SPARES_MAX) this.#spares.push(buffer);
  }

  #sweep(): void {
    for (const connection of this.#bulk) connection.rest();
    if (this.#bulk.size > 0 || this.#sweeper === null) return;
    clearInterval(this.#sweeper);
    this.#sweeper = null;
    this.#spares.length = 0;
  }
}

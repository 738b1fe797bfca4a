/**
 * Bytes of which each depends on its place and on the stream that it is in: one that is lost, doubled, out of its order or
 * from another stream is noticed where it stands.
 */

const byteAt = (seed: number, at: number) =>
  (Math.imul((at >>> 2) + seed, 0x9e3779b1) >>> ((at & 3) * 8)) & 255;

/** Gives the bytes of a stream, piece by piece. */
export class Numbered {
  readonly #seed: number;
  #at = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  next(length: number): Buffer {
    const piece = Buffer.allocUnsafe(length);
    for (let index = 0; index < length; index++) piece[index] = byteAt(this.#seed, this.#at++);
    return piece;
  }
}

/** Checks the bytes of a stream as they come. */
export class Checker {
  readonly #seed: number;
  /** How many bytes have come. */
  count = 0;
  /** Where the first wrong byte stands; null while all are right. */
  fault: number | null = null;

  constructor(seed: number) {
    this.#seed = seed;
  }

  feed(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (byte !== byteAt(this.#seed, this.count)) this.fault ??= this.count;
      this.count++;
    }
  }
}

/**
 * One side of a connection that carries numbered bytes both ways: word n of a stream holds n and the stream's own mark, so
 * that a byte that is lost, doubled, swapped or another stream's is seen where it comes out.
 *
 * It writes as much as the wire takes, and reads slowly: a piece, a pause, the next piece. Once it is told to `hurry` it
 * writes no more and reads what is still under way.
 */
import type { Connection, ConnectionOwner } from "../../src/wire/wire.ts";

export interface NumberedOptions {
  /** Said before the numbers, and awaited before the far side's. */
  readonly opening: Uint8Array;
  readonly awaitBytes: number;
  /** The marks of the streams sent and received: 0 to 255. */
  readonly sends: number;
  readonly receives: number;
  readonly pauseMs: () => number;
  readonly over: (fault: string | null) => void;
}

/** 64 KiB for each write: whole ones and parts of them wait on the way. */
const BLOCK_WORDS = 16 * 1024;

/** What the mark leaves of a word: a stream's numbers begin anew after 64 MiB. */
const NUMBERS = 2 ** 24;

export class Numbered implements ConnectionOwner {
  readonly #options: NumberedOptions;
  #awaitBytes: number;
  #sentWords = 0;
  #received = 0;
  #corrupt = 0;
  #hurries = false;
  #hasEnded = false;
  #farHasEnded = false;

  constructor(options: NumberedOptions) {
    this.#options = options;
    this.#awaitBytes = options.awaitBytes;
  }

  get sentBytes(): number {
    return this.#sentWords * 4;
  }

  get receivedBytes(): number {
    return this.#received;
  }

  get corruptBytes(): number {
    return this.#corrupt;
  }

  hurry(): void {
    this.#hurries = true;
  }

  /** A server's side begins by itself, a client's when it is connected. */
  onConnect(connection: Connection): void {
    connection.write(this.#options.opening);
    connection.start();
  }

  onData(connection: Connection, bytes: Uint8Array): void {
    const before = Math.min(this.#awaitBytes, bytes.length);
    this.#awaitBytes -= before;
    for (let at = before; at < bytes.length; at++) this.#check(bytes[at]!);
    if (this.#awaitBytes === 0 && this.#sentWords === 0) this.#send(connection);
    if (this.#hurries) return;
    connection.stop();
    setTimeout(() => connection.start(), this.#options.pauseMs());
  }

  onDrain(connection: Connection): void {
    if (!this.#hasEnded) this.#send(connection);
  }

  onEnd(connection: Connection): void {
    this.#farHasEnded = true;
    this.#closeIfDone(connection);
  }

  onError(_connection: Connection, code: string): void {
    this.#options.over(code);
  }

  /** Each write has a buffer of its own: the wire may need it until it has drained. */
  #send(connection: Connection): void {
    while (!this.#hurries) if (!connection.write(this.#block())) return;
    connection.end();
    this.#hasEnded = true;
    this.#closeIfDone(connection);
  }

  #closeIfDone(connection: Connection): void {
    if (!this.#hasEnded || !this.#farHasEnded) return;
    connection.close();
    this.#options.over(null);
  }

  #block(): Uint8Array {
    const words = new Uint32Array(BLOCK_WORDS);
    for (let word = 0; word < BLOCK_WORDS; word++)
      words[word] = wordOf(this.#options.sends, this.#sentWords++);
    return new Uint8Array(words.buffer);
  }

  /** The words lie as this machine writes them: the lowest byte first. */
  #check(byte: number): void {
    const word = wordOf(this.#options.receives, this.#received >>> 2);
    if (byte !== ((word >>> (8 * (this.#received & 3))) & 255)) this.#corrupt++;
    this.#received++;
  }
}

function wordOf(mark: number, number: number): number {
  return mark * NUMBERS + (number % NUMBERS);
}

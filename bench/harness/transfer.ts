/**
 * One side of a transfer: behind header and greeting the one side sends so many bytes, then ends; the other counts them,
 * and closes. What the bytes are is not looked at: `slow-readers.ts` does that.
 */
import type { Connection, ConnectionOwner } from "../../src/wire/wire.ts";

export interface TransferOptions {
  /** Said at once when connected. */
  readonly opening: Uint8Array;
  /** What the far side says before bytes flow, and what is answered to it. */
  readonly awaitBytes: number;
  readonly answer: Uint8Array;
  /** One of the two is 0. */
  readonly sendBytes: number;
  readonly receiveBytes: number;
  readonly over: (fault: string | null) => void;
}

/** As much as the larger of the proxies' buffers takes at once. */
const block = Buffer.alloc(256 * 1024, "0123456789abcdef");

export class Transfer implements ConnectionOwner {
  readonly #options: TransferOptions;
  #leftBytes: number;
  #toSendBytes: number;
  #received = 0;
  #hasBegun = false;

  constructor(options: TransferOptions) {
    this.#options = options;
    this.#leftBytes = options.awaitBytes;
    this.#toSendBytes = options.sendBytes;
  }

  /** A server's side begins by itself, a client's when it is connected. */
  onConnect(connection: Connection): void {
    connection.write(this.#options.opening);
    connection.start();
  }

  onData(connection: Connection, bytes: Uint8Array): void {
    if (this.#hasBegun) {
      this.#received += bytes.length;
      return;
    }
    this.#leftBytes -= bytes.length;
    if (this.#leftBytes > 0) return;
    this.#hasBegun = true;
    this.#received = -this.#leftBytes;
    connection.write(this.#options.answer);
    if (this.#toSendBytes > 0) this.#send(connection);
  }

  onDrain(connection: Connection): void {
    if (this.#toSendBytes > 0) this.#send(connection);
  }

  onEnd(connection: Connection): void {
    connection.close();
    const { receiveBytes, over } = this.#options;
    const isWhole = this.#received === receiveBytes && this.#toSendBytes === 0;
    over(isWhole ? null : `${this.#received} of ${receiveBytes} bytes came`);
  }

  onError(_connection: Connection, code: string): void {
    this.#options.over(code);
  }

  /** Ends behind the last byte, which may still be pending: the wire keeps the order. */
  #send(connection: Connection): void {
    let goesOn = true;
    while (goesOn && this.#toSendBytes > 0) {
      const piece = block.subarray(0, this.#toSendBytes);
      this.#toSendBytes -= piece.length;
      goesOn = connection.write(piece);
    }
    if (this.#toSendBytes === 0) connection.end();
  }
}

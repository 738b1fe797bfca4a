/**
 * One end of a TCP connection in a test's hands, a client's or an upstream's: it says what the test says, and keeps every
 * byte that it hears until the test asks for it. It knows no protocol. Every wait has a deadline.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from "node:tls";
import type { Test } from "tap";

/** Far more than anything here takes on a busy machine; the gateway's own deadlines are all shorter. */
const waitMsMax = 15_000;

export interface EndOptions {
  readonly port: number;
  readonly host?: string;
  /** The loopback address to come from. */
  readonly from?: string;
}

/** How the far end went: with a FIN, or by breaking the connection off. */
type Ending = "end" | "reset";

export class End {
  /** As the far end sees us; it is asked for once, as it is gone with the socket. */
  readonly localPort: number;
  /** The TCP connection, whatever is in it. */
  readonly #outside: Socket;
  /** What is said and heard through: TLS, once that has begun. */
  #socket: Socket;
  #pieces: Buffer[] = [];
  #length = 0;
  #ending: Ending | null = null;
  #wake: () => void = () => {};

  /** Takes a socket that is connected; it leaves with the test at the latest. */
  constructor(t: Test, socket: Socket) {
    this.#outside = socket;
    this.#socket = socket;
    this.localPort = socket.localPort ?? Number.NaN;
    t.teardown(() => this.close());
    this.#follow(socket);
  }

  /** Connects, and says `first` at once. */
  static async connect(t: Test, options: EndOptions, first: string | Uint8Array = ""): Promise<End> {
    const { port, host = "127.0.0.1", from } = options;
    const near = from === undefined ? {} : { localAddress: from };
    const socket = connect({ port, host, noDelay: true, allowHalfOpen: true, ...near });
    await once(socket, "connect");
    const end = new End(t, socket);
    if (first.length > 0) end.send(first);
    return end;
  }

  /** Begins TLS as its client, and trusts whomever it meets: from here on all is inside. */
  async secure(options: ConnectionOptions = {}): Promise<TLSSocket> {
    for (const event of ["data", "end", "close"]) this.#outside.removeAllListeners(event);
    const inside = tlsConnect({ socket: this.#outside, rejectUnauthorized: false, ...options });
    this.#socket = inside;
    this.#follow(inside);
    await once(inside, "secureConnect", { signal: AbortSignal.timeout(waitMsMax) });
    return inside;
  }

  /** All that has come and was not asked for. */
  get unread(): string {
    return this.#received.toString("latin1");
  }

  send(bytes: string | Uint8Array): void {
    this.#socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  }

  /** The next `length` bytes. */
  async bytes(length: number): Promise<Buffer> {
    await this.#until(`${length} bytes`, () => this.#length >= length);
    const received = this.#received;
    this.#pieces = [received.subarray(length)];
    this.#length -= length;
    return received.subarray(0, length);
  }

  /** The next bytes up to and with `text`. */
  async through(text: string): Promise<string> {
    await this.#until(JSON.stringify(text), () => this.#received.includes(text, 0, "latin1"));
    return (await this.bytes(this.#received.indexOf(text, 0, "latin1") + text.length)).toString("latin1");
  }

  /** The next line, with its CRLF. */
  line(): Promise<string> {
    return this.through("\r\n");
  }

  /** All that is left once the far end has gone. */
  async rest(): Promise<string> {
    await this.ending();
    return this.unread;
  }

  async ending(): Promise<Ending> {
    while (this.#ending === null) await this.#wait("the far end's end");
    return this.#ending;
  }

  /** Stops and resumes reading from the socket. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Ends our direction (TCP FIN, behind a close_notify in TLS). */
  end(): void {
    this.#socket.end();
  }

  /** Breaks the connection off (TCP RST). */
  reset(): void {
    this.#outside.resetAndDestroy();
  }

  close(): void {
    this.#outside.destroy();
  }

  #follow(socket: Socket): void {
    socket.on("data", (bytes: Buffer) => {
      this.#pieces.push(bytes);
      this.#length += bytes.length;
      this.#wake();
    });
    socket.on("end", () => this.#over("end"));
    socket.on("error", () => this.#over("reset"));
    socket.on("close", () => this.#over("reset"));
  }

  get #received(): Buffer {
    if (this.#pieces.length !== 1) this.#pieces = [Buffer.concat(this.#pieces)];
    return this.#pieces[0]!;
  }

  #over(ending: Ending): void {
    this.#ending ??= ending;
    this.#wake();
  }

  async #until(what: string, probe: () => boolean): Promise<void> {
    while (!probe()) {
      if (this.#ending !== null)
        throw new Error(`${this.#ending} before ${what}, after ${JSON.stringify(this.unread.slice(-200))}`);
      await this.#wait(what);
    }
  }

  #wait(what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = () =>
        reject(
          new Error(`${waitMsMax} ms without ${what}, after ${JSON.stringify(this.unread.slice(-200))}`),
        );
      const timer = setTimeout(late, waitMsMax);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

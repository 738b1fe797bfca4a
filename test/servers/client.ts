/**
 * A mail client that says exactly what a test tells it to, over TCP or TLS, with a PROXY header first where one is given.
 *
 * It reads lines, SMTP replies and IMAP's tagged answers; it knows no more of the protocols. Every wait has a deadline, and
 * what fails shows the whole conversation.
 */
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { Test } from "tap";

/** Dovecot holds a failed login back for up to 17 s; nothing else in these tests takes half as long. */
const waitMsUsual = 30_000;

export interface ClientOptions {
  readonly port: number;
  readonly host?: string;
  /** The loopback address to come from. */
  readonly from?: string;
  /** Written before anything else, TLS included. */
  readonly header?: Uint8Array;
  /** Whether TLS begins at once. */
  readonly tls?: boolean;
  /** How long it waits for anything; more than usual where it may be parked for long. */
  readonly waitMs?: number;
}

interface Secured {
  readonly fingerprint256: string;
  readonly resumed: boolean;
}

export class Client {
  readonly #transcript: string[] = [];
  #socket: Socket;
  #received = "";
  #ended = false;
  #session: Buffer | null = null;
  #tag = 0;
  readonly #waitMs: number;
  #wake: () => void = () => {};

  private constructor(socket: Socket, waitMs: number) {
    this.#socket = socket;
    this.#waitMs = waitMs;
    this.#follow();
  }

  /** Connects, and leaves with the test at the latest. */
  static async connect(t: Test, options: ClientOptions): Promise<Client> {
    const { port, host = "127.0.0.1", header, waitMs = waitMsUsual } = options;
    const from = options.from === undefined ? {} : { localAddress: options.from };
    const socket = connectTcp({ port, host, noDelay: true, ...from });
    await once(socket, "connect");
    const client = new Client(socket, waitMs);
    t.teardown(() => client.close());
    if (header !== undefined) socket.write(header);
    if (options.tls === true) await client.startTls();
    return client;
  }

  send(bytes: string | Uint8Array): void {
    this.#transcript.push(`C: ${Buffer.from(bytes).toString("latin1")}`);
    this.#socket.write(bytes);
  }

  /** The next line, without its CRLF. */
  async line(): Promise<string> {
    const end = await this.#until("a line", () => this.#received.indexOf("\r\n") + 1);
    const line = this.#received.slice(0, end - 1);
    this.#received = this.#received.slice(end + 1);
    this.#transcript.push(`S: ${line}`);
    return line;
  }

  /** A whole SMTP reply, its lines joined by newlines (RFC 5321 4.2.1). */
  async reply(): Promise<string> {
    const lines = [await this.line()];
    while (/^\d{3}-/.test(lines.at(-1) ?? "")) lines.push(await this.line());
    return lines.join("\n");
  }

  /** Sends an SMTP command and gives its reply. */
  smtp(command: string): Promise<string> {
    this.send(`${command}\r\n`);
    return this.reply();
  }

  /** Sends an IMAP command under a tag of its own and gives all up to the tagged answer, which comes last. */
  async imap(command: string): Promise<string> {
    const tag = `a${++this.#tag}`;
    this.send(`${tag} ${command}\r\n`);
    const lines = [await this.line()];
    while (!lines.at(-1)?.startsWith(`${tag} `)) lines.push(await this.line());
    return lines.join("\n");
  }

  /**
   * Begins TLS on this connection, and resumes `session` where there is one; gives the server's certificate, which is
   * trusted whatever it is.
   */
  async startTls(session: Buffer | null = null): Promise<Secured> {
    this.#socket.removeAllListeners();
    const old = session === null ? {} : { session };
    const secure: TLSSocket = connectTls({ socket: this.#socket, rejectUnauthorized: false, ...old });
    this.#socket = secure;
    this.#follow();
    secure.on("session", (ticket: Buffer) => {
      this.#session = ticket;
    });
    await once(secure, "secureConnect", { signal: AbortSignal.timeout(this.#waitMs) });
    return {
      fingerprint256: secure.getPeerCertificate().fingerprint256,
      resumed: secure.isSessionReused(),
    };
  }

  /** What a later connection may resume; it is there with the first that the server says inside TLS. */
  get session(): Buffer | null {
    return this.#session;
  }

  /** What is left when the far end has ended. */
  async rest(): Promise<string> {
    await this.#until("the end", () => this.#ended);
    return this.#received;
  }

  /** Whatever has come and was not asked for yet. */
  get unread(): string {
    return this.#received;
  }

  /** Ends our side (TCP FIN). */
  end(): void {
    this.#socket.end();
  }

  /** Breaks the connection off with a reset. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  close(): void {
    this.#socket.destroy();
  }

  /** A reset is an end here: which one came is not what these tests ask. */
  #follow(): void {
    const ended = () => {
      this.#ended = true;
      this.#wake();
    };
    this.#socket.on("data", (bytes: Buffer) => {
      this.#received += bytes.toString("latin1");
      this.#wake();
    });
    this.#socket.on("end", ended).on("error", ended).on("close", ended);
  }

  async #until<T>(what: string, probe: () => T): Promise<T> {
    const deadline = AbortSignal.timeout(this.#waitMs);
    for (;;) {
      const found = probe();
      if (found) return found;
      if (this.#ended || deadline.aborted) {
        const end = this.#ended ? "the connection ended" : `${this.#waitMs} ms passed`;
        throw new Error(`${end} before ${what}:\n${this.#transcript.join("\n")}\n${this.#received}`);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        deadline.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }
}

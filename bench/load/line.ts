/**
 * One client's connection, as a scenario speaks on it: say something, await a line, a reply, the end. It knows how SMTP
 * replies are framed (RFC 5321 4.2.1) and no more of any protocol.
 *
 * One thing is awaited at a time, under one deadline, however many chunks it comes in. What goes wrong is thrown as a
 * `Fault`, once and for all: whoever awaits something else afterwards is thrown the same.
 */
import type { Endpoint } from "../../src/address.ts";
import { joined, Lines, textOf } from "../../src/lines.ts";
import { Replies, type Reply } from "../../src/smtp/reply.ts";
import type { Trust } from "../../src/wire/trust.ts";
import type { Connection, ConnectionOwner, Wire } from "../../src/wire/wire.ts";
import type { FaultKind } from "./result.ts";

/** IMAP's longest lines are lists of flags and of capabilities, SMTP's a quarter of this (`Replies`). */
const LINE_BYTES_MAX = 8192;

/** What came and was not asked for: several of libuv's reads, and more than any target says by itself. */
const UNREAD_BYTES_MAX = 256 * 1024;

/** Why a session cannot go on. It is thrown, and is no Error: sessions fail by the thousand, and a stack tells nothing. */
export class Fault {
  readonly kind: FaultKind;

  constructor(kind: FaultKind) {
    this.kind = kind;
  }
}

export interface LineOptions {
  readonly wire: Wire;
  readonly target: Endpoint;
  /** Said as soon as the connection is there, in the clear. */
  readonly opening: Uint8Array;
  /** For each thing that is awaited. */
  readonly timeoutMs: number;
  readonly trust: Trust;
  /** Where bytes are counted. */
  readonly traffic: { bytesIn: number; bytesOut: number };
}

export class Line implements ConnectionOwner {
  readonly #options: LineOptions;
  readonly #lines = new Lines(LINE_BYTES_MAX);
  readonly #replies = new Replies();
  #connection: Connection | null = null;
  /** Since `open` or `secure`. */
  #isConnected = false;
  #isReleased = false;
  /** Gives what is awaited to whoever awaits it, if it is there; false while it is not. */
  #wait: (() => boolean) | null = null;
  #fault: Fault | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: LineOptions) {
    this.#options = options;
  }

  /** Connects, and says the opening. */
  async open(): Promise<void> {
    const { wire, target } = this.#options;
    this.#connection = wire.connect(target, this);
    await this.#until(() => this.#isConnected || undefined);
  }

  /** Says this at once; what the kernel does not take is pending, and must not change before `drained`. */
  send(words: Uint8Array | string): void {
    const bytes = typeof words === "string" ? Buffer.from(words, "latin1") : words;
    this.#options.traffic.bytesOut += bytes.length;
    this.#connection?.write(bytes);
  }

  /** Nothing that was said is pending. */
  async drained(): Promise<void> {
    if (this.#connection?.isPending) await this.#until(() => !this.#connection?.isPending || undefined);
  }

  /** The next line, without its CRLF, latin1. */
  line(): Promise<string> {
    return this.#until(() => this.#takeLine());
  }

  /** The next SMTP reply. */
  reply(): Promise<Reply> {
    return this.#until(() => this.#takeReply());
  }

  /** Reads so many bytes and forgets them. Of a great many each piece had better have a deadline of its own. */
  async discard(bytes: number): Promise<void> {
    let left = bytes;
    const take = () => {
      left -= this.#lines.take(left).length;
      return left === 0 || undefined;
    };
    await this.#until(take);
  }

  /** Says and awaits nothing for so long, or until `release`; that the far end ends the connection is a fault. */
  async hold(milliseconds: number): Promise<void> {
    let isOver = false;
    const timer = setTimeout(() => {
      isOver = true;
      this.#look();
    }, milliseconds);
    const held = this.#until(() => isOver || this.#isReleased || undefined, "no deadline");
    await held.finally(() => clearTimeout(timer));
  }

  /** Ends what is held now or would be later: the run is about to end. */
  release(): void {
    this.#isReleased = true;
    this.#look();
  }

  /** The far end ends the connection, and says nothing more before it does. */
  async ended(): Promise<void> {
    await this.#until(() => {
      if (this.#lines.unreadBytes + this.#lines.heldBytes > 0) return this.#break("protocol");
      return this.#connection?.hasEnded || undefined;
    });
  }

  /** Begins TLS, in which everything is said from here on. */
  async secure(): Promise<void> {
    this.#isConnected = false;
    const surplus = this.#lines.rest();
    this.#connection?.secure({ side: "client", trust: this.#options.trust }, surplus);
    await this.#until(() => this.#isConnected || undefined);
  }

  /** Ends it at once, from either side of a fault. What is awaited then never comes. */
  close(): void {
    this.#stopDeadline();
    this.#connection?.close();
    this.#wait = null;
  }

  onConnect(connection: Connection): void {
    const { opening } = this.#options;
    // It is the load balancer's, so to say, and no byte of the session's.
    if (connection.tls === null) connection.write(opening);
    connection.start();
    this.#isConnected = true;
    this.#look();
  }

  /** The bytes are whoever's awaits them; of what is left a copy is kept. */
  onData(_connection: Connection, bytes: Uint8Array): void {
    this.#options.traffic.bytesIn += bytes.length;
    const lines = this.#lines;
    lines.feed(lines.unreadBytes === 0 ? bytes : joined([lines.rest(), bytes]));
    this.#look();
    const { unreadBytes } = lines;
    if (unreadBytes > UNREAD_BYTES_MAX) this.#fail("protocol");
    else if (unreadBytes > 0) lines.feed(Uint8Array.from(lines.take(unreadBytes)));
  }

  onEnd(): void {
    this.#look();
  }

  onDrain(): void {
    this.#look();
  }

  onError(_connection: Connection, code: string): void {
    this.#fail(kindOf(code));
  }

  /** What `take` gives, as soon as it gives something. */
  #until<Value>(take: () => Value | undefined, deadline: "deadline" | "no deadline" = "deadline") {
    return new Promise<Value>((resolve, reject) => {
      const wait = () => {
        const value = this.#fault === null ? take() : undefined;
        const fault = value === undefined ? this.#whyNever() : null;
        if (value !== undefined) resolve(value);
        else if (fault !== null) reject(fault);
        return value !== undefined || fault !== null;
      };
      if (wait()) return;
      this.#wait = wait;
      if (deadline === "deadline") this.#startDeadline();
      else this.#stopDeadline();
    });
  }

  /** Why what is not there will not come; null while it may. */
  #whyNever(): Fault | null {
    return this.#fault ?? (this.#connection?.hasEnded ? new Fault("closed") : null);
  }

  #look(): void {
    if (this.#wait?.() === true) this.#wait = null;
  }

  #takeLine(): string | undefined {
    const line = this.#nextLine();
    if (line === undefined) return undefined;
    const text = textOf(line);
    return text.endsWith("\r\n") ? text.slice(0, -2) : this.#break("protocol");
  }

  #takeReply(): Reply | undefined {
    for (;;) {
      const line = this.#nextLine();
      if (line === undefined) return undefined;
      this.#replies.feed(line);
      const reply = this.#replies.next();
      if (reply !== null) return reply;
      if (this.#replies.malformed) return this.#break("protocol");
    }
  }

  #nextLine(): Uint8Array | undefined {
    const line = this.#lines.next() ?? undefined;
    return this.#lines.tooLong ? this.#break("protocol") : line;
  }

  /** One timer for all that is awaited in turn; that it runs on while nothing is does no harm. */
  #startDeadline(): void {
    if (this.#timer !== null) this.#timer.refresh();
    else this.#timer = setTimeout(() => this.#expire(), this.#options.timeoutMs);
  }

  #stopDeadline(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #expire(): void {
    if (this.#wait !== null) this.#fail("timeout");
  }

  #fail(kind: FaultKind): void {
    this.#break(kind);
    this.#look();
  }

  #break(kind: FaultKind): undefined {
    this.#fault ??= new Fault(kind);
    this.#connection?.close();
  }
}

/** What an error of the wire means for the session; see `ConnectionOwner.onError`. */
function kindOf(code: string): FaultKind {
  switch (code) {
    case "ECONNREFUSED":
      return "refused";
    case "ECONNRESET":
    case "EPIPE":
    case "ECONNABORTED":
      return "reset";
    case "ETIMEDOUT":
      return "timeout";
    case "EOF":
      return "closed";
    case "EMFILE":
    case "ENFILE":
    case "ENOBUFS":
    case "ENOMEM":
    case "EADDRNOTAVAIL":
      return "own";
    default:
      return code.startsWith("ERR_") || code === "EPROTO" ? "tls" : "unreachable";
  }
}

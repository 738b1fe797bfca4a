/**
 * One connection to the target in bad hands: it says whatever it is told to, hears whatever comes, and remembers how it ended.
 *
 * Nothing that a target does is an error here: it is heard, or it is an ending. Every wait has the same deadline, and what is
 * kept of a talkative target has a bound. It is `node:net`'s, as the wire of the other scenarios cannot break a connection off.
 *
 * An ending is `closed` (it ended in peace), `reset` (it broke off, or TLS did) or `unreachable` (it was never made).
 */
import { connect, type Socket } from "node:net";
import { connect as secureOver } from "node:tls";
import { type Endpoint, endpointText } from "../../src/address.ts";
import type { Protocol } from "../load/plan.ts";

type Ending = "closed" | "reset" | "unreachable";

/** More than any server says before it is asked for a mail. */
const HEARD_CHARS_MAX = 256 * 1024;

/** A reply's text is shown as far as it fits a line of a table. */
const SHOWN_CHARS_MAX = 72;

const greetings: Readonly<Record<Protocol, RegExp>> = {
  smtp: /^220[ -]/m,
  imap: /^\* (?:OK|PREAUTH)\b/im,
};

export interface ContactOptions {
  readonly target: Endpoint;
  readonly protocol: Protocol;
  /** Whether TLS comes first. */
  readonly isSecure: boolean;
  readonly patienceMs: number;
  /** Leaves at once, as if the target had ended the connection. */
  readonly signal: AbortSignal;
}

export class Contact {
  readonly #options: ContactOptions;
  readonly #beganMs = performance.now();
  readonly #outside: Socket;
  /** What is said and heard through: TLS, once that has begun. */
  #socket: Socket;
  #heard = "";
  #ending: Ending | null = null;
  #overMs: number | null = null;
  #isConnected = false;
  #wake: () => void = () => {};

  /** Connects, and says `first` at once. */
  static async open(options: ContactOptions, first: Uint8Array): Promise<Contact> {
    const contact = new Contact(options);
    await contact.#until(() => contact.#isConnected);
    if (first.length > 0) contact.send(first);
    return contact;
  }

  private constructor(options: ContactOptions) {
    this.#options = options;
    this.#outside = connect({ ...options.target, noDelay: true, allowHalfOpen: true });
    this.#socket = this.#outside;
    this.#outside.once("connect", () => {
      this.#isConnected = true;
      this.#wake();
    });
    this.#follow(this.#outside);
    options.signal.addEventListener("abort", this.#leave, { once: true });
    if (options.signal.aborted) this.#leave();
  }

  /** All that has been heard, as latin1; behind a handshake, all that was heard inside. */
  get heard(): string {
    return this.#heard;
  }

  /** Null while the target goes on, and when we were the first to leave. */
  get ending(): Ending | null {
    return this.#ending;
  }

  send(bytes: Uint8Array | string): void {
    if (this.#socket.writable) this.#socket.write(bytes, "latin1");
  }

  /** Says a piece over and over; gives how many bytes of `total` the target took before it ended, or stopped reading. */
  async pour(piece: Uint8Array, total: number): Promise<number> {
    let poured = 0;
    for (; poured < total && this.#ending === null; poured += piece.length) {
      this.send(piece);
      if (!(await this.#until(() => this.#socket.writableLength === 0))) break;
    }
    return poured;
  }

  /** Says the bytes one by one, evenly over so long, as long as the target is there. */
  async drip(bytes: Uint8Array, overMs: number): Promise<void> {
    for (const byte of bytes) {
      this.send(Uint8Array.of(byte));
      if (await this.over(overMs / bytes.length)) return;
    }
  }

  /** Whether something like it is heard, in so many places. */
  hears(pattern: RegExp, times = 1): Promise<boolean> {
    const each = new RegExp(pattern, "gim");
    return this.#until(() => (this.#heard.match(each)?.length ?? 0) >= times);
  }

  /** The last lines of all SMTP replies so far (RFC 5321 4.2.1). */
  get replies(): readonly string[] {
    return this.#heard.match(/^\d{3}(?: .*)?(?=\r?\n)/gm) ?? [];
  }

  /** Says a command, and gives the last line of its reply; null when there is none. */
  async ask(command: string): Promise<string | null> {
    const before = this.replies.length;
    this.send(`${command}\r\n`);
    await this.#until(() => this.replies.length > before);
    return this.replies[before] ?? null;
  }

  /** Says it, and gives what is heard then, at least a line of it; nothing where nothing comes. */
  async answer(words: string): Promise<string> {
    const before = this.#heard.length;
    this.send(words);
    await this.#until(() => this.#heard.includes("\n", before));
    return this.#heard.slice(before);
  }

  /** Whether the target lets us in: its greeting, behind a TLS handshake where that comes first. */
  async greeted(): Promise<boolean> {
    if (this.#options.isSecure && !(await this.secure())) return false;
    await this.#until(() => this.isGreeted);
    return this.isGreeted;
  }

  /** Whether it has let us in by now. */
  get isGreeted(): boolean {
    return greetings[this.#options.protocol].test(this.#heard);
  }

  /** Whether the target ends the connection in this time. */
  async over(patienceMs = this.#options.patienceMs): Promise<boolean> {
    await this.#until(() => false, patienceMs);
    return this.#ending !== null;
  }

  /** Begins TLS, with whomever it meets. Whether there is a handshake; the rest is inside then. */
  async secure(): Promise<boolean> {
    for (const event of ["data", "end", "close"]) this.#outside.removeAllListeners(event);
    const inside = secureOver({ socket: this.#outside, rejectUnauthorized: false });
    let isSecure = false;
    inside.once("secureConnect", () => {
      isSecure = true;
      this.#wake();
    });
    this.#socket = inside;
    this.#heard = "";
    this.#follow(inside);
    return this.#until(() => isSecure);
  }

  /** Ends our direction (TCP FIN). */
  end(): void {
    this.#socket.end();
  }

  /** Breaks the connection off (TCP RST). */
  reset(): void {
    this.#overMs ??= performance.now();
    this.#outside.resetAndDestroy();
  }

  close(): void {
    this.#overMs ??= performance.now();
    this.#options.signal.removeEventListener("abort", this.#leave);
    this.#outside.destroy();
  }

  /** How it ended, and the last that was heard: what is long, and may be cut off. */
  told(): string {
    const { target } = this.#options;
    if (this.#ending === "unreachable") return `${endpointText(target)} cannot be reached`;
    const last = this.#heard.trimEnd().split("\n").at(-1)?.trim() ?? "";
    const words = last === "" ? "nothing said" : `“${shown(last)}”`;
    const tookMs = Math.round((this.#overMs ?? performance.now()) - this.#beganMs);
    return `${this.#ending ?? "still open"} after ${tookMs} ms, ${words}`;
  }

  readonly #leave = () => this.#over("closed");

  #follow(socket: Socket): void {
    socket.on("data", (bytes: Buffer) => {
      const room = HEARD_CHARS_MAX - this.#heard.length;
      if (this.#overMs === null) this.#heard += bytes.toString("latin1", 0, Math.max(0, room));
      this.#wake();
    });
    socket.on("drain", () => this.#wake());
    socket.on("end", () => this.#over("closed"));
    socket.on("close", () => this.#over("closed"));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      // A reset may be there before the connection is told of.
      this.#over(this.#isConnected || error.code === "ECONNRESET" ? "reset" : "unreachable");
    });
  }

  #over(ending: Ending): void {
    if (this.#overMs !== null) return;
    this.#overMs = performance.now();
    this.#ending = ending;
    this.#wake();
  }

  /** Whether it comes to be, before the deadline and the end. */
  async #until(isThere: () => boolean, patienceMs = this.#options.patienceMs): Promise<boolean> {
    const endMs = performance.now() + patienceMs;
    while (!isThere()) {
      const leftMs = endMs - performance.now();
      if (leftMs <= 0 || this.#overMs !== null) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return true;
  }
}

/** Whatever a target says, on one line of a terminal. */
function shown(text: string): string {
  const whole = text.replace(/[^ -~]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return whole.length > SHOWN_CHARS_MAX ? `${whole.slice(0, SHOWN_CHARS_MAX - 1)}…` : whole;
}

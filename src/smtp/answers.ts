/**
 * The server's side of a session: which reply answers what (RFC 5321 4.2, RFC 2920 for many commands at once), and
 * postern's own replies among them, each in its turn.
 *
 * Owns the queue of what is awaited and the server's unfinished line. Bytes pass line by line, so that whatever is said in
 * between stands at a line's beginning. What a reply means for the session is the judge's to say.
 */
import { joined, Lines, nothing } from "../lines.ts";
import { ExtensionList, type Offer } from "./extensions.ts";
import { flawOf } from "./line.ts";
import { REPLY_LINE_BYTES_MAX } from "./reply.ts";

/**
 * What a reply is awaited for: a command that matters, by its meaning; any `other`; the `greeting`.
 *
 * - `mail-uncounted`, `recipient-uncounted`: MAIL and RCPT that the server is thought to refuse by their place or form.
 * - `message`: the end of a message that came by DATA.
 * - `chunk`, `last`: a BDAT, and the one that ends the message.
 * - `starttls`: the client's STARTTLS, which the server is to answer.
 * - `securing`: the RSET that went to the server in its place, where TLS ends here.
 */
export type Awaited =
  | "greeting"
  | "ehlo"
  | "helo"
  | "mail"
  | "mail-uncounted"
  | "recipient"
  | "recipient-uncounted"
  | "data"
  | "message"
  | "chunk"
  | "last"
  | "reset"
  | "auth"
  | "starttls"
  | "securing"
  | "other";

export interface Judge {
  /** Takes the meaning of a reply. What it returns stands in the reply's place. */
  reply(awaited: Awaited, code: number): Uint8Array | null;
  /** The server's replies can be followed no more. */
  astray(detail: string): void;
}

/** Stands in the queue where postern's last word will. */
const END = Symbol("end");

/** A greeting may have a page of legal notice, and HELP a manual. */
const LINES_MAX = 1000;

/** MAIL, DATA and the thousand recipients that Postfix takes (smtpd_recipient_limit), all sent at once. */
const AWAITED_MAX = 1024;

const CR = 0x0d;
const SPACE = 0x20;
const DASH = 0x2d;
const ZERO = 0x30;

/** The mark behind the code. */
const MARK_AT = 3;

export class Answers {
  readonly #judge: Judge;
  readonly #lines = new Lines(REPLY_LINE_BYTES_MAX);
  readonly #extensions: ExtensionList;
  /** In the order of the replies, our own ones and the end among them: these are never first, their turn would have come. */
  readonly #awaited: (Awaited | Uint8Array | typeof END)[] = ["greeting"];
  /** Nothing that comes has a meaning any more. */
  #over = false;
  /** Own replies that nothing stands in front of. */
  #due: Uint8Array[] = [];
  /** What passes of the chunk. */
  #passed: Uint8Array[] = [];
  #changed = false;
  /** The code of the reply that is not all there, and how many of its lines are; otherwise 0. */
  #code = 0;
  #linesSeen = 0;
  /** The server has said that it ends the session (RFC 5321 3.8, 4.1.1.10). */
  #parted = false;

  constructor(judge: Judge, offer: Offer) {
    this.#judge = judge;
    this.#extensions = new ExtensionList(offer);
  }

  /** Whether the server offers BDAT, beyond doubt: an EHLO that is not answered may end that. */
  get chunking(): boolean {
    return this.#extensions.chunking && !this.#awaited.includes("ehlo") && !this.#awaited.includes("helo");
  }

  get awaitsGreeting(): boolean {
    return this.#awaited[0] === "greeting";
  }

  /** Whether something has not been answered. */
  get owes(): boolean {
    return this.#awaited.length > 0;
  }

  /**
   * Whether the server has been given a message's end, and not yet said whether it takes it. The answer to a chunk is awaited
   * from its command on: that of the newest is not owed yet while its octets are still coming.
   */
  owesVerdict(isChunkComing: boolean): boolean {
    const given = isChunkComing ? this.#awaited.slice(0, -1) : this.#awaited;
    return given.includes("message") || given.includes("last");
  }

  /** Whether the server can take one more command: it does not owe too many answers already. */
  get hasRoom(): boolean {
    return this.#awaited.length < AWAITED_MAX;
  }

  /** Whether words of ours can be read as a reply: none is begun, and the server has not taken its leave. */
  get canSpeak(): boolean {
    return this.#code === 0 && !this.#parted && !this.#over;
  }

  /** The newest awaited thing that `filter` takes. */
  newest(filter: (awaited: Awaited) => boolean): Awaited | null {
    for (let index = this.#awaited.length - 1; index >= 0; index--) {
      const awaited = this.#awaited[index]!;
      if (typeof awaited === "string" && filter(awaited)) return awaited;
    }
    return null;
  }

  /** The server will answer this. */
  expect(awaited: Awaited): void {
    if (awaited === "ehlo" || awaited === "helo") this.#extensions.expect();
    this.#awaited.push(awaited);
  }

  /** The newest answer is not waited for: something of our own stands in its place. */
  retract(): void {
    this.#awaited.pop();
  }

  /** Says something in the server's place, once everything before it is answered. */
  say(reply: Uint8Array): void {
    if (this.#awaited.length === 0) this.#due.push(reply);
    else this.#awaited.push(reply);
  }

  /** Nothing more is answered, once everything before is. */
  end(): void {
    if (this.#awaited.length > 0) this.#awaited.push(END);
    else this.stop();
  }

  /** Whether the end's turn is still to come. */
  get isEnding(): boolean {
    return !this.#over && this.#awaited.at(-1) === END;
  }

  /** Nothing that the server says from here on is looked at. */
  stop(): void {
    this.#over = true;
  }

  /** What was said, for the client, when nothing stands in front of it. */
  due(): Uint8Array {
    if (this.#due.length === 0) return nothing;
    const replies = joined(this.#due);
    this.#due = [];
    return replies;
  }

  /** The client has begun TLS: what the server offered before is void. */
  forget(offer: Offer): void {
    this.#extensions.expect(offer);
  }

  /** What goes to the client for the server's bytes. */
  feed(chunk: Uint8Array): Uint8Array {
    if (this.#over) return nothing;
    this.#changed = this.#lines.heldBytes > 0 || this.#extensions.keeps;
    this.#lines.feed(chunk);
    while (this.#lines.unreadBytes > 0 && !this.#over) {
      const line = this.#lines.next();
      if (line !== null) this.#line(line);
      else if (this.#lines.tooLong) this.#astray("overlong reply");
    }
    this.#extensions.detach();
    if (this.#extensions.takeChanged()) this.#changed = true;
    const held = this.#lines.heldBytes > 0 || this.#extensions.keeps;
    const unchanged = !this.#changed && !held && !this.#over;
    const passed = unchanged ? chunk : joined(this.#passed);
    this.#passed = [];
    return passed;
  }

  #astray(detail: string): void {
    this.#judge.astray(detail);
  }

  #line(line: Uint8Array): void {
    const code = codeOf(line);
    if (code === 0) return this.#astray("malformed reply");
    if (this.#code !== 0 && code !== this.#code && !this.#breakOff(code)) return this.#astray("mixed reply");
    const awaited = this.#awaited[0];
    // A server may say at any time that it ends the session (RFC 5321 3.8).
    if (code === 421) this.#parted = true;
    else if (awaited === undefined) return this.#astray("reply to nothing");
    const isLast = line[MARK_AT] !== DASH;
    if (awaited === "ehlo" && code === 250)
      this.#passed.push(...this.#extensions.take(line, this.#linesSeen === 0));
    else if (!isLast && awaited !== "securing") this.#passed.push(line);
    if (isLast) return this.#settle(line, code);
    this.#code = code;
    this.#linesSeen++;
    if (this.#linesSeen === LINES_MAX) this.#astray("endless reply");
  }

  /**
   * Whether a reply may end before its last line. postscreen's greeting does for a client that talks too early: what
   * follows is the reply to what the client said.
   */
  #breakOff(code: number): boolean {
    if (this.awaitsGreeting) {
      if (this.#awaited.length > 1) this.#next();
    } else if (code !== 421) return false;
    this.#passed.push(...this.#extensions.end("broken off"));
    this.#code = 0;
    this.#linesSeen = 0;
    return true;
  }

  /** The reply's last line. */
  #settle(line: Uint8Array, code: number): void {
    const awaited = this.#awaited[0];
    const replaced = typeof awaited === "string" ? this.#judge.reply(awaited, code) : null;
    this.#code = 0;
    this.#linesSeen = 0;
    if (code === 221) this.#parted = true;
    if (replaced !== null) {
      this.#passed.push(replaced);
      this.#changed = true;
    } else if (!this.#over) {
      if (awaited === "ehlo" && code === 250) this.#passed.push(...this.#extensions.end("whole"));
      else this.#passed.push(line);
    }
    if (!this.#over) this.#next();
  }

  /** Whether the server has said more than it was asked for, in the same breath. */
  get hasMore(): boolean {
    return this.#lines.unreadBytes > 0;
  }

  /** What was first is answered; what is our own behind it is due. */
  #next(): void {
    this.#awaited.shift();
    for (let own = this.#awaited[0]; own !== undefined && typeof own !== "string"; own = this.#awaited[0]) {
      this.#awaited.shift();
      if (own === END) return this.stop();
      this.#passed.push(own);
      this.#changed = true;
    }
  }
}

/** 0 when the line is no reply's: three digits from 200 to 599, and a mark or the end behind them. */
function codeOf(line: Uint8Array): number {
  const mark = line[MARK_AT];
  if ((mark !== DASH && mark !== SPACE && mark !== CR) || flawOf(line) !== null) return 0;
  let code = 0;
  for (let index = 0; index < MARK_AT; index++) {
    const digit = line[index]! - ZERO;
    if (digit < 0 || digit > 9) return 0;
    code = code * 10 + digit;
  }
  return code >= 200 && code <= 599 ? code : 0;
}

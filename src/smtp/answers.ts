/**
 * The server's side of a session: which reply answers what (RFC 5321 4.2, RFC 2920 for many commands at once), and
 * postern's own replies among them, each in its turn.
 *
 * Owns the queue of what is awaited, the server's unfinished line, and the list of extensions as the client may see it:
 * without XCLIENT and XFORWARD, which are between the servers (RFC 5321 4.1.1.1 for the list's form). Bytes pass line by line,
 * so that whatever is said in between stands at a line's beginning. What a reply means for the session is the judge's to
 * say.
 */
import { Lines, nothing } from "../lines.ts";
import { afterWord, hasWord, isStrict } from "./line.ts";
import { REPLY_LINE_BYTES_MAX } from "./reply.ts";

/**
 * What a reply is awaited for: a command that matters, by its meaning; any `other`; the `greeting`.
 *
 * - `mail-uncounted`, `recipient-uncounted`: MAIL and RCPT that the server is thought to refuse by their place or form.
 * - `message`: the end of a message that came by DATA.
 * - `chunk`, `last`: a BDAT, and the one that ends the message.
 */
export type Awaited =
  | "greeting"
  | "hello"
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
  | "other";

/** Takes the meaning of a reply. What it returns is the session's last word, and stands in the reply's place. */
export type Judge = (awaited: Awaited, code: number) => Uint8Array | null;

/** A greeting may have a page of legal notice, and HELP a manual. */
const LINES_MAX = 1000;

/** MAIL, DATA and the thousand recipients that Postfix takes (smtpd_recipient_limit), all sent at once. */
const AWAITED_MAX = 1024;

const CR = 0x0d;
const SPACE = 0x20;
const DASH = 0x2d;
const ZERO = 0x30;
const EQUALS = 0x3d;

/** The code and the mark behind it. */
const MARK_AT = 3;
const TEXT_AT = 4;

export class Answers {
  readonly #judge: Judge;
  readonly #lines = new Lines(REPLY_LINE_BYTES_MAX);
  /** In the order of the replies; a text is a reply of our own. It is never the first, whose turn would have come. */
  readonly #awaited: (Awaited | Uint8Array)[] = ["greeting"];
  #violation: string | null = null;
  /** Own replies that nothing stands in front of. */
  #due: Uint8Array[] = [];
  /** What passes of the chunk. */
  #passed: Uint8Array[] = [];
  #changed = false;
  /** The code of the reply that is not all there, and how many of its lines are; otherwise 0. */
  #code = 0;
  #linesSeen = 0;
  /** The line of an EHLO reply that is the last to be shown so far: whether more follow is not known. */
  #kept: Uint8Array | null = null;
  #chunking = false;

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  get violation(): string | null {
    return this.#violation;
  }

  /** Whether the server offers BDAT, beyond doubt: an EHLO that is not answered may end that. */
  get chunking(): boolean {
    return this.#chunking && !this.#awaited.includes("hello");
  }

  /** The newest awaited thing that `filter` takes. */
  newest(filter: (awaited: Awaited) => boolean): Awaited | null {
    for (let index = this.#awaited.length - 1; index >= 0; index--) {
      const awaited = this.#awaited[index]!;
      if (typeof awaited === "string" && filter(awaited)) return awaited;
    }
    return null;
  }

  /** The server will answer this. False when it owes too many answers already. */
  expect(awaited: Awaited): boolean {
    if (awaited === "hello") this.#chunking = false;
    return this.#push(awaited);
  }

  /** Says something in the server's place, once everything before it is answered. */
  say(reply: Uint8Array): void {
    if (this.#awaited.length === 0) this.#due.push(reply);
    else this.#push(reply);
  }

  /** What was said, for the client, when nothing stands in front of it. */
  due(): Uint8Array {
    if (this.#due.length === 0) return nothing;
    const replies = Buffer.concat(this.#due);
    this.#due = [];
    return replies;
  }

  /** What goes to the client for the server's bytes. */
  feed(chunk: Uint8Array): Uint8Array {
    if (this.#violation !== null) return nothing;
    this.#changed = this.#lines.heldBytes > 0 || this.#kept !== null;
    this.#lines.feed(chunk);
    while (this.#lines.unreadBytes > 0 && this.#violation === null) {
      const line = this.#lines.next();
      if (line !== null) this.#line(line);
      else if (this.#lines.tooLong) this.fail("overlong reply");
    }
    // The chunk's memory is the caller's.
    if (this.#kept !== null) this.#kept = Uint8Array.from(this.#kept);
    const held = this.#lines.heldBytes > 0 || this.#kept !== null;
    const unchanged = !this.#changed && !held && this.#violation === null;
    const passed = unchanged ? chunk : Buffer.concat(this.#passed);
    this.#passed = [];
    return passed;
  }

  /** Null, for the callers that have nothing else to give. */
  fail(violation: string): null {
    this.#violation ??= violation;
    return null;
  }

  #push(awaited: Awaited | Uint8Array): boolean {
    if (this.#awaited.length === AWAITED_MAX) this.fail("too many commands at once");
    else this.#awaited.push(awaited);
    return this.#violation === null;
  }

  #line(line: Uint8Array): void {
    const code = codeOf(line);
    if (code === 0) return void this.fail("malformed reply");
    if (this.#code !== 0 && code !== this.#code && !this.#breakOff(code))
      return void this.fail("mixed reply");
    const awaited = this.#awaited[0];
    // A server may say at any time that it ends the session (RFC 5321 3.8).
    if (awaited === undefined && code !== 421) return void this.fail("reply to nothing");
    if (awaited === "hello" && code === 250) this.#extension(line);
    else if (line[MARK_AT] === DASH) this.#passed.push(line);
    if (line[MARK_AT] !== DASH) return this.#settle(line, code);
    this.#code = code;
    this.#linesSeen++;
    if (this.#linesSeen === LINES_MAX) this.fail("endless reply");
  }

  /**
   * Whether a reply may end before its last line. postscreen's greeting does for a client that talks too early: what
   * follows is the reply to what the client said.
   */
  #breakOff(code: number): boolean {
    if (this.#awaited[0] === "greeting") {
      if (this.#awaited.length > 1) this.#next();
    } else if (code !== 421) return false;
    if (this.#kept !== null) this.#passed.push(this.#kept);
    this.#kept = null;
    this.#code = 0;
    this.#linesSeen = 0;
    return true;
  }

  /** The reply's last line. */
  #settle(line: Uint8Array, code: number): void {
    this.#code = 0;
    this.#linesSeen = 0;
    const awaited = this.#awaited[0];
    const lastWord = typeof awaited === "string" ? this.#judge(awaited, code) : null;
    if (this.#violation !== null) return;
    if (lastWord !== null) {
      this.#passed.push(lastWord);
      this.#lines.rest();
      this.#changed = true;
      return;
    }
    if (awaited === "hello" && code === 250) this.#release();
    else this.#passed.push(line);
    this.#next();
    if (awaited === "starttls" && code === 220 && this.#lines.unreadBytes > 0) {
      this.fail("bytes behind the reply to STARTTLS");
    }
  }

  /** What was first is answered; our own replies behind it are due. */
  #next(): void {
    this.#awaited.shift();
    for (let own = this.#awaited[0]; own instanceof Uint8Array; own = this.#awaited[0]) {
      this.#passed.push(own);
      this.#awaited.shift();
      this.#changed = true;
    }
  }

  /** A line of an EHLO reply, of which the first only names the server. */
  #extension(line: Uint8Array): void {
    if (this.#linesSeen > 0) {
      if (isKeyword(line, "XCLIENT") || isKeyword(line, "XFORWARD")) {
        this.#changed = true;
        return;
      }
      if (isKeyword(line, "CHUNKING")) this.#chunking = true;
    }
    if (this.#kept !== null) this.#passed.push(this.#kept);
    this.#kept = line;
  }

  /** The EHLO reply is all there: the last line shown is to look like one. */
  #release(): void {
    let last = this.#kept;
    this.#kept = null;
    if (last === null) return;
    if (last[MARK_AT] === DASH) {
      last = Uint8Array.from(last);
      last[MARK_AT] = SPACE;
    }
    this.#passed.push(last);
  }
}

/** 0 when the line is no reply's: three digits from 200 to 599, and a mark or the end behind them. */
function codeOf(line: Uint8Array): number {
  const mark = line[MARK_AT];
  if ((mark !== DASH && mark !== SPACE && mark !== CR) || !isStrict(line)) return 0;
  let code = 0;
  for (let index = 0; index < MARK_AT; index++) {
    const digit = line[index]! - ZERO;
    if (digit < 0 || digit > 9) return 0;
    code = code * 10 + digit;
  }
  return code >= 200 && code <= 599 ? code : 0;
}

/** The two forms that servers use: `KEYWORD parameters` and `KEYWORD=parameters`. */
function isKeyword(line: Uint8Array, keyword: string): boolean {
  const end = TEXT_AT + keyword.length;
  return hasWord(line, TEXT_AT, keyword) && (afterWord(line, end) === end || line[end] === EQUALS);
}

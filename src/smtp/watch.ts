/**
 * Follows an SMTP session in both directions: asks whether the client may go on as it does, refuses what it may not, tells
 * what became of its messages and logins, and keeps XCLIENT and XFORWARD between the servers.
 *
 * The danger is a byte that we take for data and the server for a command, or the other way round. So commands end in
 * CRLF, messages in CRLF.CRLF, and a CR or LF that stands alone never passes. Where the server's answer decides what the
 * client's next bytes are (behind DATA, AUTH, STARTTLS; RFC 2920 3.1), they are kept back until it is there.
 *
 * - `command`: the client's next line is a command.
 * - `answer`: what the client's next bytes are depends on the server's answer.
 * - `response`: the client's next line belongs to the AUTH before (RFC 4954 4).
 * - `content`: a message's content passes, and is no command.
 * - `securing`: the client begins TLS with us, and says nothing before it has.
 * - `opaque`: TLS with the server: nothing more is followed.
 * - `ending`: postern's last word is said, or waits for its turn; the client is heard no more.
 *
 * Limits are counted where Postfix's smtpd counts them: AUTH always, MAIL and RCPT as `Envelope` has it. Where it was wrong
 * and the server takes the command, it is counted then; should it be one too many, the session ends.
 */
import type { Address } from "../address.ts";
import type { Conclusion, LimitedEvent, Stage, Watch, Witness } from "../dialogue.ts";
import { bytesOf, joined, Lines, nothing } from "../lines.ts";
import { NO_TEXT, type SpokenReason } from "../outcome.ts";
import { Answers, type Awaited, type Judge } from "./answers.ts";
import { chunkOf, verbOf } from "./commands.ts";
import { Content } from "./content.ts";
import { Envelope } from "./envelope.ts";
import { flawOf, isForeign } from "./line.ts";
import { Logins } from "./login.ts";
import type { SmtpDialogueOptions } from "./options.ts";
import { bareNewline, messageRefused, refusals, replies, unavailable } from "./refuse.ts";
import { Securing } from "./securing.ts";

type State = "command" | "answer" | "response" | "content" | "securing" | "opaque" | "ending";

/** RFC 4954 4. */
const AUTH_LINE_BYTES_MAX = 12288;

/** RFC 5321 4.5.3.1.4 says 512, extensions add to it; Postfix reads no more than this (line_length_limit). */
const COMMAND_BYTES_MAX = 2048;

/**
 * As many errors as Postfix bears (smtpd_hard_error_limit), the server's among them; a message that is taken forgives all.
 */
const ERRORS_MAX = 20;

/** The only replies that ask the client to go on. */
const goAheads: Readonly<Partial<Record<Awaited, number>>> = { data: 354, auth: 334 };

const reset = bytesOf("RSET\r\n");

export class SmtpWatch implements Watch, Judge {
  conclusion: Conclusion | null = null;
  readonly #options: SmtpDialogueOptions;
  readonly #client: Address;
  readonly #witness: Witness;
  readonly #lines = new Lines(AUTH_LINE_BYTES_MAX);
  readonly #securing: Securing;
  readonly #answers: Answers;
  readonly #envelope: Envelope;
  readonly #content = new Content();
  readonly #logins = new Logins();
  #state: State = "command";
  #severed = false;
  #changed = false;
  #isFresh = true;
  /** What the client said ahead of the server's answer. */
  #ahead: Uint8Array = nothing;
  #errors = 0;

  constructor(options: SmtpDialogueOptions, client: Address, witness: Witness) {
    this.#options = options;
    this.#client = client;
    this.#witness = witness;
    this.#securing = new Securing(options);
    this.#answers = new Answers(this, this.#securing.offer);
    this.#envelope = new Envelope(this.#answers);
  }

  get stage(): Stage {
    switch (this.#state) {
      case "answer":
        return this.#ahead.length > 0 ? "waiting" : "following";
      case "content":
        return this.#severed ? "severed" : "following";
      case "ending":
        return this.#answers.isEnding ? "ending" : "following";
      case "securing":
      case "opaque":
        return this.#state;
      case "command":
      case "response":
        return "following";
      default:
        return this.#state satisfies never;
    }
  }

  get isCommitted(): boolean {
    return this.#answers.owesVerdict(this.#state === "content");
  }

  client(chunk: Uint8Array): Uint8Array {
    if (this.#isFresh && chunk.length > 0) this.#meet(chunk);
    this.#changed = this.#isHolding;
    this.#lines.feed(this.#ahead.length === 0 ? chunk : Buffer.concat([this.#ahead, chunk]));
    this.#ahead = nothing;
    const passed: Uint8Array[] = [];
    while (this.#lines.unreadBytes > 0 && this.#state !== "answer") {
      const bytes = this.#next();
      if (bytes !== null) passed.push(bytes);
      else this.#changed = true;
    }
    if (this.#lines.unreadBytes > 0) this.#keepAhead();
    return this.#changed || this.#isHolding ? joined(passed) : chunk;
  }

  server(chunk: Uint8Array): Uint8Array {
    if (this.#severed) return nothing;
    return this.#state === "opaque" ? chunk : this.#answers.feed(chunk);
  }

  due(): Uint8Array {
    return this.#answers.due();
  }

  secured(): void {
    this.#state = "command";
    this.#securing.done();
    this.#envelope.forget();
    this.#answers.forget(this.#securing.offer);
  }

  lost(): Uint8Array {
    return this.#state === "command" && !this.#answers.owes ? nothing : this.leave();
  }

  leave(): Uint8Array {
    return this.#answers.canSpeak ? unavailable(this.#options.hostname) : nothing;
  }

  get #isHolding(): boolean {
    return this.#content.keepsCr || this.#lines.heldBytes > 0 || this.#ahead.length > 0;
  }

  /** The client's first bytes: are they SMTP, and is it its turn? */
  #meet(chunk: Uint8Array): void {
    this.#isFresh = false;
    if (this.#options.earlyTalk === "refuse" && this.#answers.awaitsGreeting) this.#finish("early-talk");
    else if (isForeign(chunk)) this.#finish("not-smtp", { detail: NO_TEXT });
  }

  /** Behind STARTTLS they would be carried into the session that TLS is to protect (CVE-2011-0411). */
  #keepAhead(): void {
    const awaited = this.#answers.newest(() => true);
    this.#changed = true;
    if (awaited === "starttls" || awaited === "securing") {
      this.#answers.retract();
      this.#finish("command-injection");
    } else this.#ahead = Uint8Array.from(this.#lines.rest());
  }

  /** What passes of the next line, or of the content at hand; null when it is held, or refused. */
  #next(): Uint8Array | null {
    switch (this.#state) {
      case "command":
      case "response":
        return this.#line();
      case "content":
        return this.#pour();
      case "securing":
        return this.#finish("command-injection");
      case "opaque":
      case "answer":
        return this.#lines.rest();
      case "ending":
        this.#lines.rest();
        return null;
      default:
        return this.#state satisfies never;
    }
  }

  #line(): Uint8Array | null {
    const line = this.#lines.next();
    if (line === null) return this.#lines.tooLong ? this.#finish("line-too-long") : null;
    const flaw = flawOf(line);
    if (flaw === "NUL") return this.#finish("nul-byte");
    if (flaw !== null)
      return this.#finish("bare-newline", { words: bareNewline(this.#options.hostname, flaw) });
    if (this.#state === "command") return this.#command(line);
    this.#logins.respond(line);
    this.#state = "answer";
    return this.#pass(line, "auth");
  }

  #command(line: Uint8Array): Uint8Array | null {
    const verb = verbOf(line);
    if (line.length > COMMAND_BYTES_MAX && verb !== "AUTH") return this.#finish("line-too-long");
    if (!this.#answers.hasRoom) return this.#finish("too-many-commands");
    switch (verb) {
      case "EHLO":
      case "HELO":
        return this.#pass(line, verb === "EHLO" ? "ehlo" : "helo");
      case "MAIL":
        if (!this.#envelope.countsMail(line)) return this.#pass(line, "mail-uncounted");
        return this.#witness.allows("message-rate") ? this.#pass(line, "mail") : this.#limit("message-rate");
      case "RCPT":
        if (!this.#envelope.countsRecipient(line)) return this.#pass(line, "recipient-uncounted");
        if (!this.#witness.allows("recipient-rate")) return this.#limit("recipient-rate");
        return this.#pass(line, "recipient");
      case "DATA":
        this.#state = "answer";
        return this.#pass(line, "data");
      case "BDAT":
        return this.#chunk(line);
      case "AUTH":
        return this.#auth(line);
      case "STARTTLS":
        return this.#startTls(line);
      case "RSET":
        return this.#pass(line, "reset");
      case "XCLIENT":
      case "XFORWARD":
        return this.#refuse(replies.notImplemented);
      case "CONNECT":
      case "GET":
      case "POST":
        return this.#finish("not-smtp");
      case null:
        return this.#pass(line, "other");
      default:
        return verb satisfies never;
    }
  }

  /** A server that offers no BDAT would take the octets for commands, and somebody else may have written them. */
  #chunk(line: Uint8Array): Uint8Array | null {
    const chunk = chunkOf(line);
    if (chunk === null) return this.#finish("protocol-violation", { detail: "malformed BDAT" });
    const passes = this.#answers.chunking;
    this.#content.beginChunk(chunk.octets, passes);
    if (!this.#content.isWhole) this.#state = "content";
    if (!passes) return this.#refuse(replies.notImplemented);
    return this.#pass(line, chunk.last ? "last" : "chunk");
  }

  #auth(line: Uint8Array): Uint8Array | null {
    if (!this.#witness.allows("auth-rate")) return this.#limit("auth-rate");
    if (this.#securing.loginHasToWait) return this.#refuse(replies.loginNeedsTls);
    if (!this.#witness.mayLogIn()) return this.#finish("auth-failure-rate");
    if (!this.#logins.begin(line)) return this.#pass(line, "other");
    this.#state = "answer";
    return this.#pass(line, "auth");
  }

  /** Where TLS ends here, the server is told to forget what it knows, and its answer is the client's go-ahead. */
  #startTls(line: Uint8Array): Uint8Array | null {
    if (!this.#securing.isServers) {
      const asked = { line, client: this.#client, isLoggedIn: this.#logins.succeeded };
      const refusal = this.#securing.refusal(asked, this.#witness);
      if (refusal !== null) return this.#refuse(refusal);
    }
    this.#state = "answer";
    if (this.#securing.isServers) return this.#pass(line, "starttls");
    this.#changed = true;
    return this.#pass(reset, "securing");
  }

  #pour(): Uint8Array | null {
    const passed = this.#content.take(this.#lines);
    const { bare, isWhole } = this.#content;
    if (bare !== null && !this.#severed) this.#sever(bare);
    if (this.#severed) {
      if (isWhole || this.#options.bareNewline === "close") this.#end();
      return null;
    }
    if (isWhole) this.#state = "command";
    if (isWhole && this.#content.isData) this.#answers.expect("message");
    return passed;
  }

  /** The server has not seen what stands alone, and will not see the message's end: nobody is there to go on with. */
  #sever(bare: "CR" | "LF"): void {
    this.#severed = true;
    this.#witness.message(false, this.#envelope.takeRecipients());
    const words = messageRefused(this.#options.hostname, bare);
    this.conclusion = { outcome: "refused", reason: "bare-newline", detail: null, words };
  }

  #pass(line: Uint8Array, awaited: Awaited): Uint8Array {
    this.#answers.expect(awaited);
    return line;
  }

  /** A command that gets no further; the session goes on, unless there were too many of them. */
  #refuse(reply: Uint8Array, reason: LimitedEvent | "too-many-errors" = "too-many-errors"): null {
    this.#answers.say(reply);
    this.#errors++;
    return this.#errors < ERRORS_MAX ? null : this.#finish("too-many-errors", { reason });
  }

  /** A client that keeps on over its limit has made no error: the end is the same, its reason is the limit. */
  #limit(event: LimitedEvent): null {
    return this.#refuse(replies.tooMany(event, this.#client), event);
  }

  /** The client's last chance is over: it is heard no more, and told so when its turn comes. */
  #finish(reason: SpokenReason, own: Partial<Conclusion> = {}): null {
    this.#end();
    const words = refusals(this.#options)(reason, this.#client);
    this.conclusion = { outcome: "refused", reason, detail: null, words, ...own };
    this.#answers.end();
    return null;
  }

  /** Whatever else the client says is not looked at. */
  #end(): void {
    this.#state = "ending";
    this.#lines.rest();
    this.#ahead = nothing;
  }

  /** The server's fault: the client is told to come back, at once, unless it would take that for the rest of a reply. */
  astray(detail: string, reason: "protocol-violation" | "response-injection" = "protocol-violation"): null {
    return this.#stop({ outcome: "failed", reason, detail, words: this.leave() });
  }

  #stop(conclusion: Conclusion): null {
    this.conclusion = conclusion;
    this.#end();
    this.#answers.stop();
    return null;
  }

  /** Counts what the server has taken although it was not counted before. */
  #countLate(event: "message-rate" | "recipient-rate"): Uint8Array | null {
    if (this.#witness.allows(event)) return null;
    const words = unavailable(this.#options.hostname);
    this.#stop({ outcome: "refused", reason: event, detail: null, words });
    return replies.tooMany(event, this.#client);
  }

  reply(awaited: Awaited, code: number): Uint8Array | null {
    const good = code < 300;
    if (!good && code < 400 && code !== goAheads[awaited]) return this.astray("reply out of step");
    if (code >= 400) this.#errors++;
    this.#envelope.replied(awaited, good);
    switch (awaited) {
      case "mail-uncounted":
        return good ? this.#countLate("message-rate") : null;
      case "recipient-uncounted":
        return good ? this.#countLate("recipient-rate") : null;
      case "data":
        return this.#dataReply(code);
      case "message":
      case "last":
        this.#witness.message(good, this.#envelope.takeRecipients());
        if (good) this.#errors = 0;
        return null;
      case "auth":
        this.#state = code === 334 ? "response" : "command";
        if (code !== 334) this.#logins.settle(code, this.#witness);
        return null;
      case "starttls":
      case "securing":
        return this.#startTlsReply(awaited, code);
      case "greeting":
      case "ehlo":
      case "helo":
      case "mail":
      case "recipient":
      case "chunk":
      case "reset":
      case "other":
        return null;
      default:
        return awaited satisfies never;
    }
  }

  #startTlsReply(awaited: "starttls" | "securing", code: number): Uint8Array | null {
    const good = code < 300;
    if (good && awaited === "starttls" && code !== 220) return this.astray("reply out of step");
    // What the server says ahead of TLS would be read as if it had come inside (CVE-2011-0411 and its like).
    if (good && this.#answers.hasMore) return this.astray("bytes behind the go-ahead", "response-injection");
    if (!good) this.#state = "command";
    else this.#state = awaited === "starttls" ? "opaque" : "securing";
    return good && awaited === "securing" ? replies.beginTls : null;
  }

  #dataReply(code: number): null {
    if (code < 300) return this.astray("reply out of step");
    this.#state = code === 354 ? "content" : "command";
    if (code === 354) this.#content.beginData();
    // Without recipients there was no message to refuse: they have had their own refusals.
    else if (this.#envelope.recipients > 0) this.#witness.message(false, this.#envelope.recipients);
    return null;
  }
}

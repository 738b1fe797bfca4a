/**
 * Follows an SMTP session in both directions until it is encrypted: asks whether the client may go on as it does, refuses
 * what it may not, tells what became of its messages and logins, and keeps XCLIENT and XFORWARD between the servers.
 *
 * The danger is a byte that we take for data and the server for a command, or the other way round. So commands end in
 * CRLF, messages in CRLF.CRLF, and a CR or LF that stands alone never passes. Where the server's answer decides what the
 * client's next bytes are (behind DATA, AUTH, STARTTLS), the client has to wait for it (RFC 2920 3.1).
 *
 * - `command`: the client's next line is a command.
 * - `answer`: the server's turn; the client says nothing until it has spoken.
 * - `response`: the client's next line belongs to the AUTH before (RFC 4954 4).
 * - `data`: a message, up to its end (RFC 5321 4.1.1.4).
 * - `chunk`: counted octets of one (RFC 3030).
 * - `opaque`: TLS: nothing more is followed.
 *
 * Limits are counted where Postfix's smtpd counts them: AUTH always, MAIL and RCPT where their place and form are right.
 * Whether the place is right is judged as if all that is not answered yet went well; and EHLO or HELO has to come first,
 * as servers may demand. Where that judgement was wrong and the server takes the command, it is counted then; should it
 * be one too many, the session ends, so that there is no way around a limit.
 */
import type { Address } from "../address.ts";
import type { LimitedEvent, Watch, Witness } from "../dialogue.ts";
import { bytesOf, Lines, nothing } from "../lines.ts";
import { Answers, type Awaited } from "./answers.ts";
import { chunkOf, hasPath, verbOf } from "./commands.ts";
import { MessageEnd } from "./data.ts";
import { isStrict } from "./line.ts";
import { Login } from "./login.ts";
import { unavailable } from "./refuse.ts";

type State = "command" | "answer" | "response" | "data" | "chunk" | "opaque";

/** The mail transaction: none, begun by MAIL, or so far that its content comes by BDAT and no more recipients do. */
type Transaction = "none" | "begun" | "chunked";

/** RFC 4954 4. */
const AUTH_LINE_BYTES_MAX = 12288;

/** RFC 5321 4.5.3.1.4 says 512, extensions add to it; Postfix reads no more than this (line_length_limit). */
const COMMAND_BYTES_MAX = 2048;

/** What a good reply makes of the transaction. */
const transactionAfter: Readonly<Partial<Record<Awaited, Transaction>>> = {
  mail: "begun",
  "mail-uncounted": "begun",
  chunk: "chunked",
  message: "none",
  last: "none",
  hello: "none",
  reset: "none",
};

/** Any reply does that to the transaction, because the content is used up. */
const spending: ReadonlySet<Awaited> = new Set<Awaited>(["chunk", "message", "last"]);

/** The only replies that ask the client to go on. */
const goAheads: Readonly<Partial<Record<Awaited, number>>> = { data: 354, auth: 334 };

/** Postfix's own words. */
const complaints: Readonly<Record<LimitedEvent, string>> = {
  "message-rate": "too much mail",
  "recipient-rate": "too many recipients",
  "auth-rate": "too many AUTH commands",
};

const decides = (awaited: Awaited): boolean => transactionAfter[awaited] !== undefined;
const isHello = (awaited: Awaited): boolean => awaited === "hello";

const cr = bytesOf("\r");
const notImplemented = bytesOf("502 5.5.1 Error: command not implemented\r\n");

export interface SmtpWatchOptions {
  readonly hostname: string;
  readonly client: Address;
  readonly witness: Witness;
}

export class SmtpWatch implements Watch {
  readonly #hostname: string;
  readonly #client: Address;
  readonly #witness: Witness;
  readonly #lines = new Lines(AUTH_LINE_BYTES_MAX);
  readonly #answers = new Answers((awaited, code) => this.#judge(awaited, code));
  #state: State = "command";
  #severed = false;
  #closing = false;
  #changed = false;
  /** The server has taken an EHLO or HELO. */
  #introduced = false;
  #transaction: Transaction = "none";
  /** Of the transaction, as far as the server has taken them. */
  #recipients = 0;
  #end = new MessageEnd();
  #octets = 0;
  #login: Login | null = null;

  constructor({ hostname, client, witness }: SmtpWatchOptions) {
    this.#hostname = hostname;
    this.#client = client;
    this.#witness = witness;
  }

  get opaque(): boolean {
    return this.#state === "opaque";
  }

  get violation(): string | null {
    return this.#answers.violation;
  }

  get severed(): boolean {
    return this.#severed;
  }

  get closing(): boolean {
    return this.#closing;
  }

  client(chunk: Uint8Array): Uint8Array {
    if (this.violation !== null) return nothing;
    this.#changed = this.#holding;
    this.#lines.feed(chunk);
    const passed: Uint8Array[] = [];
    while (this.#lines.unreadBytes > 0 && this.violation === null) {
      const bytes = this.#next();
      if (bytes !== null) passed.push(bytes);
      else this.#changed = true;
    }
    if (this.#severed) return nothing;
    const unchanged = !this.#changed && !this.#holding && this.violation === null;
    return unchanged ? chunk : Buffer.concat(passed);
  }

  server(chunk: Uint8Array): Uint8Array {
    if (this.#severed) return nothing;
    return this.opaque ? chunk : this.#answers.feed(chunk);
  }

  due(): Uint8Array {
    return this.#answers.due();
  }

  get #holding(): boolean {
    return this.#lines.heldBytes > 0 || (this.#state === "data" && this.#end.pending);
  }

  /** What passes of the next line, or of the data at hand; null when it is held, or refused. */
  #next(): Uint8Array | null {
    // Nobody listens any more.
    if (this.#closing) return this.#lines.rest();
    switch (this.#state) {
      case "command":
      case "response":
        return this.#line();
      case "answer":
        return this.#answers.fail("bytes ahead of the server's answer");
      case "data":
        return this.#data();
      case "chunk":
        return this.#octetsAtHand();
      case "opaque":
        return this.#lines.rest();
      default:
        return this.#state satisfies never;
    }
  }

  #line(): Uint8Array | null {
    const line = this.#lines.next();
    if (line === null) return this.#lines.tooLong ? this.#answers.fail("overlong line") : null;
    if (!isStrict(line)) return this.#answers.fail("NUL, bare CR or bare LF");
    if (this.#state === "command") return this.#command(line);
    this.#login?.respond(line);
    this.#state = "answer";
    return this.#pass(line, "auth");
  }

  #command(line: Uint8Array): Uint8Array | null {
    const verb = verbOf(line);
    if (line.length > COMMAND_BYTES_MAX && verb !== "AUTH") return this.#answers.fail("overlong line");
    switch (verb) {
      case "EHLO":
      case "HELO":
        return this.#pass(line, "hello");
      case "MAIL":
        return this.#mail(line);
      case "RCPT":
        return this.#recipient(line);
      case "DATA":
        this.#state = "answer";
        return this.#pass(line, "data");
      case "BDAT":
        return this.#chunk(line);
      case "AUTH":
        return this.#auth(line);
      case "STARTTLS":
        this.#state = "answer";
        return this.#pass(line, "starttls");
      case "RSET":
        return this.#pass(line, "reset");
      case "XCLIENT":
      case "XFORWARD":
        return this.#say(notImplemented);
      case null:
        return this.#pass(line, "other");
      default:
        return verb satisfies never;
    }
  }

  #mail(line: Uint8Array): Uint8Array | null {
    const introduced = this.#introduced || this.#answers.newest(isHello) !== null;
    const counts = introduced && this.#expectedTransaction === "none" && hasPath(line, "FROM:");
    if (!counts) return this.#pass(line, "mail-uncounted");
    return this.#witness.allows("message-rate") ? this.#pass(line, "mail") : this.#refuse("message-rate");
  }

  #recipient(line: Uint8Array): Uint8Array | null {
    const counts = this.#expectedTransaction === "begun" && hasPath(line, "TO:");
    if (!counts) return this.#pass(line, "recipient-uncounted");
    if (!this.#witness.allows("recipient-rate")) return this.#refuse("recipient-rate");
    return this.#pass(line, "recipient");
  }

  /** What the transaction will be once all that is awaited has gone well. */
  get #expectedTransaction(): Transaction {
    const awaited = this.#answers.newest(decides);
    return (awaited === null ? undefined : transactionAfter[awaited]) ?? this.#transaction;
  }

  /** A server that offers no BDAT would take the octets for commands. */
  #chunk(line: Uint8Array): Uint8Array | null {
    if (!this.#answers.chunking) return this.#say(notImplemented);
    const chunk = chunkOf(line);
    if (chunk === null) return this.#answers.fail("malformed BDAT");
    this.#octets = chunk.octets;
    if (chunk.octets > 0) this.#state = "chunk";
    return this.#pass(line, chunk.last ? "last" : "chunk");
  }

  #auth(line: Uint8Array): Uint8Array | null {
    if (!this.#witness.allows("auth-rate")) return this.#refuse("auth-rate");
    this.#login = Login.begin(line);
    if (this.#login === null) return this.#pass(line, "other");
    this.#state = "answer";
    return this.#pass(line, "auth");
  }

  #octetsAtHand(): Uint8Array {
    const octets = this.#lines.take(this.#octets);
    this.#octets -= octets.length;
    if (this.#octets === 0) this.#state = "command";
    return octets;
  }

  #data(): Uint8Array | null {
    const heldCr = this.#end.pending;
    const chunk = this.#lines.rest();
    const length = this.#end.feed(chunk);
    if (this.#end.bare !== null && !this.#severed) this.#sever();
    let passed = this.#end.pending ? chunk.subarray(0, -1) : chunk;
    if (length !== null) {
      passed = chunk.subarray(0, length);
      this.#lines.feed(chunk.subarray(length));
      this.#finish();
    }
    return heldCr ? Buffer.concat([cr, passed]) : passed;
  }

  /** The server has not seen what stands alone, and will not see the message's end. */
  #sever(): void {
    this.#severed = true;
    this.#witness.message(false, this.#recipients);
  }

  /** The message's end is there. */
  #finish(): void {
    this.#state = "command";
    if (this.#end.bare === null) this.#answers.expect("message");
    else this.#say(this.#close(`550 5.5.2 ${this.#hostname} Error: bare <${this.#end.bare}> received`));
  }

  /** The session's last word: after this reply, the client is sent away, because nobody is there any more to talk to. */
  #close(reply: string): Uint8Array {
    this.#severed = true;
    this.#closing = true;
    return Buffer.concat([bytesOf(`${reply}\r\n`), unavailable(this.#hostname)]);
  }

  #pass(line: Uint8Array, awaited: Awaited): Uint8Array | null {
    return this.#answers.expect(awaited) ? line : null;
  }

  #say(reply: Uint8Array): null {
    this.#answers.say(reply);
    return null;
  }

  #refuse(event: LimitedEvent): null {
    return this.#say(bytesOf(`${this.#complaint(event)}\r\n`));
  }

  #complaint(event: LimitedEvent): string {
    return `450 4.7.1 Error: ${complaints[event]} from ${this.#client.text}`;
  }

  /** Counts what the server has taken although it was not counted before. */
  #countLate(event: LimitedEvent): Uint8Array | null {
    return this.#witness.allows(event) ? null : this.#close(this.#complaint(event));
  }

  /** What a reply means for the session. */
  #judge(awaited: Awaited, code: number): Uint8Array | null {
    const good = code < 300;
    if (!good && code < 400 && code !== goAheads[awaited]) return this.#answers.fail("reply out of step");
    if (good || spending.has(awaited)) this.#transaction = transactionAfter[awaited] ?? this.#transaction;
    switch (awaited) {
      case "mail":
      case "mail-uncounted":
        if (good) this.#recipients = 0;
        return good && awaited === "mail-uncounted" ? this.#countLate("message-rate") : null;
      case "recipient":
      case "recipient-uncounted":
        if (good) this.#recipients++;
        return good && awaited === "recipient-uncounted" ? this.#countLate("recipient-rate") : null;
      case "data":
        return this.#dataReply(code);
      case "message":
      case "last":
        this.#witness.message(good, this.#recipients);
        this.#recipients = 0;
        return null;
      case "auth":
        return this.#authReply(code);
      case "starttls":
        if (good && code !== 220) return this.#answers.fail("reply out of step");
        this.#state = good ? "opaque" : "command";
        return null;
      case "hello":
        this.#introduced ||= good;
        return null;
      case "greeting":
      case "chunk":
      case "reset":
      case "other":
        return null;
      default:
        return awaited satisfies never;
    }
  }

  #dataReply(code: number): null {
    if (code < 300) return this.#answers.fail("reply out of step");
    this.#state = code === 354 ? "data" : "command";
    if (code === 354) this.#end = new MessageEnd();
    // Without recipients there was no message to refuse: they have had their own refusals.
    else if (this.#recipients > 0) this.#witness.message(false, this.#recipients);
    return null;
  }

  /** 4xx is the server's own fault, and says nothing about the client's credentials. */
  #authReply(code: number): null {
    this.#state = code === 334 ? "response" : "command";
    if (code === 334 || this.#login === null) return null;
    const { mechanism, user, cancelled } = this.#login;
    this.#login = null;
    if (code < 300) this.#witness.login(true, mechanism, user);
    else if (code >= 500 && !cancelled) this.#witness.login(false, mechanism, user);
    return null;
  }
}

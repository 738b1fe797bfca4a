/**
 * The sink's SMTP (RFC 5321; PIPELINING: RFC 2920, CHUNKING: RFC 3030, AUTH: RFC 4954, XCLIENT as Postfix has it): takes every
 * mail, keeps none, counts all. Pure: bytes in, replies out.
 *
 * It is as strict about the order of commands as servers are, so that a gateway which swaps or loses one is seen, and about
 * nothing else. A flight of commands gets its replies in one piece.
 */
import { bytesOf, joined, Lines, textOf } from "../../src/lines.ts";
import { SaslLogin } from "../../src/sasl.ts";
import { chunkOf } from "../../src/smtp/commands.ts";
import type { SinkFault } from "./counts.ts";
import { ContentEnd, END_BYTES } from "./end.ts";
import { type Responder, type ResponderOptions, type ResponderState, WRONG_USER } from "./responder.ts";
import { attributesOf } from "./xclient.ts";

/** A command has 512 octets, with its extensions' parameters a few hundred more; AUTH's lines have 12288 (RFC 4954 4). */
const LINE_BYTES_MAX = 12_288;

/** RFC 5321 4.5.3.1.8 demands 100; who asks for thousands measures something else. */
const RECIPIENTS_MAX = 10_000;

const replies = {
  greeting: bytesOf("220 sink.example.test ESMTP\r\n"),
  helo: bytesOf("250 sink.example.test\r\n"),
  ok: bytesOf("250 2.0.0 Ok\r\n"),
  sender: bytesOf("250 2.1.0 Ok\r\n"),
  recipient: bytesOf("250 2.1.5 Ok\r\n"),
  data: bytesOf("354 End data with <CR><LF>.<CR><LF>\r\n"),
  bye: bytesOf("221 2.0.0 Bye\r\n"),
  secure: bytesOf("220 2.0.0 Ready to start TLS\r\n"),
  user: bytesOf("334 VXNlcm5hbWU6\r\n"),
  password: bytesOf("334 UGFzc3dvcmQ6\r\n"),
  response: bytesOf("334 \r\n"),
  login: bytesOf("235 2.7.0 Authentication successful\r\n"),
  wrong: bytesOf("535 5.7.8 Authentication credentials invalid\r\n"),
  cancelled: bytesOf("501 5.7.0 Authentication cancelled\r\n"),
  mechanism: bytesOf("504 5.5.4 Unrecognized authentication type\r\n"),
  tooLong: bytesOf("500 5.5.6 Line too long\r\n"),
  tooMany: bytesOf("452 4.5.3 Too many recipients\r\n"),
  unknown: bytesOf("500 5.5.2 Command not recognized\r\n"),
  form: bytesOf("501 5.5.4 Syntax error in parameters\r\n"),
  order: bytesOf("503 5.5.1 Bad sequence of commands\r\n"),
} as const;

const EXTENSIONS = [
  "PIPELINING",
  "SIZE 0",
  "ENHANCEDSTATUSCODES",
  "8BITMIME",
  "SMTPUTF8",
  "AUTH PLAIN LOGIN",
  "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT",
  "CHUNKING",
];

const ehloInTheClear = ehloOf(["STARTTLS", ...EXTENSIONS]);
const ehlo = ehloOf(EXTENSIONS);

/** What the next bytes are: a command's, a message's up to its end or counted, or a response in a login. */
type Reading = "command" | "data" | "chunk" | "response";

/** - `none`: no MAIL yet. - `begun`: recipients come. - `chunked`: its content comes by BDAT. */
type Transaction = "none" | "begun" | "chunked";

export class SmtpResponder implements Responder {
  readonly greeting = replies.greeting;
  readonly #options: ResponderOptions;
  readonly #queueId: () => number;
  readonly #lines = new Lines(LINE_BYTES_MAX);
  #said: Uint8Array[] = [];
  #state: ResponderState = "open";
  #isSecure = false;
  #isIntroduced = false;
  #reading: Reading = "command";
  #transaction: Transaction = "none";
  #recipients = 0;
  #contentBytes = 0;
  #end = new ContentEnd();
  /** What is left of the chunk, and the reply to its last octet. */
  #chunkBytes = 0;
  #chunkIs: "kept" | "last" | "dropped" = "kept";
  #login: SaslLogin | null = null;
  /** AUTH LOGIN asks twice. */
  #challenges = 0;

  constructor(options: ResponderOptions, queueId: () => number) {
    this.#options = options;
    this.#queueId = queueId;
  }

  get state(): ResponderState {
    return this.#state;
  }

  feed(chunk: Uint8Array): readonly Uint8Array[] {
    this.#lines.feed(chunk);
    while (this.#state === "open" && this.#goesOn()) {}
    const said = this.#said;
    this.#said = [];
    return said.length === 0 ? said : [joined(said)];
  }

  rest(): Uint8Array {
    return this.#lines.rest();
  }

  secured(): void {
    this.#state = "open";
    this.#isSecure = true;
    this.#startOver();
  }

  /** Takes the next line, or as much of a content as is there; false when there is nothing more to take. */
  #goesOn(): boolean {
    switch (this.#reading) {
      case "command":
      case "response":
        return this.#line();
      case "data":
        return this.#data();
      case "chunk":
        return this.#chunk();
      default:
        return this.#reading satisfies never;
    }
  }

  #line(): boolean {
    const line = this.#lines.next();
    if (line !== null) {
      if (this.#reading === "response") this.#respond(line);
      else this.#command(line);
      return true;
    }
    if (!this.#lines.tooLong) return false;
    this.#fault("line", replies.tooLong);
    this.#state = "over";
    return false;
  }

  #command(line: Uint8Array): void {
    const text = textOf(line).trimEnd();
    const space = text.indexOf(" ");
    const verb = (space < 0 ? text : text.slice(0, space)).toUpperCase();
    const words = space < 0 ? "" : text.slice(space + 1);
    switch (verb) {
      case "EHLO":
        return this.#hello(this.#offersTls ? ehloInTheClear : ehlo);
      case "HELO":
        return this.#hello(replies.helo);
      case "MAIL":
        return this.#mail(words);
      case "RCPT":
        return this.#recipient(words);
      case "DATA":
        return this.#beginData();
      case "BDAT":
        return this.#beginChunk(line);
      case "RSET":
        this.#reset();
        return this.#say(replies.ok);
      case "NOOP":
        return this.#say(replies.ok);
      case "QUIT":
        this.#state = "over";
        return this.#say(replies.bye);
      case "AUTH":
        return this.#authenticate(words);
      case "STARTTLS":
        return this.#secure();
      case "XCLIENT":
        return this.#xclient(words);
      default:
        return this.#fault("command", replies.unknown);
    }
  }

  get #offersTls(): boolean {
    return this.#options.offersTls && !this.#isSecure;
  }

  #hello(reply: Uint8Array): void {
    this.#isIntroduced = true;
    this.#reset();
    this.#say(reply);
  }

  #mail(words: string): void {
    if (!this.#isIntroduced || this.#transaction !== "none") return this.#fault("order", replies.order);
    if (!/^FROM: ?</i.test(words)) return this.#fault("command", replies.form);
    this.#transaction = "begun";
    this.#say(replies.sender);
  }

  #recipient(words: string): void {
    if (this.#transaction !== "begun") return this.#fault("order", replies.order);
    if (!/^TO: ?<[^>]/i.test(words)) return this.#fault("command", replies.form);
    if (this.#recipients === RECIPIENTS_MAX) return this.#fault("command", replies.tooMany);
    this.#recipients++;
    this.#say(replies.recipient);
  }

  #beginData(): void {
    if (this.#transaction !== "begun" || this.#recipients === 0) return this.#fault("order", replies.order);
    this.#end = new ContentEnd();
    this.#reading = "data";
    this.#say(replies.data);
  }

  #data(): boolean {
    const chunk = this.#lines.rest();
    const length = this.#end.feed(chunk);
    this.#contentBytes += length ?? chunk.length;
    if (length === null) return false;
    this.#lines.feed(chunk.subarray(length));
    this.#contentBytes -= END_BYTES;
    this.#take();
    return true;
  }

  /** Octets that are announced come, whatever is made of them (RFC 3030 4.2). */
  #beginChunk(line: Uint8Array): void {
    const chunk = chunkOf(line);
    if (chunk === null) return this.#fault("command", replies.form);
    const isInPlace = this.#transaction !== "none" && this.#recipients > 0;
    if (isInPlace) this.#transaction = "chunked";
    this.#chunkIs = isInPlace ? (chunk.last ? "last" : "kept") : "dropped";
    this.#chunkBytes = chunk.octets;
    this.#reading = "chunk";
  }

  #chunk(): boolean {
    const bytes = this.#lines.take(this.#chunkBytes).length;
    this.#chunkBytes -= bytes;
    if (this.#chunkIs !== "dropped") this.#contentBytes += bytes;
    if (this.#chunkBytes > 0) return false;
    this.#reading = "command";
    if (this.#chunkIs === "dropped") this.#fault("order", replies.order);
    else if (this.#chunkIs === "last") this.#take();
    else this.#say(replies.ok);
    return true;
  }

  /** The message is there, all of it. */
  #take(): void {
    const { tally } = this.#options;
    tally.messages++;
    tally.recipients += this.#recipients;
    tally.bytes += this.#contentBytes;
    this.#reading = "command";
    this.#reset();
    this.#say(bytesOf(`250 2.0.0 Ok: queued as ${this.#queueId()}\r\n`));
  }

  #authenticate(words: string): void {
    if (!this.#isIntroduced || this.#transaction !== "none") return this.#fault("order", replies.order);
    const [mechanism = "", response = null] = words.split(" ");
    const login = new SaslLogin(mechanism, response);
    if (login.mechanism !== "PLAIN" && login.mechanism !== "LOGIN")
      return this.#fault("command", replies.mechanism);
    this.#login = login;
    this.#challenges = (login.mechanism === "LOGIN" ? 2 : 1) - (response === null ? 0 : 1);
    this.#challenge(login);
  }

  #respond(line: Uint8Array): void {
    const login = this.#login;
    if (login === null) return;
    login.respond(line);
    if (login.cancelled) this.#endLogin(replies.cancelled);
    else this.#challenge(login);
  }

  /** Asks for what is still to come, or judges. */
  #challenge(login: SaslLogin): void {
    if (this.#challenges === 0) return this.#endLogin(login.user === WRONG_USER ? replies.wrong : null);
    this.#reading = "response";
    this.#challenges--;
    if (login.mechanism === "PLAIN") this.#say(replies.response);
    else this.#say(this.#challenges === 1 ? replies.user : replies.password);
  }

  /** Null: it is taken. */
  #endLogin(refusal: Uint8Array | null): void {
    this.#login = null;
    this.#reading = "command";
    if (refusal !== null) return this.#fault("login", refusal);
    this.#options.tally.logins++;
    this.#say(replies.login);
  }

  #secure(): void {
    if (!this.#offersTls || this.#transaction !== "none") return this.#fault("order", replies.order);
    this.#state = "securing";
    this.#say(replies.secure);
  }

  /** The session is another one from here on, and is greeted as such. */
  #xclient(words: string): void {
    if (this.#transaction !== "none") return this.#fault("order", replies.order);
    const attributes = attributesOf(words);
    if (attributes === null) return this.#fault("command", replies.form);
    this.#options.announced.xclient = { ...this.#options.announced.xclient, ...attributes };
    this.#startOver();
    this.#say(replies.greeting);
  }

  #startOver(): void {
    this.#isIntroduced = false;
    this.#reset();
  }

  #reset(): void {
    this.#transaction = "none";
    this.#recipients = 0;
    this.#contentBytes = 0;
  }

  #fault(fault: SinkFault, reply: Uint8Array): void {
    this.#options.tally.faults[fault]++;
    this.#say(reply);
  }

  #say(reply: Uint8Array): void {
    this.#said.push(reply);
  }
}

function ehloOf(extensions: readonly string[]): Uint8Array {
  const lines = ["sink.example.test", ...extensions];
  return bytesOf(lines.map((line, at) => `250${at === lines.length - 1 ? " " : "-"}${line}\r\n`).join(""));
}

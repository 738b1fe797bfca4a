/**
 * The sink's IMAP (RFC 9051; ID: RFC 2971, SASL-IR: RFC 4959, LITERAL+: RFC 7888): lets everybody in, and has a mailbox of
 * equal messages, of which one is sent as often as it is asked for. Pure: bytes in, replies out.
 *
 * Commands are taken one after the other. A literal becomes a quoted string of its command's text, so that there is one
 * form of a string to read.
 */
import { bytesOf, Lines, textOf } from "../../src/lines.ts";
import { SaslLogin } from "../../src/sasl.ts";
import type { SinkFault } from "./counts.ts";
import { type Responder, type ResponderOptions, type ResponderState, WRONG_USER } from "./responder.ts";

/** As Dovecot has it for a command, literals included. */
const COMMAND_BYTES_MAX = 8192;

/** More than any session asks for one after the other. */
const MAILBOX_MESSAGES = 1000;

const OFFERS = "IMAP4rev1 LITERAL+ SASL-IR ID IDLE";
const WANTS_MORE = bytesOf("+ \r\n");
const IDLING = bytesOf("+ idling\r\n");
const BYE = bytesOf("* BYE Logging out\r\n");

const COMMAND = /^([^\s"\\(){%*+]{1,64}) ([A-Za-z]+)(?: (.*))?$/s;
const LITERAL = /\{(\d{1,4})(\+?)\}\r?\n$/;
const STRING = /"((?:[^"\\]|\\.)*)"|[^\s"(){]+/gs;
const FETCH = /^(\d{1,4}) \(?([^()]*)\)?$/;

/** What may be asked of a message, and whether that is the whole of it. */
const ITEMS: ReadonlyMap<string, boolean> = new Map([
  ["BODY[]", true],
  ["BODY.PEEK[]", true],
  ["RFC822", true],
  ["RFC822.SIZE", false],
  ["UID", false],
]);

/** What the next bytes are: a command's line, its literal's octets, the answer to a login's challenge, or IDLE's DONE. */
type Reading = "command" | "literal" | "response" | "idle";

/** RFC 9051 3. */
type Standing = "stranger" | "known" | "selected";

export class ImapResponder implements Responder {
  readonly #options: ResponderOptions;
  readonly #message: Uint8Array;
  readonly #lines = new Lines(COMMAND_BYTES_MAX);
  #said: Uint8Array[] = [];
  #state: ResponderState = "open";
  #reading: Reading = "command";
  #standing: Standing = "stranger";
  #isSecure = false;
  /** The command as far as it has come. */
  #text = "";
  #literal = "";
  #literalBytes = 0;
  /** Of the command that waits for more from the client: a login, or IDLE. */
  #tag = "";
  #login: SaslLogin | null = null;

  constructor(options: ResponderOptions, message: Uint8Array) {
    this.#options = options;
    this.#message = message;
  }

  get greeting(): Uint8Array {
    return bytesOf(`* OK [CAPABILITY ${this.#capabilities}] sink.example.test ready\r\n`);
  }

  get state(): ResponderState {
    return this.#state;
  }

  feed(chunk: Uint8Array): readonly Uint8Array[] {
    this.#lines.feed(chunk);
    while (this.#state === "open" && this.#goesOn()) {}
    const said = this.#said;
    this.#said = [];
    return said;
  }

  rest(): Uint8Array {
    return this.#lines.rest();
  }

  secured(): void {
    this.#state = "open";
    this.#isSecure = true;
  }

  get #capabilities(): string {
    if (this.#standing !== "stranger") return OFFERS;
    const starts = this.#options.offersTls && !this.#isSecure ? " STARTTLS" : "";
    return `${OFFERS} AUTH=PLAIN${starts}`;
  }

  #goesOn(): boolean {
    if (this.#reading === "literal") return this.#takeLiteral();
    const line = this.#lines.next();
    if (line !== null) {
      this.#line(line);
      return true;
    }
    if (this.#lines.tooLong) this.#overrun();
    return false;
  }

  #line(line: Uint8Array): void {
    switch (this.#reading) {
      case "command":
      case "literal":
        return this.#commandLine(line);
      case "response":
        return this.#respond(line);
      case "idle":
        this.#reading = "command";
        if (/^DONE\r?\n$/i.test(textOf(line))) return this.#ok(this.#tag, "Idle completed");
        return this.#refuse("order", this.#tag, "BAD Expected DONE");
      default:
        return this.#reading satisfies never;
    }
  }

  /** A command's first line, or the one that goes on behind a literal. */
  #commandLine(line: Uint8Array): void {
    const part = textOf(line);
    const [, octets, plus] = LITERAL.exec(part) ?? [];
    if (octets === undefined) {
      const text = this.#text + part.trimEnd();
      this.#text = "";
      return this.#command(text);
    }
    this.#text += part.slice(0, part.lastIndexOf("{"));
    this.#literalBytes = Number(octets);
    if (this.#text.length + this.#literalBytes > COMMAND_BYTES_MAX) return this.#overrun();
    this.#reading = "literal";
    if (plus === "") this.#say(WANTS_MORE);
  }

  #takeLiteral(): boolean {
    const part = this.#lines.take(this.#literalBytes);
    this.#literalBytes -= part.length;
    this.#literal += textOf(part);
    if (this.#literalBytes > 0) return false;
    this.#text += `"${this.#literal.replace(/["\\]/g, "\\$&")}"`;
    this.#literal = "";
    this.#reading = "command";
    return true;
  }

  #command(text: string): void {
    const [, tag, verb, words = ""] = COMMAND.exec(text) ?? [];
    if (tag === undefined || verb === undefined) return this.#refuse("command", "*", "BAD No command");
    switch (verb.toUpperCase()) {
      case "CAPABILITY":
        this.#say(bytesOf(`* CAPABILITY ${this.#capabilities}\r\n`));
        return this.#ok(tag, "Capability completed");
      case "NOOP":
        return this.#ok(tag, "Noop completed");
      case "ID":
        return this.#identify(tag, words);
      case "STARTTLS":
        return this.#secure(tag);
      case "LOGIN":
        return this.#logIn(tag, words);
      case "AUTHENTICATE":
        return this.#authenticate(tag, words);
      case "SELECT":
      case "EXAMINE":
        return this.#select(tag, words);
      case "FETCH":
        return this.#fetch(tag, words);
      case "IDLE":
        return this.#idle(tag);
      case "LOGOUT":
        this.#state = "over";
        this.#say(BYE);
        return this.#ok(tag, "Logout completed");
      default:
        return this.#refuse("command", tag, "BAD Unknown command");
    }
  }

  #identify(tag: string, words: string): void {
    const strings = stringsOf(words);
    const fields: Record<string, string> = {};
    for (let at = 0; at + 1 < strings.length; at += 2) fields[strings[at]!.toLowerCase()] = strings[at + 1]!;
    this.#options.announced.id = { ...this.#options.announced.id, ...fields };
    this.#say(bytesOf('* ID ("name" "sink")\r\n'));
    this.#ok(tag, "ID completed");
  }

  #secure(tag: string): void {
    const isInPlace = this.#options.offersTls && !this.#isSecure && this.#standing === "stranger";
    if (!isInPlace) return this.#refuse("order", tag, "BAD Not now");
    this.#state = "securing";
    this.#ok(tag, "Begin TLS negotiation now");
  }

  #logIn(tag: string, words: string): void {
    if (this.#standing !== "stranger") return this.#refuse("order", tag, "BAD Already logged in");
    const [user, password] = stringsOf(words);
    if (user === undefined || password === undefined) return this.#refuse("command", tag, "BAD Two strings");
    this.#judge(tag, user);
  }

  #authenticate(tag: string, words: string): void {
    if (this.#standing !== "stranger") return this.#refuse("order", tag, "BAD Already logged in");
    const [mechanism = "", response = null] = words.split(" ");
    const login = new SaslLogin(mechanism, response);
    if (login.mechanism !== "PLAIN") return this.#refuse("command", tag, "NO Unsupported mechanism");
    if (response !== null) return this.#judge(tag, login.user);
    this.#login = login;
    this.#tag = tag;
    this.#reading = "response";
    this.#say(WANTS_MORE);
  }

  #respond(line: Uint8Array): void {
    const login = this.#login;
    this.#login = null;
    this.#reading = "command";
    if (login === null) return;
    login.respond(line);
    if (login.cancelled) return this.#refuse("login", this.#tag, "BAD Cancelled");
    this.#judge(this.#tag, login.user);
  }

  #judge(tag: string, user: string | null): void {
    if (user === WRONG_USER) return this.#refuse("login", tag, "NO [AUTHENTICATIONFAILED] Wrong credentials");
    this.#standing = "known";
    this.#options.tally.logins++;
    this.#ok(tag, `[CAPABILITY ${OFFERS}] Logged in`);
  }

  #select(tag: string, words: string): void {
    if (this.#standing === "stranger") return this.#refuse("order", tag, "BAD Log in first");
    if (stringsOf(words)[0]?.toUpperCase() !== "INBOX")
      return this.#refuse("command", tag, "NO [NONEXISTENT] There is only INBOX");
    this.#standing = "selected";
    this.#say(
      bytesOf(
        `* FLAGS (\\Seen)\r\n* ${MAILBOX_MESSAGES} EXISTS\r\n* OK [UIDVALIDITY 1] Valid\r\n${tag} OK [READ-ONLY] Selected\r\n`,
      ),
    );
  }

  #fetch(tag: string, words: string): void {
    if (this.#standing !== "selected") return this.#refuse("order", tag, "BAD Select first");
    const [, number, list = ""] = FETCH.exec(words) ?? [];
    const items = list.toUpperCase().split(" ");
    const isKnown = items.every((item) => ITEMS.has(item));
    const isThere = number !== undefined && Number(number) >= 1 && Number(number) <= MAILBOX_MESSAGES;
    if (!isThere || !isKnown) return this.#refuse("command", tag, "BAD Cannot fetch that");
    items.forEach((item, at) => {
      this.#say(bytesOf(`${at === 0 ? `* ${number} FETCH (` : " "}${this.#head(item, number)}`));
      if (ITEMS.get(item)) this.#send();
    });
    this.#say(bytesOf(`)\r\n${tag} OK Fetch completed\r\n`));
  }

  /** An item of a FETCH, up to the message where it is one. */
  #head(item: string, number: string): string {
    if (item === "UID") return `UID ${number}`;
    if (item === "RFC822.SIZE") return `RFC822.SIZE ${this.#message.length}`;
    return `${item.replace(".PEEK", "")} {${this.#message.length}}\r\n`;
  }

  #send(): void {
    const { tally } = this.#options;
    tally.fetches++;
    tally.bytes += this.#message.length;
    this.#say(this.#message);
  }

  #idle(tag: string): void {
    if (this.#standing === "stranger") return this.#refuse("order", tag, "BAD Log in first");
    this.#tag = tag;
    this.#reading = "idle";
    this.#say(IDLING);
  }

  #overrun(): void {
    this.#state = "over";
    this.#refuse("line", "*", "BYE Too long a line");
  }

  #ok(tag: string, words: string): void {
    this.#say(bytesOf(`${tag} OK ${words}\r\n`));
  }

  #refuse(fault: SinkFault, tag: string, words: string): void {
    this.#options.tally.faults[fault]++;
    this.#say(bytesOf(`${tag} ${words}\r\n`));
  }

  #say(reply: Uint8Array): void {
    this.#said.push(reply);
  }
}

/** The strings of a command, quoted or not, without their quotes. */
function stringsOf(words: string): string[] {
  return [...words.matchAll(STRING)].map(([whole, inner]) => inner?.replace(/\\(.)/gs, "$1") ?? whole);
}

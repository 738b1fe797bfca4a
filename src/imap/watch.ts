/**
 * Follows an IMAP session in both directions until it is logged in or encrypted: asks whether the client may log in as it
 * does, refuses what it may not, tells what became of its logins, and lets no ID command of the client's carry an identity
 * (`x-` fields), which would pass for the gateway's own word.
 *
 * The danger is a byte that we take for data and the server for a command, or the other way round. So a line is held
 * until it is whole, and passes only if every server reads it alike: it ends at LF (a CR alone or a NUL is refused), it
 * has a proper tag, and where it might announce a literal its words must be beyond doubt. What a client sends behind
 * `{n+}` has to be data for all: so nothing but LOGIN and ID may have literals, LOGIN only in place of its strings, and ID
 * only such as do not wait, for it is held until it is whole. A server that knows no `{n+}` reads a command in it: its
 * answer to that is one to nothing, and ends the session.
 *
 * Where the server's answer decides what the client's next bytes are (ahead of its greeting, behind LOGIN and each of its
 * literals that wait, AUTHENTICATE, STARTTLS), they are kept back until it is there. So there is one login at a time, and
 * none passes whose forerunner's failure is not counted.
 *
 * - `command`: the client's next line is a command.
 * - `continued`: the command goes on behind a literal.
 * - `answer`: the server's turn.
 * - `response`: the client's next line belongs to the AUTHENTICATE before.
 * - `securing`: the client begins TLS with us, and says nothing before it has.
 * - `opaque`: logged in, or TLS with the server: nothing more is followed.
 *
 * RFC 9051 6.2 (commands before login), 7.5 and RFC 7888 (literals), 5.5 (pipelining).
 */
import type { Address } from "../address.ts";
import type { Conclusion, Stage, Watch, Witness } from "../dialogue.ts";
import { bytesOf, Lines, nothing, textOf } from "../lines.ts";
import type { SpokenReason } from "../outcome.ts";
import { Answers, type Judge } from "./answers.ts";
import { type Command, commandOf, Extent, isTooDeep, literalBehind, literalOf, places } from "./commands.ts";
import { withoutIdentity } from "./id.ts";
import { Logins } from "./login.ts";
import type { ImapDialogueOptions } from "./options.ts";
import { type Reply, refusal, replies, unavailable } from "./refuse.ts";
import type { Completion } from "./scan.ts";
import { Securing } from "./securing.ts";

type State = "command" | "continued" | "answer" | "response" | "securing" | "opaque";

/** What RFC 4954 4 asks of an AUTH line in SMTP, for the same mechanisms; Dovecot takes 8192. */
const LINE_BYTES_MAX = 12288;

/** So many of its commands postern itself refuses in a session: as many as Postfix does (smtpd_hard_error_limit). */
const ERRORS_MAX = 20;

/** In base64 there is no space, so that this line is no command either, should the server have given up meanwhile. */
const responseLine = /^(?:[A-Za-z0-9+/=]*|\*)\r?\n$/;

/** What becomes of a command that comes in parts: of LOGIN the parts pass, or none does; ID is held until it is whole. */
type Handling = "passed" | "dropped" | "held";

export class ImapWatch implements Watch, Judge {
  conclusion: Conclusion | null = null;
  readonly #client: Address;
  readonly #witness: Witness;
  readonly #securing: Securing;
  readonly #answers: Answers;
  readonly #logins = new Logins();
  readonly #lines = new Lines(LINE_BYTES_MAX);
  readonly #extent = new Extent();
  #state: State = "answer";
  /** Where the server's asking for more leads from `answer`; null where it has nothing to ask for. */
  #onward: "continued" | "response" | null = null;
  /** The command at hand, and what becomes of its parts. */
  #current: Command | null = null;
  #handling: Handling = "passed";
  /** Where LOGIN's next line may announce a literal. */
  #place: RegExp | null = null;
  /** An ID command as far as it has come. */
  #id = "";
  #changed = false;
  /** What the client said ahead of the server's answer. */
  #ahead: Uint8Array = nothing;
  #errors = 0;

  constructor(options: ImapDialogueOptions, client: Address, witness: Witness) {
    this.#client = client;
    this.#witness = witness;
    this.#securing = new Securing(options);
    this.#answers = new Answers(this, this.#securing.offer);
  }

  get stage(): Stage {
    switch (this.#state) {
      case "answer":
        return this.#ahead.length > 0 ? "waiting" : "following";
      case "opaque":
        return this.#isHolding ? "following" : "opaque";
      case "securing":
        return "securing";
      case "command":
      case "continued":
      case "response":
        return "following";
      default:
        return this.#state satisfies never;
    }
  }

  /** No message is read: what APPEND sends is behind the login. */
  readonly isCommitted = false;

  client(chunk: Uint8Array): Uint8Array {
    this.#changed = this.#isHolding;
    this.#lines.feed(this.#ahead.length === 0 ? chunk : Buffer.concat([this.#ahead, chunk]));
    this.#ahead = nothing;
    const passed: Uint8Array[] = [];
    while (this.#lines.unreadBytes > 0 && this.#state !== "answer" && this.conclusion === null) {
      const bytes = this.#next();
      if (bytes !== null) passed.push(bytes);
      else this.#changed = true;
    }
    if (this.#lines.unreadBytes > 0) this.#keepAhead();
    this.#beginTls();
    return this.#changed || this.#isHolding ? Buffer.concat(passed) : chunk;
  }

  server(chunk: Uint8Array): Uint8Array {
    const passed = this.#answers.feed(chunk);
    this.#beginTls();
    return passed;
  }

  due(): Uint8Array {
    return this.#answers.due();
  }

  /** RFC 9051 6.2.1: what the client knew of the server is void, and it asks again. The server knows nothing of it. */
  secured(): void {
    this.#securing.done();
    this.#answers.offer(this.#securing.offer);
    this.#proceed();
  }

  lost(): Uint8Array {
    return this.#answers.isIdle ? nothing : this.#farewell(unavailable);
  }

  leave(): Uint8Array {
    return this.#farewell(unavailable);
  }

  /** Nothing behind a BYE of the server's own. */
  #farewell(words: Uint8Array): Uint8Array {
    return this.#answers.hasParted ? nothing : words;
  }

  get #isHolding(): boolean {
    return this.#lines.heldBytes > 0 || this.#id !== "" || this.#ahead.length > 0;
  }

  /** Behind STARTTLS they would be carried into the session that TLS is to protect (CVE-2011-0411). */
  #keepAhead(): void {
    this.#changed = true;
    const ahead = this.#lines.rest();
    if (this.conclusion !== null) return;
    if (this.#current?.verb === "STARTTLS") this.#finish("command-injection");
    else this.#ahead = Uint8Array.from(ahead);
  }

  /** What passes of the next line or literal; null when it is held, or refused. */
  #next(): Uint8Array | null {
    switch (this.#state) {
      case "command":
      case "continued":
      case "response":
        return this.#extent.left > 0 ? this.#literal() : this.#line();
      case "securing":
        return this.#finish("command-injection");
      case "answer":
      case "opaque":
        return this.#lines.rest();
      default:
        return this.#state satisfies never;
    }
  }

  #literal(): Uint8Array | null {
    const part = this.#lines.take(this.#extent.left);
    this.#extent.left -= part.length;
    // RFC 9051 9: a literal has no NUL, and of what a server makes of one we know nothing.
    if (part.includes(0)) return this.#finish("nul-byte");
    if (this.#handling === "held") this.#id += textOf(part);
    if (this.#handling !== "passed") return null;
    this.#logins.literal(part);
    return part;
  }

  #line(): Uint8Array | null {
    const line = this.#lines.next();
    if (line === null) return this.#lines.tooLong ? this.#finish("line-too-long") : null;
    const text = textOf(line);
    if (text.includes("\0")) return this.#finish("nul-byte");
    if (/\r(?!\n)/.test(text)) return this.#finish("bare-newline");
    if (this.#state === "response") return this.#respond(line, text);
    if (isTooDeep(text)) return this.#violate("lists within lists");
    if (this.#state === "command") return this.#command(line, text);
    return this.#handling === "held" ? this.#identity(text) : this.#argument(line, text);
  }

  #respond(line: Uint8Array, text: string): Uint8Array | null {
    if (!responseLine.test(text)) return this.#violate("malformed response to AUTHENTICATE");
    this.#logins.respond(line);
    return this.#wait(line, "response");
  }

  #command(line: Uint8Array, text: string): Uint8Array | null {
    // A blank line is answered without a tag, so that it is not awaited either.
    if (/^\r?\n$/.test(text)) return line;
    const command = commandOf(text);
    if (command === null) return this.#violate("malformed command");
    if (!this.#answers.hasRoom) return this.#finish("too-many-commands");
    this.#current = command;
    this.#extent.begin();
    switch (command.verb) {
      case "ID":
        this.#handling = "held";
        return this.#identity(text);
      case "LOGIN":
        return this.#login(command, line, text);
      case "AUTHENTICATE":
      case "STARTTLS":
      case "COMPRESS":
      case null:
        if (literalOf(text, null) !== "none") return this.#violate("misplaced literal");
        return this.#simple(command, line, text);
      default:
        return command.verb satisfies never;
    }
  }

  /** A command that is one line. */
  #simple(command: Command, line: Uint8Array, text: string): Uint8Array | null {
    if (command.verb === "AUTHENTICATE") {
      if (!this.#admits(command)) return null;
      this.#logins.beginSasl(text);
      this.#answers.expect(command);
      return this.#wait(line, "response");
    }
    if (!this.#extent.line(text)) return this.#finish("line-too-long");
    if (command.verb === "STARTTLS") return this.#startTls(command, line);
    // Logins could not be followed inside it, and no server compresses before them (RFC 4978 3).
    if (command.verb === "COMPRESS") return this.#refuse(command, replies.notBeforeLogin);
    this.#answers.expect(command);
    return line;
  }

  #login(command: Command, line: Uint8Array, text: string): Uint8Array | null {
    const admits = this.#admits(command);
    this.#handling = admits ? "passed" : "dropped";
    if (admits) {
      this.#logins.beginPlain(text);
      this.#answers.expect(command);
    }
    this.#place = places.login;
    return this.#argument(line, text);
  }

  /** Whether a login may go on to the server; where not, the client has its answer already. */
  #admits(command: Command): boolean {
    if (!this.#witness.allows("auth-rate")) this.#refuse(command, replies.tooManyLogins, "auth-rate");
    else if (this.#securing.loginHasToWait) this.#refuse(command, replies.loginNeedsTls);
    else if (!this.#witness.mayLogIn()) this.#finish("auth-failure-rate");
    else return true;
    return false;
  }

  /** A line of LOGIN. Of one that was refused, what the client does not wait with is still to come. */
  #argument(line: Uint8Array, text: string): Uint8Array | null {
    const literal = this.#announced(text, this.#place);
    if (literal === null) return null;
    this.#place = literalBehind(text);
    const passes = this.#handling === "passed";
    if (literal !== "none" && !literal.waits) this.#state = "continued";
    else if (passes) return this.#wait(line, literal === "none" ? null : "continued");
    else this.#proceed();
    return passes ? line : null;
  }

  /** A line of an ID command: where its literals end is checked when it is read. */
  #identity(text: string): Uint8Array | null {
    const literal = this.#announced(text, places.id);
    if (literal === null) return null;
    this.#id += text;
    if (literal !== "none") {
      // The server would have to ask for it, and it has not even seen the command.
      if (literal.waits) return this.#violate("ID with a literal that waits");
      this.#state = "continued";
      return null;
    }
    const cleared = withoutIdentity(this.#id);
    if (cleared === null) return this.#violate("malformed ID");
    if (cleared !== this.#id) this.#changed = true;
    this.#id = "";
    this.#answers.expect(this.#current!);
    this.#proceed();
    return bytesOf(cleared);
  }

  /** The literal that the line announces, within bounds; null when the session has ended. */
  #announced(text: string, place: RegExp | null): ReturnType<typeof literalOf> {
    const literal = literalOf(text, place);
    if (literal === null) return this.#violate("misplaced literal");
    const fits = this.#extent.line(text) && (literal === "none" || this.#extent.literal(literal.octets));
    return fits ? literal : this.#violate("overlong command");
  }

  /** Where TLS ends here the server hears nothing of it: what could be void there before login is ours alone, the ID. */
  #startTls(command: Command, line: Uint8Array): Uint8Array | null {
    if (this.#securing.isServers) {
      this.#answers.expect(command);
      return this.#wait(line, null);
    }
    const reply = this.#securing.refusal(this.#witness);
    if (reply !== null) return this.#refuse(command, reply);
    this.#changed = true;
    return this.#wait(nothing, null);
  }

  /** The go-ahead comes when the server has completed all before it, so that nothing can be taken for a word inside TLS. */
  #beginTls(): void {
    const { verb, tag } = this.#current ?? { verb: null, tag: "" };
    if (this.#state !== "answer" || verb !== "STARTTLS" || this.#securing.isServers) return;
    if (!this.#answers.isIdle || this.conclusion !== null) return;
    this.#state = "securing";
    this.#answers.say(replies.beginTls(tag));
  }

  /** It is the server's turn; `onward` is where its asking for more leads. */
  #wait(passed: Uint8Array, onward: "continued" | "response" | null): Uint8Array {
    this.#state = "answer";
    this.#onward = onward;
    return passed;
  }

  /** The client's next line is a command. */
  #proceed(): void {
    this.#state = "command";
    this.#extent.begin();
  }

  /** A command that gets no further; the session goes on, unless there were too many of them. */
  #refuse({ tag }: Command, reply: Reply, reason: "auth-rate" | "too-many-errors" = "too-many-errors"): null {
    this.#answers.say(reply(tag));
    this.#errors++;
    if (this.#errors < ERRORS_MAX) return null;
    const words = this.#words("too-many-errors");
    return this.#conclude({ outcome: "refused", reason, detail: null, words });
  }

  #violate(detail: string): null {
    return this.#finish("protocol-violation", detail);
  }

  /** The client has had its last chance. */
  #finish(reason: SpokenReason, detail: string | null = null): null {
    return this.#conclude({ outcome: "refused", reason, detail, words: this.#words(reason) });
  }

  #words(reason: SpokenReason): Uint8Array {
    return this.#farewell(refusal(reason, this.#client));
  }

  /** The server's fault, for which the client is told to come back. */
  astray(detail: string, reason: "protocol-violation" | "response-injection" = "protocol-violation"): void {
    this.#conclude({ outcome: "failed", reason, detail, words: this.#farewell(unavailable) });
  }

  #conclude(conclusion: Conclusion): null {
    this.conclusion ??= conclusion;
    this.#answers.stop();
    return null;
  }

  greeted(): void {
    this.#proceed();
  }

  continued(): void {
    if (this.#state !== "answer" || this.#onward === null) this.astray("continuation of nothing");
    else this.#state = this.#onward;
  }

  completed(command: Command, completion: Completion): void {
    if (command !== this.#current || this.#state === "command") return;
    if (this.#state === "continued") return this.astray("answer ahead of the command's end");
    const ok = completion.status === "OK";
    if (command.verb === "STARTTLS") {
      // What the server says ahead of TLS would be read as if it had come inside (CVE-2011-0411 and its like).
      if (ok && this.#answers.hasMore) return this.astray("bytes behind the go-ahead", "response-injection");
    } else this.#logins.settle(completion, this.#witness);
    if (!ok) return this.#proceed();
    this.#state = "opaque";
    this.#answers.release();
  }
}

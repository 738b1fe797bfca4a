/**
 * Follows an IMAP session until it is logged in or encrypted, so that no ID command of the client's carries an identity
 * (`x-` fields): what came to Dovecot from a client would otherwise pass for the gateway's own word.
 *
 * The danger is a byte that we take for data and the server for a command, or the other way round. So a line is held
 * until it is whole, and passes only if every server reads it alike: it ends at LF (a CR alone or a NUL is refused), it
 * has a proper tag, and where it might announce a literal its words must be beyond doubt. Where the server may choose
 * what the client's next bytes are (behind AUTHENTICATE, STARTTLS, a literal that waits), the client has to wait for it.
 *
 * - `command`: the client's next line is a command.
 * - `continued`: the command goes on behind a literal.
 * - `answer`: the server's turn; the client says nothing until it has spoken.
 * - `response`: the client's next line belongs to the AUTHENTICATE before.
 * - `opaque`: logged in, or TLS: nothing more is followed.
 *
 * RFC 9051 6.2 (commands before login), 7.5 and RFC 7888 (literals), 5.5 (pipelining).
 */
import type { Conclusion, Stage, Watch } from "../dialogue.ts";
import { bytesOf, Lines, nothing, textOf } from "../lines.ts";
import { withoutIdentity } from "./id.ts";
import { unavailable, unreadable } from "./refuse.ts";
import {
  completionOf,
  endsLikeLiteral,
  literalPattern,
  Responses,
  stringPattern,
  tagPattern,
} from "./scan.ts";

type State = "command" | "continued" | "answer" | "response" | "opaque";

/** What RFC 4954 4 asks of an AUTH line in SMTP, for the same mechanisms; Dovecot takes 8192. */
const LINE_BYTES_MAX = 12288;

/** Dovecot's MAX_IMAP_LINE, literals included: beyond it, it reads a literal's bytes as commands. */
const COMMAND_BYTES_MAX = 8192;

/** How many commands may await their completion: far more than a client has to say before it is logged in. */
const COMMANDS_MAX = 32;

interface Command {
  readonly tag: string;
  /** In upper case; empty when the line has a tag alone. */
  readonly verb: string;
}

/** Whose OK ends our reading. */
const lastVerbs = new Set(["LOGIN", "AUTHENTICATE", "STARTTLS"]);

/**
 * One space, as the grammar has it: with two, Dovecot sees an empty command, and what we took for a literal is the next.
 * A verb is letters and digits, with signs in some extensions'.
 */
const commandHead = new RegExp(`^(${tagPattern})(?: ([\\w.-]+)(?=[ \\r\\n])|(?=\\r?\\n))`);
const loginLiteral = new RegExp(`^[^ ]+ LOGIN (?:${stringPattern} )?${literalPattern}\\r?\\n$`, "i");
const nextLiteral = new RegExp(`^ ${literalPattern}\\r?\\n$`);
const idLiteral = new RegExp(`${literalPattern}\\r?\\n$`);
/** In base64 there is no space, so that this line is no command either, should the server have given up meanwhile. */
const responseLine = /^(?:[A-Za-z0-9+/=]*|\*)\r?\n$/;

export class IdentityWatch implements Watch {
  conclusion: Conclusion | null = null;
  readonly #lines = new Lines(LINE_BYTES_MAX);
  readonly #responses = new Responses();
  #state: State = "command";
  /** The commands that the server has not completed, oldest first. It completes those of one tag in their order. */
  readonly #commands: Command[] = [];
  #current: Command | null = null;
  #commandBytes = 0;
  /** What is left of a literal before the command goes on. */
  #literalBytes = 0;
  /** An ID command as far as it has come: held until it is whole. */
  #id: string | null = null;
  #changed = false;

  get stage(): Stage {
    return this.#state === "opaque" && !this.#holding ? "opaque" : "following";
  }

  client(chunk: Uint8Array): Uint8Array {
    if (this.conclusion !== null) return nothing;
    this.#changed = this.#holding;
    this.#lines.feed(chunk);
    const passed: Uint8Array[] = [];
    while (this.#lines.unreadBytes > 0 && this.conclusion === null) {
      const bytes = this.#state === "opaque" ? this.#release() : this.#next();
      if (bytes !== null) passed.push(bytes);
    }
    const unchanged = !this.#changed && !this.#holding && this.conclusion === null;
    return unchanged ? chunk : Buffer.concat(passed);
  }

  server(chunk: Uint8Array): Uint8Array {
    this.#responses.feed(chunk);
    while (this.#state !== "opaque" && this.conclusion === null) {
      const response = this.#responses.next();
      if (response === null) {
        if (this.#responses.overrun) this.#astray("overlong response");
        break;
      }
      if (response.startsWith("+")) this.#continue();
      else this.#complete(response);
    }
    return chunk;
  }

  /** Nothing is said in the server's place. */
  due(): Uint8Array {
    return nothing;
  }

  /** TLS passes through, or has begun before the first byte. */
  secured(): void {}

  /** A server that has more to say than its end says it itself (RFC 9051 7.1.5). */
  lost(): Uint8Array {
    return nothing;
  }

  get #holding(): boolean {
    return this.#lines.heldBytes > 0 || this.#id !== null;
  }

  /** All that was held back, and what has come behind it. */
  #release(): Uint8Array {
    const id = bytesOf(this.#id ?? "");
    this.#id = null;
    return Buffer.concat([id, this.#lines.rest()]);
  }

  /** What passes of the next line or literal; null when it is held, or refused. */
  #next(): Uint8Array | null {
    if (this.#state === "answer") return this.#fail("bytes ahead of the server's answer");
    if (this.#literalBytes > 0) return this.#literal();
    const line = this.#lines.next();
    if (line === null) return this.#lines.tooLong ? this.#fail("overlong line") : null;
    const text = textOf(line);
    if (/\0|\r(?!\n)/.test(text)) return this.#fail("NUL or bare CR");
    switch (this.#state) {
      case "command":
        return this.#command(line, text);
      case "continued":
        return this.#id === null ? this.#argument(line, text, nextLiteral) : this.#identity(text);
      case "response":
        if (!responseLine.test(text)) return this.#fail("malformed response to AUTHENTICATE");
        this.#state = "answer";
        return line;
      case "opaque":
        return line;
      default:
        return this.#state satisfies never;
    }
  }

  #literal(): Uint8Array | null {
    const part = this.#lines.take(this.#literalBytes);
    this.#literalBytes -= part.length;
    if (this.#id === null) return part;
    this.#id += textOf(part);
    return null;
  }

  #command(line: Uint8Array, text: string): Uint8Array | null {
    // A blank line is answered without a tag, so that it is not awaited either.
    if (/^\r?\n$/.test(text)) return line;
    const [, tag, verb = ""] = commandHead.exec(text) ?? [];
    if (tag === undefined) return this.#fail("malformed command");
    if (this.#commands.length === COMMANDS_MAX) return this.#fail("too many commands at once");
    this.#current = { tag, verb: verb.toUpperCase() };
    this.#commands.push(this.#current);
    this.#commandBytes = 0;
    switch (this.#current.verb) {
      case "ID":
        this.#id = "";
        return this.#identity(text);
      case "LOGIN":
        return this.#argument(line, text, loginLiteral);
      case "AUTHENTICATE":
      case "STARTTLS":
        if (endsLikeLiteral(text)) return this.#fail("misplaced literal");
        this.#state = "answer";
        return line;
      default:
        return endsLikeLiteral(text) ? this.#fail("misplaced literal") : line;
    }
  }

  /** A line of LOGIN: either its last, or `pattern` makes sure that all servers see the literal that follows. */
  #argument(line: Uint8Array, text: string, pattern: RegExp): Uint8Array | null {
    this.#commandBytes += text.length;
    this.#state = "command";
    if (!endsLikeLiteral(text)) return line;
    const [, octets, plus] = pattern.exec(text) ?? [];
    if (octets === undefined) return this.#fail("misplaced literal");
    this.#state = plus === "+" ? "continued" : "answer";
    return this.#announce(Number(octets)) ? line : null;
  }

  /** A line of an ID command, which is held until it is whole: where its literals end is checked when it is read. */
  #identity(text: string): Uint8Array | null {
    this.#commandBytes += text.length;
    if (this.#commandBytes > COMMAND_BYTES_MAX) return this.#fail("overlong command");
    const command = (this.#id ?? "") + text;
    const [, octets, plus] = idLiteral.exec(text) ?? [];
    if (octets !== undefined) {
      // The server would have to ask for it, and it has not even seen the command.
      if (plus !== "+") return this.#fail("ID with a literal that waits");
      this.#id = command;
      this.#state = "continued";
      this.#announce(Number(octets));
      return null;
    }
    const cleared = withoutIdentity(command);
    if (cleared === null) return this.#fail("malformed ID");
    if (cleared !== command) this.#changed = true;
    this.#id = null;
    this.#state = "command";
    return bytesOf(cleared);
  }

  #announce(octets: number): boolean {
    this.#literalBytes = octets;
    this.#commandBytes += octets;
    if (this.#commandBytes > COMMAND_BYTES_MAX) this.#fail("overlong command");
    return this.conclusion === null;
  }

  /** The server asks the client to go on. */
  #continue(): void {
    if (this.#state !== "answer") return;
    if (this.#current?.verb === "LOGIN") this.#state = "continued";
    if (this.#current?.verb === "AUTHENTICATE") this.#state = "response";
  }

  #complete(response: string): void {
    const completion = completionOf(response);
    const index = this.#commands.findIndex(({ tag }) => tag === completion?.tag);
    const [command] = index < 0 ? [] : this.#commands.splice(index, 1);
    if (completion === null || command === undefined) return;
    if (completion.ok && lastVerbs.has(command.verb)) {
      this.#state = "opaque";
    } else if (command === this.#current && this.#state !== "command") {
      if (this.#state === "continued") this.#astray("answer ahead of the command's end");
      this.#state = "command";
      this.#literalBytes = 0;
    }
  }

  #fail(detail: string): null {
    this.conclusion ??= { outcome: "refused", reason: "protocol-violation", detail, words: unreadable };
    return null;
  }

  /** The server's fault, for which the client is told to come back. */
  #astray(detail: string): void {
    this.conclusion ??= { outcome: "failed", reason: "protocol-violation", detail, words: unavailable };
  }
}

/**
 * What IMAP is made of before login: tags, strings, lines that a literal continues (RFC 9051 4.3, 9), and a server's
 * responses. Pure: it owns the unfinished response and its bounds, and judges nothing.
 */
import { Lines, textOf } from "../lines.ts";

/**
 * A tag, in RFC 9051's grammar less the `/`: Dovecot takes a tag that holds one, or more than 64 bytes, for no tag, and
 * then answers under another, so that the answer could not be told from those to other commands.
 */
export const tagPattern = "[!#$&',\\-.0-9:;<=>?@A-Z[\\]^_`a-z|}~]{1,64}";

/** A string of a command that stands within its line: an atom (as `astring` has it) or a quoted string. */
export const stringPattern =
  '(?:[!#$&\'+,\\-./0-9:;<=>?@A-Z[\\]^_`a-z|}~]+|"(?:[^"\\\\\\r\\n\\0]|\\\\["\\\\])*")';

/** Two numbers: the literal's octets, and a `+` where the client does not wait (RFC 7888). There is no other sign. */
export const literalPattern = "\\{(\\d{1,4})(\\+?)\\}";

/** Whether some server might think that a literal follows this line. */
export function endsLikeLiteral(line: string): boolean {
  return /\{[^{}]*\}\r*\n$/.test(line);
}

/** A pre-login CAPABILITY line of a server with everything is below 1 KiB. */
const LINE_BYTES_MAX = 8192;

/** An ID response, the only one before login that may hold literals, has 30 fields of 30 and 1024 bytes (RFC 2971 3.3). */
const RESPONSE_BYTES_MAX = 32768;

/** Only data has literals: the text of a status response may end in braces, and they mean nothing. */
const dataWithLiteral = /^\* (?!(?:OK|NO|BAD|BYE|PREAUTH) ).*\{(\d{1,5})\}\r?\n$/is;
const continuedByLiteral = /\{(\d{1,5})\}\r?\n$/;

/** A server's responses, each as its first line; the literals of one that has them, and what follows, are dropped. */
export class Responses {
  readonly #lines = new Lines(LINE_BYTES_MAX);
  /** The first line of a response that goes on. */
  #first: string | null = null;
  #literalBytes = 0;
  #bytes = 0;

  /** A bound was broken: final. */
  get overrun(): boolean {
    return this.#lines.tooLong || this.#bytes > RESPONSE_BYTES_MAX;
  }

  /** The chunk before it has to be used up: asked for responses until there was none. */
  feed(chunk: Uint8Array): void {
    this.#lines.feed(chunk);
  }

  /** The next response's first line, with its end; null when it is not all there. */
  next(): string | null {
    while (!this.overrun) {
      this.#literalBytes -= this.#lines.take(this.#literalBytes).length;
      if (this.#literalBytes > 0) return null;
      const line = this.#lines.next();
      if (line === null) return null;
      const text = textOf(line);
      const [, octets] = (this.#first === null ? dataWithLiteral : continuedByLiteral).exec(text) ?? [];
      const first = this.#first ?? text;
      if (octets === undefined) {
        this.#first = null;
        this.#bytes = 0;
        return first;
      }
      this.#first = first;
      this.#literalBytes = Number(octets);
      this.#bytes += line.length + this.#literalBytes;
    }
    return null;
  }

  /** What came behind the last response. */
  rest(): Uint8Array {
    return this.#lines.rest();
  }
}

/** How the server ended a command. */
export interface Completion {
  readonly tag: string;
  readonly ok: boolean;
}

const completion = new RegExp(`^(${tagPattern}) (OK|NO|BAD)(?= |\\r?\\n)`, "i");

/** The completion in a response; null when it is another one. */
export function completionOf(response: string): Completion | null {
  const [, tag, status] = completion.exec(response) ?? [];
  return tag === undefined || status === undefined ? null : { tag, ok: status.toUpperCase() === "OK" };
}

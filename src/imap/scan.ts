/**
 * What IMAP is made of before login: tags, strings, and a server's responses, lines that literals may continue (RFC 9051
 * 4.3, 7, 9). Pure: it owns the unfinished response and its bounds, and judges nothing.
 */
import { Lines, nothing, textOf } from "../lines.ts";

/**
 * A tag, in RFC 9051's grammar less the `/`: Dovecot takes a tag that holds one, or more than 64 bytes, for no tag, and
 * then answers under another, so that the answer could not be told from those to other commands.
 */
export const tagPattern = "[!#$&',\\-.0-9:;<=>?@A-Z[\\]^_`a-z|}~]{1,64}";

/** A string of a command that stands within its line: an atom (as `astring` has it) or a quoted string. */
export const stringPattern =
  '(?:[!#$&\'+,\\-./0-9:;<=>?@A-Z[\\]^_`a-z|}~]+|"(?:[^"\\\\\\r\\n\\0]|\\\\["\\\\])*")';

/** A pre-login CAPABILITY line of a server with everything is below 1 KiB. */
const LINE_BYTES_MAX = 8192;

/** An ID response, the only one before login that may hold literals, has 30 fields of 30 and 1024 bytes (RFC 2971 3.3). */
const RESPONSE_BYTES_MAX = 32768;

/** Only data has literals: the text of a status response may end in braces, and they mean nothing. */
const dataWithLiteral = /^\* (?!(?:OK|NO|BAD|BYE|PREAUTH) ).*\{(\d{1,5})\}\r?\n$/is;
const continuedByLiteral = /\{(\d{1,5})\}\r?\n$/;

/** A server's responses, each whole with its literals: until it is, it is held here. */
export class Responses {
  readonly #lines = new Lines(LINE_BYTES_MAX);
  /** A response that goes on, as far as it has come: its lines, and a place for each literal. */
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #literal: Uint8Array = nothing;
  /** What the literal lacks. */
  #missing = 0;

  /** A bound was broken: final. */
  get overrun(): boolean {
    return this.#lines.tooLong || this.#bytes > RESPONSE_BYTES_MAX;
  }

  /** Whether a response is not all there. */
  get holds(): boolean {
    return this.#lines.heldBytes > 0 || this.#parts.length > 0;
  }

  /** Whether something has come behind the last response. */
  get hasMore(): boolean {
    return this.#lines.unreadBytes > 0;
  }

  /** The chunk before it has to be used up: asked for responses until there was none. */
  feed(chunk: Uint8Array): void {
    this.#lines.feed(chunk);
  }

  /** The next response: a view of the chunk where it has no literals and the chunk holds all of it. */
  next(): Uint8Array | null {
    while (!this.overrun) {
      this.#fill();
      if (this.#missing > 0) return null;
      const line = this.#lines.next();
      if (line === null) return null;
      const isFirst = this.#parts.length === 0;
      const [, octets] = (isFirst ? dataWithLiteral : continuedByLiteral).exec(textOf(line)) ?? [];
      if (octets === undefined) return isFirst ? line : this.#end(line);
      this.#missing = Number(octets);
      this.#literal = new Uint8Array(this.#missing);
      this.#parts.push(Uint8Array.from(line), this.#literal);
      this.#bytes += line.length + this.#missing;
    }
    return null;
  }

  /** What came behind the last response. */
  rest(): Uint8Array {
    return this.#lines.rest();
  }

  #fill(): void {
    const part = this.#lines.take(this.#missing);
    this.#literal.set(part, this.#literal.length - this.#missing);
    this.#missing -= part.length;
  }

  #end(line: Uint8Array): Uint8Array {
    const response = Buffer.concat([...this.#parts, line]);
    this.#parts = [];
    this.#bytes = 0;
    return response;
  }
}

/** How the server ended a command. */
export interface Completion {
  readonly tag: string;
  readonly status: "OK" | "NO" | "BAD";
  /** The response code in capitals, without what stands behind it (RFC 9051 7.1); null where there is none. */
  readonly code: string | null;
}

const completion = new RegExp(
  `^(${tagPattern}) (?:(OK)|(NO)|BAD)(?: \\[([^\\] \\r\\n]+)|(?= |\\r?\\n))`,
  "i",
);

/** The completion in a response; null when it is another one. */
export function completionOf(response: string): Completion | null {
  const [, tag, ok, no, code] = completion.exec(response) ?? [];
  if (tag === undefined) return null;
  const refused = no === undefined ? "BAD" : "NO";
  return { tag, status: ok === undefined ? refused : "OK", code: code?.toUpperCase() ?? null };
}

/** The server ends the session (RFC 9051 7.1.5). */
export function isBye(response: string): boolean {
  return /^\* BYE(?= |\r?\n)/i.test(response);
}

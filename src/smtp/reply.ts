/**
 * SMTP replies out of a server's bytes: one or more lines with one code (RFC 5321 4.2).
 *
 * Strict about the line's end: only CRLF is one (RFC 5321 2.3.8). A server that ends lines otherwise, or sends a lone CR,
 * is one that we and the client could read differently, and no server in use does.
 */
import { bytesOf, Lines, textOf } from "../lines.ts";

/** RFC 5321 4.5.3.1.5 says 512 with the end; extensions make EHLO lines longer, but nobody's are four times that. */
export const REPLY_LINE_BYTES_MAX = 2048;

/** An EHLO reply has some fifteen lines; a greeting with a legal notice may have a page. */
const LINES_MAX = 100;

export interface Reply {
  readonly code: number;
  /** The text behind the code of each line. */
  readonly texts: readonly string[];
  /** As it came. */
  readonly bytes: Uint8Array;
}

const replyLine = /^([2-5]\d\d)(?:([ -])([^\r\n\0]*))?\r\n$/;

export class Replies {
  readonly #lines = new Lines(REPLY_LINE_BYTES_MAX);
  #text = "";
  #texts: string[] = [];
  #code: string | null = null;
  #malformed = false;

  /** What came is no reply, or breaks a bound: final. */
  get malformed(): boolean {
    return this.#malformed || this.#lines.tooLong;
  }

  /** The chunk before it has to be used up: asked for replies until there was none. */
  feed(chunk: Uint8Array): void {
    this.#lines.feed(chunk);
  }

  /** The next reply; null when it is not all there, or malformed. */
  next(): Reply | null {
    while (!this.#malformed) {
      const line = this.#lines.next();
      if (line === null) return null;
      const lineText = textOf(line);
      const [, code, mark, text] = replyLine.exec(lineText) ?? [];
      if (code === undefined || code !== (this.#code ?? code) || this.#texts.length === LINES_MAX) {
        this.#malformed = true;
        return null;
      }
      this.#code = code;
      this.#texts.push(text ?? "");
      this.#text += lineText;
      if (mark !== "-") return this.#take(Number(code));
    }
    return null;
  }

  /** What came behind the last reply. */
  rest(): Uint8Array {
    return this.#lines.rest();
  }

  #take(code: number): Reply {
    const reply = { code, texts: this.#texts, bytes: bytesOf(this.#text) };
    this.#text = "";
    this.#texts = [];
    this.#code = null;
    return reply;
  }
}

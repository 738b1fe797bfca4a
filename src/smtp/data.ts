/**
 * Finds where a message ends, in the strictest way: at CRLF.CRLF and nowhere else (RFC 5321 4.1.1.4, 2.3.8).
 *
 * Servers have differed about what else ends a line, and so a message: that is how a second one is smuggled past the
 * server that sees one (CVE-2023-51764). So the first CR or LF that stands alone is told, and whoever passes the message
 * on has to stop before it. A CR at the end of the bytes is not known to be alone yet: it is to be kept back.
 *
 * It is the message's bytes that are many, so they are searched as one text: a regular expression over latin1 reads
 * several times faster than a loop over the bytes.
 */
import { textOf } from "../lines.ts";

const END = "\r\n.\r\n";

/** The end, or what must not come before it: the CR or LF that stands alone. The text's own end proves nothing. */
const endOrBare = /\r\n\.\r\n|\r(?!\n|$)|(?<!\r)\n/;

/** What an end might begin with, at the end of the bytes. */
const beginning = /\r(?:\n(?:\.\r?)?)?$/;

export class MessageEnd {
  /** The bytes before the next ones, as far as they may belong to the end; at first, the line's end of DATA itself. */
  #before = "\r\n";
  #bare: "CR" | "LF" | null = null;

  /** Which one stood alone first; final. The message then goes on to its end all the same. */
  get bare(): "CR" | "LF" | null {
    return this.#bare;
  }

  /** The last byte fed is a CR that waits for the next one. */
  get pending(): boolean {
    return this.#before.endsWith("\r");
  }

  /** How many bytes of the chunk are the message's, its end included; null when it does not end in them. */
  feed(chunk: Uint8Array): number | null {
    const text = this.#before + textOf(chunk);
    const end = this.#find(text);
    if (end !== null) return end - this.#before.length;
    this.#before = beginning.exec(text.slice(1 - END.length))?.[0] ?? "";
    return null;
  }

  #find(text: string): number | null {
    let from = 0;
    if (this.#bare === null) {
      const found = endOrBare.exec(text);
      if (found === null) return null;
      from = found.index;
      if (found[0] !== END) this.#bare = found[0] === "\r" ? "CR" : "LF";
    }
    const at = text.indexOf(END, from);
    return at < 0 ? null : at + END.length;
  }
}

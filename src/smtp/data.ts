/**
 * Finds where a message ends, in the strictest way: at CRLF.CRLF and nowhere else (RFC 5321 4.1.1.4, 2.3.8).
 *
 * Servers have differed about what else ends a line, and so a message: that is how a second one is smuggled past the
 * server that sees one (CVE-2023-51764). So the first CR or LF that stands alone is told, and whoever passes the message
 * on has to stop before it. A CR at the end of the bytes is not known to be alone yet: it is to be kept back.
 *
 * A message's bytes are many, and nearly all of them are a line's midst or its proper end: these are skipped.
 */
import { BLOCK_BYTES, hold, skip } from "./skip.ts";

const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;

/** What stands before the next byte: a line's beginning, with a dot and a CR behind it perhaps; its midst; or its CR. */
type Place = "beginning" | "dot" | "dot-cr" | "midst" | "cr";

export class MessageEnd {
  /** The line of DATA itself has just ended. */
  #place: Place = "beginning";
  #bare: "CR" | "LF" | null = null;

  /** Which one stood alone first; final. The message then goes on to its end all the same. */
  get bare(): "CR" | "LF" | null {
    return this.#bare;
  }

  /** The last byte fed is a CR that waits for the next one. */
  get pending(): boolean {
    return this.#place === "cr" || this.#place === "dot-cr";
  }

  /** How many bytes of the chunk are the message's, its end included; null when it does not end in them. */
  feed(chunk: Uint8Array): number | null {
    // Most chunks need no view, which takes as long to make as some hundred bytes to skip.
    if (chunk.length <= BLOCK_BYTES) return this.#feed(chunk);
    for (let from = 0; from < chunk.length; from += BLOCK_BYTES) {
      const length = this.#feed(chunk.subarray(from, from + BLOCK_BYTES));
      if (length !== null) return from + length;
    }
    return null;
  }

  #feed(block: Uint8Array): number | null {
    hold(block);
    let at = 0;
    while (at < block.length) {
      if (this.#place === "midst") at = this.#skip(block, at);
      if (at === block.length) return null;
      const byte = block[at]!;
      at++;
      if (byte === LF && this.#place === "dot-cr") return at;
      this.#take(byte);
    }
    return null;
  }

  /** The place where the skipping stops is told by the byte before it. */
  #skip(block: Uint8Array, from: number): number {
    const at = skip(from, block.length);
    if (at > from) this.#place = behind(block[at - 1]!);
    return at;
  }

  #take(byte: number): void {
    const isBroken = this.pending;
    if (byte === CR) {
      if (isBroken) this.#bare ??= "CR";
      this.#place = this.#place === "dot" ? "dot-cr" : "cr";
    } else if (byte === LF) {
      if (!isBroken) this.#bare ??= "LF";
      this.#place = isBroken ? "beginning" : "midst";
    } else {
      if (isBroken) this.#bare ??= "CR";
      this.#place = byte === DOT && this.#place === "beginning" ? "dot" : "midst";
    }
  }
}

/** What a byte is followed by where all lines end in CRLF, and none begins with a dot. */
function behind(byte: number): Place {
  if (byte === CR) return "cr";
  return byte === LF ? "beginning" : "midst";
}

/**
 * Finds where a message ends, in the strictest way: at CRLF.CRLF and nowhere else (RFC 5321 4.1.1.4, 2.3.8).
 *
 * Servers have differed about what else ends a line, and so a message: that is how a second one is smuggled past the
 * server that sees one (CVE-2023-51764). So the first CR or LF that stands alone is told, and whoever passes the message
 * on has to stop before it. A CR at the end of the bytes is not known to be alone yet: it is to be kept back.
 *
 * It is the message's bytes that are many, and few of them end a line: between these, four are looked at together.
 */
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
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
    let at = 0;
    while (at < chunk.length) {
      if (this.#place === "midst") at = skipLines(view, at);
      if (at === chunk.length) return null;
      const byte = view.getUint8(at);
      at++;
      if (byte === LF && this.#place === "dot-cr") return at;
      this.#take(byte);
    }
    return null;
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

const WORD_BYTES = 4;

/**
 * Where a line's midst goes no further from `from` on: at the view's end, or at a byte that has to be looked at by itself.
 * A whole CRLF is not such a one, unless what comes behind it is the end's dot, or not there. It is one function because
 * two are slower by a half.
 */
function skipLines(view: DataView, from: number): number {
  const length = view.byteLength;
  const lastWord = length - WORD_BYTES;
  let at = from;
  for (;;) {
    let marks = 0;
    while (at <= lastWord) {
      marks = controls(view.getInt32(at, true));
      if (marks !== 0) break;
      at += WORD_BYTES;
    }
    if (marks !== 0) at += lowestByte(marks);
    else while (at < length && view.getUint8(at) > CR) at++;
    if (at + 2 >= length || view.getUint8(at) !== CR || view.getUint8(at + 1) !== LF) return at;
    if (view.getUint8(at + 2) === DOT) return at;
    at += 2;
  }
}

/**
 * Marks those of the word's four bytes that are CR or less, by their top bits. Taking CR + 1 from a byte turns that bit on
 * where the byte is less, or had it on already; what is borrowed can go wrong only above a byte that is marked.
 */
function controls(word: number): number {
  return (word - 0x0e0e0e0e) & ~word & 0x80808080;
}

/** The place of the lowest byte that is marked. */
function lowestByte(marks: number): number {
  return (31 - Math.clz32(marks & -marks)) >> 3;
}

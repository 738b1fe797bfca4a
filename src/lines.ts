/**
 * Lines out of bytes that come in any cuts, and the short conversations in which every line gets one answer.
 *
 * A line ends at LF, as all mail servers read it; what stands before the LF, a CR or none, is for the reader to judge.
 * This file owns the unfinished line and its bound. It knows no protocol.
 */
import type { Responder } from "./dialogue.ts";

export const nothing: Uint8Array = new Uint8Array(0);

const LF = 0x0a;

/** The smallest buffer for an unfinished line: most commands fit, so that one allocation does. */
const HELD_BYTES_MIN = 128;

/**
 * Fed with a chunk, then asked for lines (and, in between, for counted bytes) until it has no more of them. What it
 * returns is a view of the chunk where the chunk holds all of it, and otherwise a buffer that the caller may keep.
 */
export class Lines {
  readonly #lineBytesMax: number;
  #chunk: Uint8Array = nothing;
  /** Where the chunk's unread bytes begin. */
  #from = 0;
  #held: Uint8Array = nothing;
  #heldBytes = 0;
  #tooLong = false;

  /** `lineBytesMax` counts a line with its end. */
  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  /** How many bytes of an unfinished line are kept here. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** How many bytes of the chunk have not been asked for. */
  get unreadBytes(): number {
    return this.#chunk.length - this.#from;
  }

  /** A line, finished or not, is longer than allowed: final, no more lines come. */
  get tooLong(): boolean {
    return this.#tooLong;
  }

  /** The chunk before it has to be used up: asked for lines until there was none, or emptied by `rest`. */
  feed(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#from = 0;
  }

  /** The next line with its end; null when it is not all there, or too long. */
  next(): Uint8Array | null {
    const end = this.#chunk.indexOf(LF, this.#from) + 1;
    const bytes = end === 0 ? this.unreadBytes : end - this.#from;
    if (this.#heldBytes + bytes > this.#lineBytesMax) this.#tooLong = true;
    if (this.#tooLong) return null;
    const part = this.take(bytes);
    if (end > 0 && this.#heldBytes === 0) return part;
    this.#hold(part);
    return end > 0 ? this.#release() : null;
  }

  /** The next bytes, at most `bytesMax` of them, whatever they are; only between two lines. */
  take(bytesMax: number): Uint8Array {
    const part = this.#chunk.subarray(this.#from, this.#from + bytesMax);
    this.#from += part.length;
    // An idle session is not to keep the chunk's memory.
    if (this.unreadBytes === 0) this.feed(nothing);
    return part;
  }

  /** All that was fed and not yet returned, the unfinished line first. */
  rest(): Uint8Array {
    const unread = this.take(this.unreadBytes);
    if (this.#heldBytes === 0) return unread;
    this.#hold(unread);
    return this.#release();
  }

  #hold(part: Uint8Array): void {
    const bytes = this.#heldBytes + part.length;
    if (bytes > this.#held.length) {
      const larger = new Uint8Array(Math.max(bytes, 2 * this.#held.length, HELD_BYTES_MIN));
      larger.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = larger;
    }
    this.#held.set(part, this.#heldBytes);
    this.#heldBytes = bytes;
  }

  /** The buffer goes with the line: the next one gets its own. */
  #release(): Uint8Array {
    const line = this.#held.subarray(0, this.#heldBytes);
    this.#held = nothing;
    this.#heldBytes = 0;
    return line;
  }
}

/** What a conversation says to a line; `last` ends it. */
export interface Answer {
  readonly reply: Uint8Array;
  readonly last: boolean;
}

/** A conversation with a health checker: its bounds and the answer to each line come from the protocol. */
export interface Script {
  readonly greeting: Uint8Array;
  readonly lineBytesMax: number;
  readonly linesMax: number;
  /** The answer to `line`, which is latin1 and has lost its end. */
  answer(line: string): Answer;
  /** Said, as the last word, when a bound is broken. */
  readonly overrun: Uint8Array;
}

/** Follows a script. What comes behind the last answer is ignored. */
export class Conversation implements Responder {
  readonly greeting: Uint8Array;
  readonly #script: Script;
  readonly #lines: Lines;
  #linesLeft: number;
  #closing = false;

  constructor(script: Script) {
    this.greeting = script.greeting;
    this.#script = script;
    this.#lines = new Lines(script.lineBytesMax);
    this.#linesLeft = script.linesMax;
  }

  get closing(): boolean {
    return this.#closing;
  }

  feed(chunk: Uint8Array): Uint8Array {
    if (this.#closing) return nothing;
    this.#lines.feed(chunk);
    const replies: Uint8Array[] = [];
    while (!this.#closing) {
      const line = this.#lines.next();
      if (line === null && !this.#lines.tooLong) break;
      const { reply, last } = this.#answer(line);
      replies.push(reply);
      this.#closing = last;
    }
    return joined(replies);
  }

  #answer(line: Uint8Array | null): Answer {
    if (line === null || this.#linesLeft === 0) return { reply: this.#script.overrun, last: true };
    this.#linesLeft--;
    return this.#script.answer(textOf(line).replace(/\r?\n$/, ""));
  }
}

/** One behind the other; a copy only where there are several. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

/** One character for each byte, so that nothing is lost and lengths agree. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

/** The bytes of a text in which each character stands for one byte. */
export function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, "latin1");
}

/**
 * A message's content on its way from the client: by DATA, up to its end (RFC 5321 4.1.1.4), or by BDAT, in counted octets
 * (RFC 3030). A CR that ends the bytes at hand is kept back until it is known not to stand alone.
 */
import { bytesOf, type Lines } from "../lines.ts";
import { MessageEnd } from "./data.ts";

const cr = bytesOf("\r");

export class Content {
  /** Null where octets are counted. */
  #end: MessageEnd | null = null;
  #octets = 0;
  #isWhole = true;
  #passes = true;

  /** The CR or LF that stood alone first: nothing of the content passes from there on. */
  get bare(): "CR" | "LF" | null {
    return this.#end?.bare ?? null;
  }

  get isData(): boolean {
    return this.#end !== null;
  }

  get isWhole(): boolean {
    return this.#isWhole;
  }

  get keepsCr(): boolean {
    return !this.#isWhole && this.#end?.pending === true;
  }

  /** What ends with CRLF.CRLF. */
  beginData(): void {
    this.#end = new MessageEnd();
    this.#isWhole = false;
  }

  /** So many octets, which no server is to see where they do not pass. */
  beginChunk(octets: number, passes: boolean): void {
    this.#end = null;
    this.#octets = octets;
    this.#isWhole = octets === 0;
    this.#passes = passes;
  }

  /** Takes what belongs to it of the bytes at hand, and returns what passes; null where nothing does. */
  take(lines: Lines): Uint8Array | null {
    if (this.#end !== null) return this.#data(this.#end, lines);
    const octets = lines.take(this.#octets);
    this.#octets -= octets.length;
    this.#isWhole = this.#octets === 0;
    return this.#passes ? octets : null;
  }

  #data(end: MessageEnd, lines: Lines): Uint8Array | null {
    const keptCr = end.pending;
    const chunk = lines.rest();
    const length = end.feed(chunk);
    this.#isWhole = length !== null;
    if (length !== null) lines.feed(chunk.subarray(length));
    if (end.bare !== null) return null;
    const passed = chunk.subarray(0, length ?? chunk.length - (end.pending ? 1 : 0));
    return keptCr ? Buffer.concat([cr, passed]) : passed;
  }
}

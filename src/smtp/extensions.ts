/**
 * An EHLO reply on its way to the client (RFC 5321 4.1.1.1 for its form): some extensions are between the servers, some are
 * postern's to offer. Lines are left out or put in, none is rewritten but for the mark that says whether it is the last.
 */
import { bytesOf } from "../lines.ts";
import { afterWord, hasWord } from "./line.ts";

/** What the client is to see of TLS and logins. */
export interface Offer {
  /** `server`: what the server says of STARTTLS holds; otherwise postern has its own word, to offer it or not to. */
  readonly startTls: "server" | "offered" | "hidden";
  readonly auth: "server" | "hidden";
}

/** Where the mark stands, and the text behind it. */
const MARK_AT = 3;
const TEXT_AT = 4;

const CR = 0x0d;
const SPACE = 0x20;
const DASH = 0x2d;
const EQUALS = 0x3d;

const bare = bytesOf("250-\r\n");
const startTls = bytesOf("250-STARTTLS\r\n");

export class ExtensionList {
  #offer: Offer;
  /** The last line to be shown so far: whether more follow is not known. */
  #kept: Uint8Array | null = null;
  #chunking = false;
  #changed = false;

  constructor(offer: Offer) {
    this.#offer = offer;
  }

  /** Whether the server offers BDAT. */
  get chunking(): boolean {
    return this.#chunking;
  }

  /** Whether a line is kept back until it is known to be the last, or not. */
  get keeps(): boolean {
    return this.#kept !== null;
  }

  /** Whether what was shown since this was asked last is not what came. */
  takeChanged(): boolean {
    const changed = this.#changed;
    this.#changed = false;
    return changed;
  }

  /** From now on another list counts, in which the client is to see this. */
  expect(offer: Offer = this.#offer): void {
    this.#offer = offer;
    this.#chunking = false;
  }

  /** Takes a line of the reply; `first` names the server. Returns what may be shown by now. */
  take(line: Uint8Array, first: boolean): readonly Uint8Array[] {
    if (!first && this.#hides(line)) {
      this.#changed = true;
      return [];
    }
    if (isKeyword(line, "CHUNKING")) this.#chunking = true;
    const shown = this.#show(line);
    if (!first || this.#offer.startTls !== "offered") return shown;
    this.#changed = true;
    return [...shown, ...this.#show(startTls)];
  }

  /** The reply is all there, or broken off: the line that is kept back is the last to be shown. */
  end(how: "whole" | "broken off"): readonly Uint8Array[] {
    const last = this.#kept;
    this.#kept = null;
    return last === null ? [] : [this.#marked(last, how === "whole" ? SPACE : DASH)];
  }

  /** The chunk's memory is its owner's: what is kept beyond it is a copy. */
  detach(): void {
    if (this.#kept !== null) this.#kept = Uint8Array.from(this.#kept);
  }

  #hides(line: Uint8Array): boolean {
    if (isKeyword(line, "XCLIENT") || isKeyword(line, "XFORWARD")) return true;
    if (this.#offer.auth === "hidden" && isKeyword(line, "AUTH")) return true;
    return this.#offer.startTls !== "server" && isKeyword(line, "STARTTLS");
  }

  #show(line: Uint8Array): readonly Uint8Array[] {
    const before = this.#kept;
    this.#kept = line;
    return before === null ? [] : [this.#marked(before, DASH)];
  }

  /** A reply's only line may have no mark and no text. */
  #marked(line: Uint8Array, mark: number): Uint8Array {
    if (line[MARK_AT] === mark || (line[MARK_AT] === CR && mark === SPACE)) return line;
    this.#changed = true;
    if (line[MARK_AT] === CR) return bare;
    const marked = Uint8Array.from(line);
    marked[MARK_AT] = mark;
    return marked;
  }
}

/** The two forms that servers use: `KEYWORD parameters` and `KEYWORD=parameters`. */
function isKeyword(line: Uint8Array, keyword: string): boolean {
  const end = TEXT_AT + keyword.length;
  return hasWord(line, TEXT_AT, keyword) && (afterWord(line, end) === end || line[end] === EQUALS);
}

/**
 * The answer of LAPI's decision stream, element by element: `{"new":[…]|null,"deleted":[…]|null}` in any cuts.
 *
 * It owns one unfinished element at most, so that an answer of any length is read in little memory. Of the document it
 * checks the frame itself; each element is `JSON.parse`d (RFC 8259) as soon as it is whole, and handed on as it is: what
 * it means is for others to say. Members of other names are passed over. What is wrong is final.
 */

/** A decision is some 200 bytes long, and the texts in it that others chose some hundreds more. */
const VALUE_BYTES_MAX = 64 * 1024;

/** Decisions are flat; this leaves room for what later versions may add. */
const DEPTH_MAX = 32;

export type ListName = "new" | "deleted";

/**
 * - `complete`: one whole document, with both lists.
 * - `truncated`: it ended before its end.
 * - `malformed`: it is none.
 */
export type Ending = "complete" | "truncated" | "malformed";

/**
 * - `document`, `ended`: before it and behind it.
 * - `first-name`, `name`, `colon`, `member`, `next-member`: what comes next among the members.
 * - `first-element`, `element`, `next-element`: what comes next in one of the two lists.
 * - `value`: inside a value, an element or a name.
 */
type State =
  | "document"
  | "first-name"
  | "name"
  | "colon"
  | "member"
  | "next-member"
  | "first-element"
  | "element"
  | "next-element"
  | "value"
  | "ended"
  | "malformed";

/** What the value is that is being read: `null` is what stands for an empty list, `passed` what nobody wants. */
type Value = "name" | "element" | "null" | "passed";

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const ARRAY_END = 0x5d;
const OBJECT = 0x7b;
const OBJECT_END = 0x7d;

export class Scanner {
  readonly #element: (list: ListName, raw: unknown) => void;
  readonly #seen = new Set<ListName>();
  #state: State = "document";
  /** The list whose member this is; null: another member. */
  #list: ListName | null = null;
  #value: Value = "name";
  /** What of the value came in earlier chunks. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** How many brackets are open in the value. */
  #depth = 0;
  #inText = false;
  #escaped = false;

  /** `element` is called with each element, in the document's order. */
  constructor(element: (list: ListName, raw: unknown) => void) {
    this.#element = element;
  }

  /** False: it is malformed, and there is no use in feeding more. */
  feed(chunk: Uint8Array): boolean {
    let at = 0;
    while (at < chunk.length && this.#state !== "malformed") {
      if (this.#state === "value") at = this.#read(chunk, at);
      else if (isSpace(chunk[at]!)) at++;
      else at = this.#step(chunk[at]!, at);
    }
    return this.#state !== "malformed";
  }

  end(): Ending {
    if (this.#state === "malformed") return "malformed";
    if (this.#state !== "ended") return "truncated";
    return this.#seen.size === 2 ? "complete" : "malformed";
  }

  /** One byte of the frame; gives where to go on: behind it, or with it where a value begins. */
  #step(byte: number, at: number): number {
    const state = this.#state;
    switch (state) {
      case "document":
        return this.#expect(byte === OBJECT, "first-name", at);
      case "first-name":
        return byte === OBJECT_END
          ? this.#expect(true, "ended", at)
          : this.#begin("name", byte === QUOTE, at);
      case "name":
        return this.#begin("name", byte === QUOTE, at);
      case "colon":
        return this.#expect(byte === COLON, "member", at);
      case "member":
        if (this.#list === null) return this.#begin("passed", !isFrame(byte), at);
        this.#seen.add(this.#list);
        return byte === ARRAY
          ? this.#expect(true, "first-element", at)
          : this.#begin("null", !isFrame(byte), at);
      case "next-member":
        return byte === COMMA
          ? this.#expect(true, "name", at)
          : this.#expect(byte === OBJECT_END, "ended", at);
      case "first-element":
        return byte === ARRAY_END
          ? this.#expect(true, "next-member", at)
          : this.#begin("element", !isFrame(byte), at);
      case "element":
        return this.#begin("element", !isFrame(byte), at);
      case "next-element":
        return byte === COMMA
          ? this.#expect(true, "element", at)
          : this.#expect(byte === ARRAY_END, "next-member", at);
      case "ended":
      case "malformed":
      case "value":
        return this.#expect(false, "malformed", at);
      default:
        return state satisfies never;
    }
  }

  #expect(holds: boolean, next: State, at: number): number {
    this.#state = holds ? next : "malformed";
    return at + 1;
  }

  #begin(value: Value, holds: boolean, at: number): number {
    this.#state = holds ? "value" : "malformed";
    this.#value = value;
    return at;
  }

  /** Goes through the value's bytes in this chunk; gives where to go on. */
  #read(chunk: Uint8Array, from: number): number {
    const end = this.#endOfValue(chunk, from);
    const part = chunk.subarray(from, end < 0 ? chunk.length : end);
    // The chunk's memory is the caller's.
    if (this.#value !== "passed") this.#hold(end < 0 ? new Uint8Array(part) : part);
    if (end < 0 || this.#state === "malformed") return chunk.length;
    this.#finish();
    return end;
  }

  /**
   * Where the value ends, or -1 when it goes on behind this chunk. This is where nearly all bytes are looked at, so the state
   * is kept in local variables meanwhile.
   */
  #endOfValue(chunk: Uint8Array, from: number): number {
    let depth = this.#depth;
    let inText = this.#inText;
    let escaped = this.#escaped;
    let end = -1;
    for (let at = from; at < chunk.length && end < 0; at++) {
      const byte = chunk[at]!;
      if (inText) {
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) {
          inText = false;
          if (depth === 0) end = at + 1;
        }
      } else if (byte === QUOTE) {
        inText = true;
      } else if (byte === OBJECT || byte === ARRAY) {
        if (++depth > DEPTH_MAX) return this.#fail();
      } else if (byte === OBJECT_END || byte === ARRAY_END) {
        // A number or a word ends before the bracket of what it stands in.
        if (depth === 0) end = at;
        else if (--depth === 0) end = at + 1;
      } else if (depth === 0 && (byte === COMMA || isSpace(byte))) {
        end = at;
      }
    }
    this.#depth = depth;
    this.#inText = inText;
    this.#escaped = escaped;
    return end;
  }

  #hold(part: Uint8Array): void {
    this.#heldBytes += part.length;
    if (this.#heldBytes > VALUE_BYTES_MAX) this.#fail();
    else this.#held.push(part);
  }

  /** The value is whole. */
  #finish(): void {
    const value = this.#value;
    const next = value === "name" ? "colon" : value === "element" ? "next-element" : "next-member";
    this.#state = next;
    if (value === "passed") return;
    const raw = this.#parse();
    if (this.#state !== next) return;
    if (value === "name") this.#list = raw === "new" || raw === "deleted" ? raw : null;
    else if (value === "element") this.#element(this.#list!, raw);
    else if (raw !== null) this.#fail();
  }

  #parse(): unknown {
    const [first, ...others] = this.#held;
    const bytes = others.length === 0 ? first! : Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    try {
      return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString());
    } catch {
      return this.#fail();
    }
  }

  #fail(): -1 {
    this.#state = "malformed";
    this.#held = [];
    return -1;
  }
}

function isSpace(byte: number): boolean {
  return byte === SPACE || byte === LF || byte === CR || byte === TAB;
}

/** What no value begins with. */
function isFrame(byte: number): boolean {
  return byte === COMMA || byte === COLON || byte === ARRAY_END || byte === OBJECT_END;
}

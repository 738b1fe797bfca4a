/**
 * A login as the client's lines show it: by which mechanism, and as whom where the mechanism tells (RFC 4954 4).
 *
 * PLAIN (RFC 4616 2) tells in its only response, LOGIN in its first. A password is never kept: of the response that has
 * one, only the name in front of it is.
 */
import { textOf } from "../lines.ts";

/** RFC 4616 2: an authentication identity has at most 255 octets. */
const USER_BYTES_MAX = 255;

const NUL = 0;

const authLine = /^\s*AUTH\s+(\S+)(?:\s+(\S+))?/i;

/** RFC 4422 3.1: what a mechanism's name may be. */
const mechanismName = /^[A-Z0-9_-]{1,20}$/;

const base64 = /^[A-Za-z0-9+/]+={0,2}$/;

export class Login {
  /** In upper case; `unknown` where it is no possible name, so that no client's text goes on. */
  readonly mechanism: string;
  #user: string | null = null;
  #cancelled = false;
  /** The first response that says something has come. */
  #told = false;

  private constructor(mechanism: string) {
    this.mechanism = mechanismName.test(mechanism) ? mechanism : "unknown";
  }

  /** The login that an AUTH line begins; null when it names no mechanism. */
  static begin(line: Uint8Array): Login | null {
    const [, mechanism, response] = authLine.exec(textOf(line)) ?? [];
    if (mechanism === undefined) return null;
    const login = new Login(mechanism.toUpperCase());
    if (response !== undefined) login.#respond(response);
    return login;
  }

  get user(): string | null {
    return this.#user;
  }

  /** The client has called it off, so that no failure is meant by its end. */
  get cancelled(): boolean {
    return this.#cancelled;
  }

  /** The client's line behind a 334. */
  respond(line: Uint8Array): void {
    const response = textOf(line).trim();
    if (response === "*") this.#cancelled = true;
    else this.#respond(response);
  }

  /** An empty response, which stands as `=` in the AUTH line, makes the server ask again. */
  #respond(response: string): void {
    if (this.#told || !base64.test(response)) return;
    this.#told = true;
    const bytes = Buffer.from(response, "base64");
    if (this.mechanism === "LOGIN") this.#user = nameOf(bytes);
    if (this.mechanism === "PLAIN") {
      const from = bytes.indexOf(NUL) + 1;
      const to = bytes.indexOf(NUL, from);
      if (from > 0 && to > from) this.#user = nameOf(bytes.subarray(from, to));
    }
  }
}

/** UTF-8 as the mechanisms want it, or one character for each byte. */
function nameOf(bytes: Buffer): string | null {
  if (bytes.length === 0 || bytes.length > USER_BYTES_MAX) return null;
  const text = bytes.toString("utf8");
  return text.includes("\ufffd") ? bytes.toString("latin1") : text;
}

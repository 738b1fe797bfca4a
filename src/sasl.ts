/**
 * A login by a SASL mechanism as the client's lines show it: by which mechanism, and as whom where the mechanism tells.
 * How the lines are framed is the protocol's (RFC 4954 4 for SMTP, RFC 9051 6.2.2 for IMAP).
 *
 * PLAIN (RFC 4616 2) tells in its only response, LOGIN in its first. A password is never kept: of the response that has
 * one, only the name in front of it is.
 */
import { textOf } from "./lines.ts";

/** RFC 4616 2: an authentication identity has at most 255 octets. */
const USER_BYTES_MAX = 255;

const NUL = 0;

/** RFC 4422 3.1: what a mechanism's name may be. */
const mechanismName = /^[A-Z0-9_-]{1,20}$/;

/** RFC 4954 4, RFC 4959 3: a response behind the mechanism that says nothing. The server asks again. */
const NO_RESPONSE = "=";

const base64 = /^[A-Za-z0-9+/]+={0,2}$/;

export class SaslLogin {
  /** In upper case; `unknown` where it is no possible name, so that no client's text goes on. */
  readonly mechanism: string;
  #user: string | null = null;
  #cancelled = false;
  /** The first response has come: those behind it may be the password, whatever it was. */
  #told = false;

  /** `response` is one that came with the command; null where none did. */
  constructor(mechanism: string, response: string | null) {
    const name = mechanism.toUpperCase();
    this.mechanism = mechanismName.test(name) ? name : "unknown";
    if (response !== null && response !== NO_RESPONSE) this.#respond(response);
  }

  get user(): string | null {
    return this.#user;
  }

  /** The client has called it off, so that no failure is meant by its end. */
  get cancelled(): boolean {
    return this.#cancelled;
  }

  /** The client's line in answer to the server's challenge. */
  respond(line: Uint8Array): void {
    const response = textOf(line).trim();
    if (response === "*") this.#cancelled = true;
    else this.#respond(response);
  }

  #respond(response: string): void {
    if (this.#told) return;
    this.#told = true;
    if (!base64.test(response)) return;
    const bytes = Buffer.from(response, "base64");
    if (this.mechanism === "LOGIN") this.#user = userOf(bytes);
    if (this.mechanism === "PLAIN") {
      const from = bytes.indexOf(NUL) + 1;
      const to = bytes.indexOf(NUL, from);
      if (from > 0 && to > from) this.#user = userOf(bytes.subarray(from, to));
    }
  }
}

/** A user's name: UTF-8 as the mechanisms want it, or one character for each byte. Null where it can be no name. */
export function userOf(bytes: Buffer): string | null {
  if (bytes.length === 0 || bytes.length > USER_BYTES_MAX) return null;
  const text = bytes.toString("utf8");
  return text.includes("\ufffd") ? bytes.toString("latin1") : text;
}

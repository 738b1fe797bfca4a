/**
 * A login as the client's lines show it: by which mechanism, and as whom where the mechanism tells (RFC 4954 4).
 *
 * PLAIN (RFC 4616 2) tells in its only response, LOGIN in its first. A password is never kept: of the response that has
 * one, only the name in front of it is.
 */
import type { Witness } from "../dialogue.ts";
import { textOf } from "../lines.ts";

/** RFC 4616 2: an authentication identity has at most 255 octets. */
const USER_BYTES_MAX = 255;

const NUL = 0;

/**
 * RFC 4954 6: the credentials are wrong. All other refusals judge none: of the command, its place or its mechanism, for
 * want of TLS, or by the server's own fault.
 */
const CREDENTIALS_INVALID = 535;

const authLine = /^[\t-\r ]*AUTH[\t-\r ]+([^\t-\r ]+)(?:[\t-\r ]+([^\t-\r ]+))?/i;

/** RFC 4954 4: an initial response that says nothing. */
const NO_RESPONSE = "=";

/** RFC 4422 3.1: what a mechanism's name may be. */
const mechanismName = /^[A-Z0-9_-]{1,20}$/;

const base64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** The logins of a session, one after the other. */
export class Logins {
  #login: Login | null = null;
  #succeeded = false;

  /** The server has taken one. */
  get succeeded(): boolean {
    return this.#succeeded;
  }

  /** Whether the AUTH line begins one: it does not when it names no mechanism. */
  begin(line: Uint8Array): boolean {
    this.#login = Login.begin(line);
    return this.#login !== null;
  }

  /** The client's line behind a 334. */
  respond(line: Uint8Array): void {
    this.#login?.respond(line);
  }

  /** The server's last word on it, for the witness, who hears of those that were judged. */
  settle(code: number, witness: Pick<Witness, "login">): void {
    if (this.#login === null) return;
    const { mechanism, user, cancelled } = this.#login;
    this.#login = null;
    const ok = code < 300;
    this.#succeeded ||= ok;
    if (ok || (code === CREDENTIALS_INVALID && !cancelled)) witness.login(ok, mechanism, user);
  }
}

export class Login {
  /** In upper case; `unknown` where it is no possible name, so that no client's text goes on. */
  readonly mechanism: string;
  #user: string | null = null;
  #cancelled = false;
  /** The first response has come: those behind it may be the password, whatever it was. */
  #told = false;

  private constructor(mechanism: string) {
    this.mechanism = mechanismName.test(mechanism) ? mechanism : "unknown";
  }

  /** The login that an AUTH line begins; null when it names no mechanism. */
  static begin(line: Uint8Array): Login | null {
    const [, mechanism, response] = authLine.exec(textOf(line)) ?? [];
    if (mechanism === undefined) return null;
    const login = new Login(mechanism.toUpperCase());
    if (response !== undefined && response !== NO_RESPONSE) login.#respond(response);
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

  #respond(response: string): void {
    if (this.#told) return;
    this.#told = true;
    if (!base64.test(response)) return;
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

/** The logins of an SMTP session, one after the other (RFC 4954 4): what the client's lines tell, and the server's word. */
import type { Witness } from "../dialogue.ts";
import { textOf } from "../lines.ts";
import { SaslLogin } from "../sasl.ts";

/**
 * RFC 4954 6: the credentials are wrong. All other refusals judge none: of the command, its place or its mechanism, for
 * want of TLS, or by the server's own fault.
 */
const CREDENTIALS_INVALID = 535;

const authLine = /^[\t-\r ]*AUTH[\t-\r ]+([^\t-\r ]+)(?:[\t-\r ]+([^\t-\r ]+))?/i;

export class Logins {
  #login: SaslLogin | null = null;
  #succeeded = false;

  /** The server has taken one. */
  get succeeded(): boolean {
    return this.#succeeded;
  }

  /** Whether the AUTH line begins one: it does not when it names no mechanism. */
  begin(line: Uint8Array): boolean {
    const [, mechanism, response = null] = authLine.exec(textOf(line)) ?? [];
    this.#login = mechanism === undefined ? null : new SaslLogin(mechanism, response);
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

/**
 * The logins of an IMAP session: what the client's lines tell of each (RFC 9051 6.2.2, 6.2.3), and what the server's word
 * on it means. Of a LOGIN only its first argument is looked at, the name; a password never is.
 */
import type { Witness } from "../dialogue.ts";
import { SaslLogin, userOf } from "../sasl.ts";
import { type Completion, stringPattern } from "./scan.ts";

/**
 * With these codes a server refuses a login for a reason of its own, or one that has nothing to do with whether the
 * credentials are right (RFC 5530 3; REFERRAL: RFC 2221 4.1): it is out of order, the user has too many sessions or a
 * mailbox that is in use, an administrator has closed the account, TLS has to come first, another server is in charge.
 * Any other NO is a failure: AUTHENTICATIONFAILED, AUTHORIZATIONFAILED and EXPIRED speak of the credentials, and a server
 * that gives no code means them.
 */
const serversOwn = new Set([
  "UNAVAILABLE",
  "SERVERBUG",
  "CORRUPTION",
  "LIMIT",
  "INUSE",
  "CONTACTADMIN",
  "PRIVACYREQUIRED",
  "REFERRAL",
]);

const loginName = new RegExp(`^[^ ]+ LOGIN (?:(${stringPattern})[ \\r\\n]|\\{(\\d+)\\+?\\}\\r?\\n$)`, "i");
const authenticate = /^[^ ]+ AUTHENTICATE ([^ \r\n]+)(?: ([^ \r\n]+))?/i;

/** A login under way, as the client's lines tell of it. */
interface Login {
  readonly mechanism: string;
  readonly user: string | null;
  readonly cancelled: boolean;
}

/** A LOGIN, whose name may come as a literal, in any cuts. */
class PlainLogin implements Login {
  readonly mechanism = "LOGIN";
  readonly cancelled = false;
  #name: Buffer;
  /** What the literal that is the name lacks. */
  #missing: number;

  constructor(line: string) {
    const [, word = "", octets = "0"] = loginName.exec(line) ?? [];
    const isQuoted = word.startsWith('"');
    this.#name = Buffer.from(isQuoted ? word.slice(1, -1).replace(/\\(.)/g, "$1") : word, "latin1");
    this.#missing = Number(octets);
  }

  get user(): string | null {
    return userOf(this.#name);
  }

  literal(part: Uint8Array): void {
    const bytes = part.subarray(0, this.#missing);
    this.#missing -= bytes.length;
    if (bytes.length > 0) this.#name = Buffer.concat([this.#name, bytes]);
  }
}

export class Logins {
  #login: PlainLogin | SaslLogin | null = null;
  /** The server has seen what it could judge: not where it refuses a mechanism at once. */
  #isJudgeable = false;

  /** The first line of a LOGIN. */
  beginPlain(line: string): void {
    this.#login = new PlainLogin(line);
    this.#isJudgeable = true;
  }

  /** The line of an AUTHENTICATE; it begins none when it names no mechanism. */
  beginSasl(line: string): void {
    const [, mechanism, response = null] = authenticate.exec(line) ?? [];
    this.#login = mechanism === undefined ? null : new SaslLogin(mechanism, response);
    this.#isJudgeable = response !== null;
  }

  /** Some octets of a LOGIN's literals. */
  literal(part: Uint8Array): void {
    if (this.#login instanceof PlainLogin) this.#login.literal(part);
  }

  /** The client's line in answer to the server's challenge. */
  respond(line: Uint8Array): void {
    this.#isJudgeable = true;
    if (this.#login instanceof SaslLogin) this.#login.respond(line);
  }

  /** The server's last word on it, for the witness. A BAD is about the command's form, and judges no login. */
  settle({ status, code }: Completion, witness: Pick<Witness, "login">): void {
    const login: Login | null = this.#login;
    this.#login = null;
    if (login === null) return;
    const isFailure = status === "NO" && this.#isJudgeable && !login.cancelled;
    const isServersOwn = code !== null && serversOwn.has(code);
    if (status === "OK" || (isFailure && !isServersOwn))
      witness.login(status === "OK", login.mechanism, login.user);
  }
}

/**
 * Postern as one of LAPI's machines: those log in with a password, and show the token that they get for it.
 *
 * It owns the token, and logs in when there is none, when it is about to expire, and when LAPI does not take it any more (a
 * LAPI that was started again has forgotten its signing key). The password is in the login's body and nowhere else.
 */
import type { Clock } from "../clock.ts";
import { type Exchange, hasStatus, json } from "./exchange.ts";
import type { Answer, Headers } from "./lapi.ts";
import type { AlertOptions } from "./options.ts";

/** Longer than any request takes, so that no token expires on its way. */
const TOKEN_MARGIN_MS = 60_000;

/** RFC 6750 2.1, what a token is made of. Anything else has no place in a header. */
const bearerToken = /^[A-Za-z0-9._~+/-]{1,8192}=*$/;

export interface MachineTerms {
  readonly options: AlertOptions;
  /** Their names, for LAPI's list of who raises which alerts. */
  readonly scenarios: readonly string[];
  readonly lapi: Exchange;
  readonly clock: Clock;
  /** The time of day, in which LAPI says when a token expires. */
  wallMs(): number;
}

interface Token {
  readonly text: string;
  readonly endsMs: number;
}

export class Machine {
  readonly #terms: MachineTerms;
  #token: Token | null = null;

  constructor(terms: MachineTerms) {
    this.#terms = terms;
  }

  post(path: string, body: string): Promise<Answer> {
    return this.#ask((headers) => this.#terms.lapi.post(path, body, { ...headers, ...json }));
  }

  get(path: string): Promise<Answer> {
    return this.#ask((headers) => this.#terms.lapi.get(path, headers));
  }

  /** Asks with the token that is there, else with a new one; where none is to be had, the answer is the login's. */
  async #ask(ask: (headers: Headers) => Promise<Answer>): Promise<Answer> {
    if (this.#token !== null && this.#terms.clock.milliseconds() < this.#token.endsMs) {
      const answer = await ask(shown(this.#token));
      if (!hasStatus(answer, 401)) return answer;
    }
    const login = await this.#login();
    this.#token = this.#tokenIn(login);
    if (this.#token !== null) return ask(shown(this.#token));
    return hasStatus(login, 200) ? { failed: "malformed", detail: "token" } : login;
  }

  #login(): Promise<Answer> {
    const { options, scenarios } = this.#terms;
    const body = JSON.stringify({ machine_id: options.machineId, password: options.password, scenarios });
    return this.#terms.lapi.post("/v1/watchers/login", body, json);
  }

  /** One whose end cannot be read serves once. */
  #tokenIn(login: Answer): Token | null {
    if (!("status" in login) || login.status !== 200) return null;
    const { token, expire } = fieldsOf(login.body);
    if (typeof token !== "string" || !bearerToken.test(token)) return null;
    const endsMs = typeof expire === "string" ? Date.parse(expire) : Number.NaN;
    const lastsMs = endsMs - this.#terms.wallMs() - TOKEN_MARGIN_MS;
    return { text: token, endsMs: this.#terms.clock.milliseconds() + lastsMs };
  }
}

function shown({ text }: Token): Headers {
  return { authorization: `Bearer ${text}` };
}

/** The fields of a JSON object; none where it is none. */
function fieldsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === "object" && parsed !== null ? { ...parsed } : {};
  } catch {
    return {};
  }
}

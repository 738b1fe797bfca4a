/**
 * What is seen of a session from inside: the dialogue's watch asks it whether the client may, and tells it what became of
 * messages and logins. It counts for the session's record and passes the rest on to the limits and the observer.
 *
 * It lives from the client's admission on, and holds its lease. It is asked nothing once that is given back: the watch has
 * gone by then.
 */
import type { LimitedEvent, Securing, Witness } from "../dialogue.ts";
import type { AttemptedEvent, ClientEvent, Connected, Verdict } from "../limits/limiter.ts";
import type { CommandReason } from "../outcome.ts";
import type { ImapTally, SmtpTally } from "../record.ts";
import type { Gate } from "./gate.ts";
import type { Session } from "./session.ts";

/**
 * So many handshakes may be under way in each thread. Each costs some 50 KiB and about a millisecond of CPU: beyond a
 * second's work a client would only wait.
 */
const HANDSHAKES_MAX = 1000;

export class Tally implements Witness, SmtpTally, ImapTally {
  mails = 0;
  recipients = 0;
  refused = 0;
  logins = 0;
  failures = 0;
  user: string | null = null;
  /** The client is under TLS that ends here. */
  isSecured = false;
  readonly #gate: Gate;
  readonly #who: Connected;
  readonly #session: Pick<Session, "await">;
  #hasLeft = false;

  constructor(gate: Gate, who: Connected, session: Pick<Session, "await">) {
    this.#gate = gate;
    this.#who = who;
    this.#session = session;
  }

  allows(event: LimitedEvent): boolean {
    const allowed = this.#counts(event);
    if (!allowed) this.#withhold(event);
    return allowed;
  }

  maySecure(): Securing {
    const securing = this.securing();
    if (securing === "limited") this.#withhold("new-tls-session-rate");
    return securing;
  }

  /** The same for a client that is not told why. */
  securing(): Securing {
    if (this.#gate.sessions.handshakes >= HANDSHAKES_MAX) return "busy";
    const verdict = this.#standing("new-tls-session-rate");
    // In a dry run the handshake comes, and is told of when it is counted.
    return verdict.refused && !this.#passes(verdict) ? "limited" : "allowed";
  }

  mayLogIn(): boolean {
    return this.#passes(this.#standing("auth-failure-rate"));
  }

  /** A handshake is over, and was no resumption, failed or not; whether the client may have had it. */
  mayHaveSecured(): boolean {
    return this.#counts("new-tls-session-rate");
  }

  message(accepted: boolean, recipients: number): void {
    if (accepted) {
      this.mails++;
      this.recipients += recipients;
      this.#gate.observer.delivered(this.#gate);
    } else this.refused++;
  }

  login(ok: boolean, method: string, user: string | null): void {
    const gate = this.#gate;
    gate.observer.login(gate, { client: this.#who.client, ok, method, user, tls: this.isSecured });
    if (ok || this.logins === 0) this.user = user;
    if (ok) this.logins++;
    else this.#failed();
  }

  /** The end of the connection: gives the lease back. */
  leave(ended: { readonly refused: boolean; readonly bytes: number }): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    const { limiter, clock } = this.#gate;
    limiter.disconnect(this.#who.lease, { ...ended, messages: this.mails }, clock.seconds());
  }

  #failed(): void {
    this.failures++;
    const { limiter, clock } = this.#gate;
    const delayMs = limiter.failed(this.#who, clock.seconds());
    if (delayMs > 0) this.#session.await("pause", delayMs);
  }

  #counts(event: AttemptedEvent): boolean {
    const { limiter, clock } = this.#gate;
    return this.#passes(limiter.attempt(event, this.#who, clock.seconds()));
  }

  #standing(event: "new-tls-session-rate" | "auth-failure-rate"): Verdict<ClientEvent> {
    return this.#gate.limiter.standing(event, this.#who, this.#gate.clock.seconds());
  }

  #passes(verdict: Verdict): boolean {
    if (verdict.excess !== null) this.#gate.observer.limited(this.#gate, this.#who.client, verdict);
    return !verdict.refused;
  }

  #withhold(reason: CommandReason): void {
    this.refused++;
    this.#gate.observer.withheld(this.#gate, reason);
  }
}

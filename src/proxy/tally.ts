/**
 * What is seen of a session from inside: the dialogue's watch asks it whether the client may, and tells it what became of
 * messages and logins. It counts for the session's record and passes the rest on to the limits and the observer.
 *
 * It lives from the client's admission on, where there is a dialogue at all, and is asked nothing once the lease is given
 * back: the watch has gone by then.
 */
import type { Address } from "../address.ts";
import type { LimitedEvent, Witness } from "../dialogue.ts";
import type { SmtpTally } from "../record.ts";
import type { Gate } from "./gate.ts";

export class Tally implements Witness, SmtpTally {
  mails = 0;
  recipients = 0;
  refused = 0;
  readonly #gate: Gate;
  readonly #who: { readonly client: Address; readonly lease: number };

  constructor(gate: Gate, who: { readonly client: Address; readonly lease: number }) {
    this.#gate = gate;
    this.#who = who;
  }

  allows(event: LimitedEvent): boolean {
    const gate = this.#gate;
    const verdict = gate.limiter.attempt(event, this.#who, gate.clock.seconds());
    if (verdict.excess !== null) gate.observer.limited(gate, this.#who.client, verdict);
    if (!verdict.refused) return true;
    this.refused++;
    gate.observer.withheld(gate, event);
    return false;
  }

  message(accepted: boolean, recipients: number): void {
    if (accepted) {
      this.mails++;
      this.recipients += recipients;
      this.#gate.observer.delivered(this.#gate);
    } else this.refused++;
  }

  login(ok: boolean, method: string, user: string | null): void {
    this.#gate.observer.login(this.#gate, { client: this.#who.client, ok, method, user });
  }
}

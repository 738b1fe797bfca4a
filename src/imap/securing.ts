/**
 * TLS between the client and postern, as far as the dialogue has a say in it: what is offered, who may begin, and whether
 * logins have to wait for it (RFC 9051 6.2.1, 11.1).
 */
import type { Witness } from "../dialogue.ts";
import type { Offer } from "./capabilities.ts";
import type { ImapDialogueOptions } from "./options.ts";
import { type Reply, replies } from "./refuse.ts";

export class Securing {
  readonly #options: ImapDialogueOptions;
  #isSecured: boolean;

  constructor(options: ImapDialogueOptions) {
    this.#options = options;
    this.#isSecured = options.startTls === "begun";
  }

  /** Whether the client's STARTTLS is the server's to answer. */
  get isServers(): boolean {
    return this.#options.startTls === "passed";
  }

  get loginHasToWait(): boolean {
    return this.#options.loginNeedsTls && !this.#isSecured;
  }

  /** What the client may see of the server's capabilities: with its TLS they are none of ours. */
  get offer(): Offer {
    const ours = this.#isSecured ? "hidden" : "offered";
    const open = this.isServers ? "server" : "enabled";
    return {
      startTls: this.isServers ? "server" : ours,
      logins: this.loginHasToWait ? "disabled" : open,
    };
  }

  done(): void {
    this.#isSecured = true;
  }

  /** Why the client may not begin; null when it may. */
  refusal(witness: Pick<Witness, "maySecure">): Reply | null {
    if (this.#isSecured) return replies.tlsActive;
    const may = witness.maySecure();
    switch (may) {
      case "allowed":
        return null;
      case "busy":
        return replies.tlsUnavailable;
      case "limited":
        return replies.tooManyTls;
      default:
        return may satisfies never;
    }
  }
}

/**
 * TLS between the client and postern, as far as the dialogue has a say in it: what is offered, who may begin, and whether
 * logins have to wait for it (RFC 3207, RFC 4954 4).
 */
import type { Address } from "../address.ts";
import type { Witness } from "../dialogue.ts";
import { isBare } from "./commands.ts";
import type { Offer } from "./extensions.ts";
import type { SmtpDialogueOptions } from "./options.ts";
import { replies } from "./refuse.ts";

/** A client's STARTTLS. */
interface Asked {
  readonly line: Uint8Array;
  readonly client: Address;
  readonly isLoggedIn: boolean;
}

export class Securing {
  readonly #options: SmtpDialogueOptions;
  #isSecured: boolean;

  constructor(options: SmtpDialogueOptions) {
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

  /** What the client may see in an EHLO reply. */
  get offer(): Offer {
    const ours = this.#isSecured ? "hidden" : "offered";
    return {
      startTls: this.isServers ? "server" : ours,
      auth: this.loginHasToWait ? "hidden" : "server",
    };
  }

  done(): void {
    this.#isSecured = true;
  }

  /** Why the client may not begin; null when it may. A login is not forgotten by TLS, so that none may come before it. */
  refusal({ line, client, isLoggedIn }: Asked, witness: Witness): Uint8Array | null {
    if (!isBare(line)) return replies.bareStartTls;
    if (this.#isSecured) return replies.tlsActive;
    if (isLoggedIn) return replies.loggedIn;
    const may = witness.maySecure();
    switch (may) {
      case "allowed":
        return null;
      case "busy":
        return replies.tlsUnavailable;
      case "limited":
        return replies.tooManyTls(client);
      default:
        return may satisfies never;
    }
  }
}

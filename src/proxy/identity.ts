/**
 * Who the client is, told to the upstream before anything else: as a PROXY header, or in the exchange that the dialogue
 * offers (XCLIENT, IMAP ID). Fails closed: an upstream that does not take the identity never sees the client.
 */
import type { Introducer, Introduction } from "../dialogue.ts";
import type { Connection, ConnectionOwner } from "../wire/wire.ts";
import { encodeV1, encodeV2 } from "./header.ts";
import type { Session } from "./session.ts";

/** Owns the upstream connection until the identity is out. */
export class Approach implements ConnectionOwner {
  readonly #session: Session;
  /** Null before the connection is there, and where the identity needs no exchange. */
  #introducer: Introducer | null = null;

  constructor(session: Session) {
    this.#session = session;
  }

  onConnect(connection: Connection): void {
    const { gate } = this.#session;
    const introduction = this.#session.reached();
    const { identity } = gate.pool.options;
    switch (identity) {
      case "proxy-v2":
      case "proxy-v1":
        connection.write(headerFor(identity, introduction));
        return this.#session.introduced(null);
      case "none":
        return this.#session.introduced(null);
      case "xclient":
      case "id":
        if (gate.dialogue === null) return this.#session.fail("identity-refused", "no dialogue for it");
        this.#introducer = gate.dialogue.introduce(introduction);
        return connection.start();
      default:
        return identity satisfies never;
    }
  }

  onData(connection: Connection, bytes: Uint8Array): void {
    const step = this.#introducer!.feed(bytes);
    switch (step.kind) {
      case "more":
        connection.write(step.send);
        return;
      case "done":
        return this.#session.introduced(step.greeting);
      case "declined":
        return this.#session.declined(step.reply);
      case "refused":
        return this.#session.fail("identity-refused", step.detail);
      default:
        return step satisfies never;
    }
  }

  onEnd(): void {
    this.#session.fail("upstream-unavailable", "closed by the upstream during the identity's exchange");
  }

  onDrain(): void {}

  onError(_connection: Connection, code: string): void {
    if (this.#introducer === null) this.#session.unreachable(code);
    else this.#session.fail("upstream-unavailable", code);
  }
}

function headerFor(identity: "proxy-v2" | "proxy-v1", { client, destination }: Introduction): Uint8Array {
  return identity === "proxy-v2" ? encodeV2(client, destination) : encodeV1(client, destination);
}

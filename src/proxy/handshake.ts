/** A client's connection while TLS begins on it: nothing is heard of it but that it has begun, or never will. */
import type { Connection, ConnectionOwner } from "../wire/wire.ts";
import type { Session } from "./session.ts";

export class Handshake implements ConnectionOwner {
  readonly #session: Session;
  readonly #then: () => void;

  /** `then` goes on with the connection, once the session has taken what the handshake came to. */
  constructor(session: Session, then: () => void) {
    this.#session = session;
    this.#then = then;
  }

  onConnect(): void {
    if (this.#session.secured()) this.#then();
  }

  onData(): void {}

  onEnd(): void {
    this.#session.insecure("EOF");
  }

  onDrain(): void {}

  onError(_connection: Connection, code: string): void {
    this.#session.insecure(code);
  }
}

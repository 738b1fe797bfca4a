/** A client's connection while TLS begins on it: nothing is heard of it but that it has begun, or never will. */
import type { Connection, ConnectionOwner } from "../wire/wire.ts";
import { HANDSHAKE_MS } from "./phases.ts";
import type { Session } from "./session.ts";
import type { Tally } from "./tally.ts";

export class Handshake implements ConnectionOwner {
  readonly #session: Session;
  readonly #tally: Tally;
  readonly #then: () => void;

  /** `then` goes on with the connection, once the client may have had the handshake. */
  constructor(session: Session, tally: Tally, then: () => void) {
    this.#session = session;
    this.#tally = tally;
    this.#then = then;
  }

  /** `surplus` has come already, and is the handshake's. */
  begin(connection: Connection, surplus: Uint8Array): void {
    this.#session.await("handshake", HANDSHAKE_MS);
    connection.owner = this;
    connection.secure(this.#session.gate.tls!, surplus);
  }

  onConnect(connection: Connection): void {
    this.#session.flow();
    this.#tally.isSecured = true;
    if (connection.tls?.resumed === true || this.#tally.mayHaveSecured()) this.#then();
    else this.#session.refuse("new-tls-session-rate");
  }

  onData(): void {}

  onEnd(): void {
    this.#fail("EOF");
  }

  onDrain(): void {}

  onError(_connection: Connection, code: string): void {
    this.#fail(code);
  }

  /** `code` is OpenSSL's or the system's, or says that it took too long. Postfix counts such a handshake, too. */
  #fail(code: string): void {
    this.#tally.mayHaveSecured();
    this.#session.reject("tls-handshake", code);
  }
}

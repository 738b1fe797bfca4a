/** The client's bytes after its refusal: nobody listens any more, and its end is awaited. */
import type { ConnectionOwner } from "../wire/wire.ts";
import type { Session } from "./session.ts";

export class Farewell implements ConnectionOwner {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  onConnect(): void {}

  onData(): void {}

  onEnd(): void {
    this.#session.closed();
  }

  onDrain(): void {}

  onError(): void {
    this.#session.closed();
  }
}

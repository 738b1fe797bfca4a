/** The last of a session: the client reads what it was told, nobody listens to it any more, and its end is awaited. */
import type { Connection, ConnectionOwner } from "../wire/wire.ts";
import { AFTER_UPSTREAM_MS, FAREWELL_MS } from "./phases.ts";
import type { Session } from "./session.ts";

export class Farewell implements ConnectionOwner {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  begin(connection: Connection): void {
    this.#session.await("farewell", AFTER_UPSTREAM_MS);
    connection.owner = this;
    connection.end();
    connection.start();
    this.#progress(connection);
  }

  onConnect(): void {}

  onData(): void {}

  onEnd(connection: Connection): void {
    this.#progress(connection);
  }

  onDrain(connection: Connection): void {
    this.#progress(connection);
  }

  onError(): void {
    this.#session.stop();
  }

  /** A socket that is closed over bytes that nobody read is reset, and a reset overtakes what was written before. */
  #progress(connection: Connection): void {
    if (connection.isPending) return;
    if (connection.hasEnded) this.#session.stop();
    else this.#session.await("farewell", FAREWELL_MS);
  }
}

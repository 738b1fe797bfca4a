/** The client's bytes while a PROXY header is awaited: in any cuts, and under the session's deadline. */
import type { Connection, ConnectionOwner } from "../wire/wire.ts";
import { HeaderDecoder } from "./header.ts";
import type { Session } from "./session.ts";

export class Arrival implements ConnectionOwner {
  readonly #session: Session;
  readonly #decoder = new HeaderDecoder();

  constructor(session: Session) {
    this.#session = session;
  }

  onConnect(): void {}

  onData(_connection: Connection, bytes: Uint8Array): void {
    const step = this.#decoder.feed(bytes);
    switch (step.kind) {
      case "more":
        return;
      case "done":
        return this.#session.arrived(step.header, bytes.subarray(step.used));
      case "bad":
        return this.#session.reject(step.reason);
      default:
        return step satisfies never;
    }
  }

  onEnd(): void {
    this.#session.reject(this.#decoder.end());
  }

  onDrain(): void {}

  onError(): void {
    this.#session.reject(this.#decoder.end());
  }
}

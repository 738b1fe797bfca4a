/**
 * A health check, be it a load balancer's own (a LOCAL header) or that of a client which only checks: postern converses
 * with it in the dialogue's words. Where the stream cannot be read there are none, and the connection is held until the
 * checker closes it. A check is nobody's client: it is not counted as one, and no server hears of it.
 */
import type { Responder } from "../dialogue.ts";
import { nothing } from "../lines.ts";
import type { Connection, ConnectionOwner } from "../wire/wire.ts";
import { MONITOR_MS } from "./phases.ts";
import type { Session } from "./session.ts";

const ANSWERED = { outcome: "healthcheck", reason: null, detail: null } as const;

export class Monitor implements ConnectionOwner {
  readonly #session: Session;
  readonly #isUp: boolean;
  readonly #responder: Responder | null;

  constructor(session: Session) {
    const { pool, clock, dialogue } = session.gate;
    this.#session = session;
    this.#isUp = pool.isOpen(clock.seconds());
    this.#responder = dialogue?.monitor(this.#isUp) ?? null;
  }

  /** `surplus` is what the checker already said behind its header. */
  begin(connection: Connection, surplus: Uint8Array): void {
    const { options, tls } = this.#session.gate;
    this.#session.await("monitor", this.#responder === null ? options.idleTimeoutMs : MONITOR_MS);
    if (this.#responder === null && !this.#isUp) return this.#session.stop();
    connection.owner = this;
    if (options.tls === "implicit") connection.secure(tls!, surplus);
    else this.#greet(connection, surplus);
  }

  #greet(connection: Connection, surplus: Uint8Array): void {
    connection.start();
    if (this.#responder !== null) this.#say(connection, this.#responder.greeting);
    if (surplus.length > 0 && this.#responder?.closing !== true) this.onData(connection, surplus);
  }

  /** TLS had to begin first. */
  onConnect(connection: Connection): void {
    this.#greet(connection, nothing);
  }

  onData(connection: Connection, bytes: Uint8Array): void {
    this.#session.bytesIn += bytes.length;
    if (this.#responder !== null) this.#say(connection, this.#responder.feed(bytes));
  }

  onEnd(): void {
    this.#session.stop();
  }

  onDrain(): void {}

  onError(): void {
    this.#session.stop();
  }

  #say(connection: Connection, reply: Uint8Array): void {
    if (this.#responder?.closing === true) return this.#session.concluded({ ...ANSWERED, words: reply });
    this.#session.bytesOut += reply.length;
    connection.write(reply);
  }
}

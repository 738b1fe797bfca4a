/**
 * What a banned client gets: a refusal, or none, or a long wait for one. While it waits it hears nothing, and what it says
 * is thrown away. That costs a socket and this much of our attention; so few are kept, and one that will not be quiet is
 * not.
 */
import type { Ban } from "../record.ts";
import type { Connection, ConnectionOwner } from "../wire/wire.ts";
import type { Session } from "./session.ts";

/** A guesser that waits a minute for each refusal tries sixty times in an hour. */
const TARPIT_MS = 60_000;

/** So many wait in each thread at most, and hold no more than this part of its places: those beyond are refused at once. */
const TARPITS_MAX = 100;
const TARPITS_SHARE = 0.1;

/** What a client that speaks early may say: an EHLO, a ClientHello, a flight of commands. */
const HEARD_BYTES_MAX = 16 * 1024;

export class Banishment implements ConnectionOwner {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Without a place under `maxConnections` there is no waiting. */
  begin({ tarpits }: Ban, connection: Connection, hasPlace: boolean): void {
    const session = this.#session;
    const { options } = session.gate;
    const action = tarpits ? "tarpit" : options.ban.action;
    if (action === "drop") return session.reject("banned");
    if (action === "reply" || !hasPlace || this.#isFull) return session.refuse("banned");
    session.await("tarpit", TARPIT_MS);
    connection.owner = this;
    connection.start();
  }

  get #isFull(): boolean {
    const { sessions, total } = this.#session.gate;
    return sessions.tarpits >= Math.min(TARPITS_MAX, Math.floor(TARPITS_SHARE * total.share));
  }

  onConnect(): void {}

  onData(_connection: Connection, bytes: Uint8Array): void {
    this.#session.bytesIn += bytes.length;
    if (this.#session.bytesIn > HEARD_BYTES_MAX) this.#session.reject("banned");
  }

  onEnd(): void {
    this.#session.reject("banned");
  }

  onDrain(): void {}

  onError(): void {
    this.#session.reject("banned");
  }
}

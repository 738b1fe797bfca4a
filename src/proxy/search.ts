/**
 * A session's way to a server: the pool says which to try, those that cannot be reached are left out, and the next one is
 * tried until none is left. Owns the upstream connection from its beginning to its end.
 */
import type { SpokenReason } from "../outcome.ts";
import type { Server } from "../pools/pool.ts";
import type { Connection } from "../wire/wire.ts";
import { Approach } from "./identity.ts";
import type { Session } from "./session.ts";

/** What a connect can fail with while its server is well. */
const OUR_OWN_FAULTS: ReadonlySet<string> = new Set([
  "EMFILE",
  "ENFILE",
  "ENOBUFS",
  "ENOMEM",
  "EADDRNOTAVAIL",
]);

export class Search {
  readonly #session: Session;
  #connection: Connection | null = null;
  #server: Server | null = null;
  #startedMs = 0;
  /** Those that could not be connected to; null while all went well. */
  #tried: Set<Server> | null = null;

  constructor(session: Session) {
    this.#session = session;
  }

  /** The server's, as in the configuration; null before one was tried. */
  get serverName(): string | null {
    return this.#server?.name ?? null;
  }

  get connection(): Connection | null {
    return this.#connection;
  }

  begin(): void {
    this.#next("upstream-unavailable", null);
  }

  /** The server could not be connected to; `code` is the system's, null where it did not answer in time. */
  failed(reason: SpokenReason, code: string | null): void {
    const { gate } = this.#session;
    const server = this.#server!;
    if (code === null || !OUR_OWN_FAULTS.has(code)) gate.pool.failed(server, gate.clock.seconds());
    this.#tried ??= new Set();
    this.#tried.add(server);
    this.close();
    this.#next(reason, code);
  }

  /** The connection is there. */
  succeeded(): void {
    const { gate } = this.#session;
    gate.pool.succeeded(this.#server!);
    gate.observer.connected(gate, gate.clock.milliseconds() - this.#startedMs);
  }

  close(): void {
    this.#connection?.close();
    this.#connection = null;
  }

  /** When no server is left the client is told so, and `reason` and `detail` say why. */
  #next(reason: SpokenReason, detail: string | null): void {
    const session = this.#session;
    const { gate } = session;
    const server = gate.pool.pick(this.#tried, gate.clock.seconds());
    if (server === null) return session.fail(reason, detail);
    this.#server = server;
    session.await("connect", gate.pool.options.connectTimeoutMs);
    this.#startedMs = gate.clock.milliseconds();
    this.#connection = gate.wire.connect(server.endpoint, new Approach(session));
  }
}

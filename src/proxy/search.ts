/**
 * A session's way to a server: the pool says which to try, and for as long as the client has not heard a byte, those that
 * fail are left out and the next one is tried, until none is left. Each is tried once, and has its own deadlines.
 *
 * Owns the upstream connection from its beginning to its end, and the slot on its server.
 */
import type { SpokenReason } from "../outcome.ts";
import type { NoServer, Server } from "../pools/pool.ts";
import type { Connection } from "../wire/wire.ts";
import { Approach } from "./identity.ts";
import type { Session } from "./session.ts";

/** What a connect can fail with while its server is well. */
const OUR_OWN_FAULTS: ReadonlySet<string | null> = new Set([
  "EMFILE",
  "ENFILE",
  "ENOBUFS",
  "ENOMEM",
  "EADDRNOTAVAIL",
]);

export class Search {
  readonly #session: Session;
  #connection: Connection | null = null;
  /** The one that is tried, or was tried last. */
  #server: Server | null = null;
  #hasSlot = false;
  /** Whether the server has been connected to. */
  #isReached = false;
  #startedMs = 0;
  /** Those that have failed; null while all goes well. */
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
    const next = this.#pick();
    if (isServer(next)) this.#try(next);
    else this.#giveUp(next, "upstream-unavailable", null);
  }

  /** The server is not there, or not any more; `detail` is the system's code or a phrase, null where it was silent. */
  failed(reason: SpokenReason, detail: string | null): void {
    this.#passOver(detail);
    const next = this.#pick();
    if (isServer(next)) this.#try(next);
    else this.#giveUp(next, reason, detail);
  }

  /** The server's greeting refuses. Whether another is tried: where none is left, its words are the client's to have. */
  unwilling(): boolean {
    this.#passOver(null);
    const next = this.#pick();
    if (isServer(next)) this.#try(next);
    return isServer(next);
  }

  /** The connection is there. */
  reached(): void {
    const { gate } = this.#session;
    this.#isReached = true;
    gate.observer.connected(gate, gate.clock.milliseconds() - this.#startedMs);
  }

  /** The session goes to the server. One of which only the refusal goes to the client has failed before. */
  succeeded(): void {
    const { pool, clock } = this.#session.gate;
    if (this.#tried?.has(this.#server!) !== true) pool.succeeded(this.#server!, clock.seconds());
  }

  /** The server has done with the session, whatever the client still has to read. */
  leave(): void {
    if (!this.#hasSlot) return;
    this.#hasSlot = false;
    this.#session.gate.pool.leave(this.#server!);
  }

  close(): void {
    this.leave();
    this.#connection?.close();
    this.#connection = null;
  }

  #pick(): Server | NoServer {
    const { client, gate } = this.#session;
    return gate.pool.pick(client!.address, this.#tried, gate.clock.seconds());
  }

  /** The pool has given a slot on it. */
  #try(server: Server): void {
    const session = this.#session;
    const { gate } = session;
    this.close();
    this.#server = server;
    this.#hasSlot = true;
    this.#isReached = false;
    session.await("connect", gate.pool.options.connectTimeoutMs);
    this.#startedMs = gate.clock.milliseconds();
    this.#connection = gate.wire.connect(server.endpoint, new Approach(session, this));
  }

  /** A server that is told of the client may fail by that client's doing, who must not take it from all others. */
  #passOver(detail: string | null): void {
    const { client, gate } = this.#session;
    const { pool, clock } = gate;
    const server = this.#server!;
    const now = clock.seconds();
    this.#tried ??= new Set();
    this.#tried.add(server);
    const isTold = this.#isReached && pool.options.identity !== "none";
    if (isTold) pool.failedWith(server, client!.address, now);
    else if (!OUR_OWN_FAULTS.has(detail)) pool.failed(server, now);
  }

  /** The client is told; the last server's failure says why. */
  #giveUp(none: NoServer, reason: SpokenReason, detail: string | null): void {
    if (none === "full") this.#session.fail("upstream-unavailable", "all servers are full");
    else this.#session.fail(reason, detail);
  }
}

function isServer(found: Server | NoServer): found is Server {
  return typeof found === "object";
}

/**
 * A session's way to a server: the pool says which to try, and for as long as the client has not heard a byte, those that
 * fail are left out and the next one is tried, until none is left. Each is tried once, and has its own deadlines. Then the
 * client is parked where its pool does that, and all are there to be tried again when its turn comes.
 *
 * Owns the upstream connection from its beginning to its end, the slot on its server, and the client's stay.
 */
import type { Unwelcoming } from "../dialogue.ts";
import type { ParkOutcome, SpokenReason } from "../outcome.ts";
import type { NoServer, Server } from "../pools/pool.ts";
import type { Connection } from "../wire/wire.ts";
import { Approach } from "./identity.ts";
import type { Stay } from "./parking.ts";
import type { Session } from "./session.ts";

/** What a connect can fail with while its server is well. */
const OUR_OWN_FAULTS: ReadonlySet<string | null> = new Set([
  "EMFILE",
  "ENFILE",
  "ENOBUFS",
  "ENOMEM",
  "EADDRNOTAVAIL",
]);

/**
 * A client with which servers fail that count as up all the same pauses before it tries again, and the others go: it may
 * be its doing. As long as an attempt while nothing is up, then twice as long each time.
 */
const PAUSE_MS = 500;
const PAUSE_MS_MAX = 8000;

/**
 * So many pauses take 47.5 s. By then checks have found out, by default, whether it is the server: three of them fail
 * within 33 s. If they have not, the client is not kept any more, as one that makes servers fail would go on with that.
 */
const PAUSES_MAX = 9;

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
  #pauses = 0;
  /** While it waits for a server, and while one is tried for it then. */
  #stay: Stay | null = null;

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
    const { parking } = this.#session.gate;
    if (!parking.isInUse) this.#next("upstream-unavailable", null);
    else if (!this.#park()) this.#session.fail("upstream-unavailable", "too many clients wait already");
  }

  /** The server is not there, or not any more; `detail` is the system's code or a phrase, null where it was silent. */
  failed(reason: SpokenReason, detail: string | null): void {
    this.#passOver(detail, null);
    this.#next(reason, detail);
  }

  /** What is waited for has not come in its time. */
  expire(): void {
    if (this.#session.phase !== "parked") return this.failed("upstream-timeout", null);
    this.#endStay("timeout");
    this.#session.fail("upstream-unavailable", "parked for too long");
  }

  /** The server's greeting refuses. Whether another is tried: where none is left, its words are the client's to have. */
  refused(greeting: Unwelcoming): boolean {
    this.#passOver(null, greeting);
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
    this.#endStay("served");
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

  /** The session is over. */
  end(): void {
    this.#endStay("gone");
    this.close();
  }

  #next(reason: SpokenReason, detail: string | null): void {
    const next = this.#pick();
    if (isServer(next)) this.#try(next);
    else if (!this.#park()) this.#giveUp(next, reason, detail);
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
  #passOver(detail: string | null, greeting: Unwelcoming | null): void {
    const { client, gate } = this.#session;
    const { pool, clock } = gate;
    const server = this.#server!;
    this.#tried ??= new Set();
    this.#tried.add(server);
    const isTold = this.#isReached && pool.options.identity !== "none";
    const isWell = greeting === "averse" || (greeting === "unwilling" && pool.isVouchedFor(server));
    if (!isWell && isTold) pool.failedWith(server, client!.address, clock.seconds());
    else if (!isWell && !OUR_OWN_FAULTS.has(detail)) pool.failed(server, clock.seconds());
  }

  /** Waits for a server, where it stood if it has waited before; false: it may not. */
  #park(): boolean {
    const session = this.#session;
    const { pool, parking, clock, observer } = session.gate;
    const pauseMs = this.#nextPauseMs();
    if (pool.queue === null || this.#pauses > PAUSES_MAX) return false;
    this.close();
    this.#tried = null;
    const known = this.#stay;
    const stay = known ?? parking.enter(() => this.#goOn(), pauseMs);
    if (known !== null) parking.line(known, pauseMs);
    if (stay === null) {
      observer.unparked(session.gate, "overflow");
      return false;
    }
    this.#stay = stay;
    session.park(stay.sinceMs + pool.options.park.timeoutMs - clock.milliseconds());
    return true;
  }

  /** Its turn has come, and by now another configuration may be in force. */
  #goOn(): void {
    const session = this.#session;
    while (session.gate.successor !== null) session.gate = session.gate.successor;
    this.#next("upstream-unavailable", null);
  }

  /** None where all that have failed are down by now; one whose servers are no more others' holds these up. */
  #nextPauseMs(): number {
    const { pool, parking, clock } = this.#session.gate;
    const now = clock.seconds();
    const tried = [...(this.#tried ?? [])];
    const isPause =
      tried.length > 0 && (!parking.serves(pool) || tried.some((server) => pool.isUp(server, now)));
    return isPause ? Math.min(PAUSE_MS * 2 ** this.#pauses++, PAUSE_MS_MAX) : 0;
  }

  #endStay(outcome: ParkOutcome): void {
    const stay = this.#stay;
    if (stay === null) return;
    this.#stay = null;
    const { gate } = this.#session;
    gate.parking.leave(stay);
    this.#session.parkedMs = Math.round(gate.clock.milliseconds() - stay.sinceMs);
    gate.observer.unparked(gate, outcome);
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

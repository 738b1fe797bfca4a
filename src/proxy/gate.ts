/**
 * What all sessions of one listener in one thread share. A session asks its gate for everything that is not the client's
 * own: the limits, the pool, the wire, the time, and whom to tell.
 */
import type { Address, Networks } from "../address.ts";
import type { Clock } from "../clock.ts";
import type { ClientTls, Dialogue } from "../dialogue.ts";
import type { Limiter, Verdict } from "../limits/limiter.ts";
import type { Total } from "../limits/total.ts";
import type { CommandReason, ParkOutcome } from "../outcome.ts";
import type { Pool } from "../pools/pool.ts";
import type { Ban, Login, SessionRecord } from "../record.ts";
import type { TlsTerms, Wire } from "../wire/wire.ts";
import type { ListenerOptions } from "./options.ts";
import type { Parking } from "./parking.ts";
import type { Sessions } from "./sessions.ts";

export interface Gate {
  /** The listener's place in the counters. */
  readonly index: number;
  readonly options: ListenerOptions;
  /** Who sends a PROXY header, and how long it may take; null: this listener takes none. */
  readonly header: { readonly from: Networks; readonly timeoutMs: number } | null;
  /** Clients that only check: they are answered as a LOCAL header is. */
  readonly monitors: Networks;
  /** The protocol's words and exchanges; null where postern cannot read the stream (TLS passed through, `tcp`). */
  readonly dialogue: Dialogue | null;
  /** How TLS with clients ends here; null: it does not. */
  readonly tls: TlsTerms | null;
  /** What servers are told of TLS with a client that may not log in before it, and has not begun it; null: nothing. */
  readonly tlsToCome: ClientTls | null;
  /** With whose papers TLS with the pool's servers is begun; null: it is not, whatever they offer. */
  readonly upstreamTls: TlsTerms | null;
  /** A client that speaks before the greeting is refused. */
  readonly refusesEarlyTalk: boolean;
  readonly bans: Bans;
  readonly limiter: Limiter;
  readonly pool: Pool;
  /** The thread's clients that wait for the pool's servers. */
  readonly parking: Parking;
  /** The pool's place in the counters. */
  readonly poolIndex: number;
  readonly total: Total;
  readonly wire: Wire;
  readonly clock: Clock;
  readonly sessions: Sessions;
  readonly observer: Observer;
  /** Behind which a client goes on that waits, once another configuration is in force; null: behind this one. */
  successor: Gate | null;
}

/** Who is banned, as one thread asks for it. */
export interface Bans {
  /** No list was ever received, and the client is not let in without one. */
  areMissingFor(client: Address): boolean;
  /** The decision that holds for the client; null: none does. */
  judge(client: Address, nowSeconds: number): Ban | null;
}

/** Whom the sessions of a thread tell what happened. */
export interface Observer {
  accepted(gate: Gate): void;
  /** An upstream connection took so long to be made. */
  connected(gate: Gate, milliseconds: number): void;
  /** A client's waiting for a server has ended. */
  unparked(gate: Gate, outcome: ParkOutcome): void;
  /** A client is beyond a limit, refused for it or not. */
  limited(gate: Gate, client: Address, verdict: Verdict): void;
  /** A command was refused for its limit; the session goes on. */
  withheld(gate: Gate, reason: CommandReason): void;
  /** The upstream has taken a message. */
  delivered(gate: Gate): void;
  /** The upstream has judged a login. */
  login(gate: Gate, login: Login): void;
  /** The one record of a connection, at its end. */
  ended(gate: Gate, record: SessionRecord): void;
}

/**
 * What is told about a session and about a client beyond a limit: what is counted, and the fields of their log lines.
 *
 * Plain shapes that the session's own record satisfies as it is, so that nothing is copied on the way to the counters and
 * to the log. No field holds text that a client chose.
 */
import type { Address, AddressAndPort } from "./address.ts";
import type { Outcome, Reason } from "./outcome.ts";

/** How a session ended, in numbers: as much as the counters need. */
export interface SessionEnd {
  readonly outcome: Outcome;
  /** Why it was refused or failed; null where there is nothing to say. */
  readonly reason: Reason | null;
  readonly durationMs: number;
  /** From the client. */
  readonly bytesIn: number;
  /** To the client. */
  readonly bytesOut: number;
}

/** The whole record of a session, for its log line. */
export interface SessionRecord extends SessionEnd {
  readonly id: string;
  /** Null while the client is unknown. */
  readonly client: AddressAndPort | null;
  /** The socket's other end; null only where the peer was gone before the system could be asked. */
  readonly peer: AddressAndPort | null;
  /** The server that took the session, as in the configuration; null when none did. */
  readonly server: string | null;
  /** A short fixed phrase of postern's own; null where the reason says it all. */
  readonly detail: string | null;
}

/** As much of a listener's options as a log line tells. */
export interface ListenerName {
  readonly name: string;
  readonly protocol: string;
}

/** A client beyond one of its limits. */
export interface LimitEvent {
  /** The listener's name. */
  readonly service: string;
  readonly client: Address;
  readonly reason: Reason;
  /** What the client came to, this time included. */
  readonly count: number;
  readonly limit: number;
  /** True: the limit is only tried out, and the client was let in. */
  readonly dryRun: boolean;
}

/**
 * What is told about a session, about a client beyond a limit and about a login: what is counted, and the fields of their
 * log lines.
 *
 * Plain shapes that the session's own record satisfies as it is, so that nothing is copied on the way to the counters and
 * to the log. Only a login's `method` and `user` hold text that a client chose.
 */
import type { Address, AddressAndPort } from "./address.ts";
import type { Outcome, Reason } from "./outcome.ts";

/** So many origins of decisions are told apart, over the process's life: the last stands for all that come after. */
export const ORIGINS_MAX = 64;

/** A decision of CrowdSec's that holds for a client now. */
export interface Ban {
  /** The decision's, as LAPI numbers them. */
  readonly id: number;
  /** Who decided: `crowdsec`, `cscli`, `CAPI`, or `lists:NAME` for one of the lists that are subscribed to. */
  readonly origin: string;
  /** The origin's place among those that the counters know. */
  readonly originIndex: number;
  readonly scenario: string;
  /** `ban`, or whatever other type the configuration takes for one. */
  readonly type: string;
  /** The client is held instead of refused, whatever its listener does with banned ones. */
  readonly tarpits: boolean;
  readonly remainingSeconds: number;
}

/** How a session ended, in numbers: as much as the counters need. */
export interface SessionEnd {
  readonly outcome: Outcome;
  /** Why it was refused or failed; null where there is nothing to say. */
  readonly reason: Reason | null;
  /** Null while the client is unknown. */
  readonly client: AddressAndPort | null;
  /** The decision that the client was refused for; null where it was not. */
  readonly ban: Ban | null;
  readonly durationMs: number;
  /** From the client. */
  readonly bytesIn: number;
  /** To the client. */
  readonly bytesOut: number;
}

/** What came of an SMTP session, as far as it could be read. */
export interface SmtpTally {
  /** Messages that the upstream took, and the recipients that it took them for. */
  readonly mails: number;
  readonly recipients: number;
  /** Commands that a limit refused, and messages that the upstream did not take at their end. */
  readonly refused: number;
}

/** What came of the logins of an IMAP session. */
export interface ImapTally {
  /** Whose login the upstream took, else whose it judged last; null where there was none, or the mechanism does not show it. */
  readonly user: string | null;
  /** Logins that the upstream took, and those that it did not. */
  readonly logins: number;
  readonly failures: number;
}

/**
 * How much of a session was read:
 *
 * - `full`: all that passed; in IMAP up to the login, behind which nothing ever is.
 * - `until-starttls`: all up to the client's STARTTLS.
 * - `none`: nothing, because it could not be read or never came to pass.
 */
export type Inspected = "full" | "until-starttls" | "none";

/** The whole record of a session, for its log line. */
export interface SessionRecord extends SessionEnd {
  readonly id: string;
  /** The socket's other end; null only where the peer was gone before the system could be asked. */
  readonly peer: AddressAndPort | null;
  /** The server that took the session, as in the configuration; null when none did. */
  readonly server: string | null;
  /** A short fixed phrase of postern's own; null where the reason says it all. */
  readonly detail: string | null;
  /** How long it was kept waiting for a server; null where it was not. */
  readonly parkedMs: number | null;
  /** Null where it is no SMTP session, or none of it was read. */
  readonly smtp: SmtpTally | null;
  /** Null where it is no IMAP session, or none of it was read. */
  readonly imap: ImapTally | null;
  readonly inspected: Inspected;
  /** Of the client's connection, where TLS ended here. */
  readonly tls: { readonly version: string; readonly cipher: string } | null;
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
  /** What the client came to; this time included, where it was let come to it. */
  readonly count: number;
  readonly limit: number;
  /** True: the limit is only tried out, and the client was let in. */
  readonly dryRun: boolean;
}

/** What the upstream said to a login. */
export interface Login {
  readonly client: Address;
  readonly ok: boolean;
  /** Whether the client said it inside TLS that ended here. */
  readonly tls: boolean;
  /** The mechanism, as the client said it. */
  readonly method: string;
  /** The user, as the client said it; null where the mechanism does not show it. */
  readonly user: string | null;
}

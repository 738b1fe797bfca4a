/**
 * The words for how a session ends: they stand in the log, in the metrics' labels and in the code alike.
 *
 * `outcomes` says how it ended, `reasons` why postern refused it, or something in it, or why it failed. Both are part of
 * the contract with users' dashboards: add to them, never rename.
 */

export const outcomes = ["closed", "refused", "failed", "healthcheck", "timeout", "drained"] as const;

/**
 * - `closed`: ended by either side after the splice began.
 * - `refused`: by postern, see the reason.
 * - `failed`: the upstream or the identity.
 * - `healthcheck`: a check, a load balancer's own or a monitor's, answered by postern.
 * - `timeout`: a deadline passed while nobody was to blame in particular.
 * - `drained`: cut off at the end of a drain.
 */
export type Outcome = (typeof outcomes)[number];

/**
 * How a client's waiting for a server ended: it was `served`, or had waited for too long (`timeout`); `overflow` was never
 * kept, as too many were; `gone` ended before its turn for any other reason, most often of its own accord.
 */
export const parkOutcomes = ["served", "timeout", "overflow", "gone"] as const;

export type ParkOutcome = (typeof parkOutcomes)[number];

/** The reasons that the PROXY header's decoder, or its absence, gives. Such a peer is no mail client, and is told nothing. */
const headerReasons = [
  "proxy-untrusted",
  "proxy-missing",
  "proxy-malformed",
  "proxy-unsupported",
  "proxy-checksum",
  "proxy-source",
  "proxy-timeout",
  "proxy-too-long",
] as const;

/**
 * What a client did that no mail client does: security events, and nothing that a server's or our own fault can cause.
 *
 * - `early-talk`: it spoke before the greeting.
 * - `not-smtp`: another protocol's first words (HTTP, a TLS handshake in the clear).
 * - `command-injection`: bytes behind STARTTLS, ahead of the handshake.
 * - `bare-newline`: a CR or LF that stands alone.
 * - `nul-byte`, `line-too-long`, `too-many-commands` (unanswered ones), `too-many-errors`: what they say.
 * - `protocol-violation`: what cannot be followed for any other reason.
 */
export const offences = [
  "early-talk",
  "not-smtp",
  "command-injection",
  "bare-newline",
  "nul-byte",
  "line-too-long",
  "too-many-commands",
  "too-many-errors",
  "protocol-violation",
] as const;

/** The detail of a `not-smtp` whose first bytes are no text: TLS in the clear, as of a mail program on the wrong port. */
export const NO_TEXT = "no text";

/**
 * What postern guards a session against although its client has not done it: what a server, or somebody between, slips in
 * ahead of TLS. The session has failed, and is counted among those refused all the same.
 */
export const INJECTED = "response-injection";

/**
 * The reasons that a client is told, in its protocol's words.
 *
 * - `banned`: by a decision of CrowdSec's.
 * - `ban-list-missing`: there has been no list of such decisions yet, and nobody is let in without one.
 */
export const spokenReasons = [
  "banned",
  "ban-list-missing",
  "max-connections",
  "connection-count",
  "connection-rate",
  "new-tls-session-rate",
  "auth-failure-rate",
  "upstream-unavailable",
  "upstream-timeout",
  "identity-refused",
  "tls-handshake",
  INJECTED,
  ...offences,
] as const;

/** Why a command is refused, in a session that goes on. A TLS session in excess ends its own, and refuses later ones. */
const commandReasons = ["message-rate", "recipient-rate", "auth-rate", "new-tls-session-rate"] as const;

export const reasons = [...new Set([...headerReasons, ...spokenReasons, ...commandReasons])] as const;

export type HeaderReason = (typeof headerReasons)[number];
export type SpokenReason = (typeof spokenReasons)[number];
export type Offence = (typeof offences)[number];
export type CommandReason = (typeof commandReasons)[number];
export type Reason = HeaderReason | SpokenReason | CommandReason;

const offending: ReadonlySet<Reason | null> = new Set(offences);

/** Whether a client that was refused for it did what no mail client does. */
export function isOffence(reason: Reason | null): boolean {
  return offending.has(reason);
}

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
 * - `healthcheck`: a load balancer's own check, answered by postern.
 * - `timeout`: a deadline passed while nobody was to blame in particular.
 * - `drained`: cut off at the end of a drain.
 */
export type Outcome = (typeof outcomes)[number];

/** Why a session ends. */
export const endReasons = [
  "max-connections",
  "connection-count",
  "connection-rate",
  "proxy-untrusted",
  "proxy-missing",
  "proxy-malformed",
  "proxy-unsupported",
  "proxy-checksum",
  "proxy-source",
  "proxy-timeout",
  "proxy-too-long",
  "upstream-unavailable",
  "upstream-timeout",
  "identity-refused",
  "protocol-violation",
] as const;

/** Why a command is refused, in a session that goes on. */
const commandReasons = ["message-rate", "recipient-rate", "auth-rate"] as const;

export const reasons = [...endReasons, ...commandReasons] as const;

export type EndReason = (typeof endReasons)[number];
export type CommandReason = (typeof commandReasons)[number];
export type Reason = EndReason | CommandReason;

/** The reasons that the PROXY header's decoder can give. */
export type HeaderReason = Extract<EndReason, `proxy-${string}`>;

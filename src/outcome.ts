/**
 * The words for how a session ends: they stand in the log, in the metrics' labels and in the code alike.
 *
 * `outcomes` says how it ended, `reasons` why postern refused it or why it failed. Both are part of the contract with
 * users' dashboards: add to them, never rename.
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

/** The reasons that a client is told, in its protocol's words. */
export const spokenReasons = [
  "max-connections",
  "connection-count",
  "connection-rate",
  "upstream-unavailable",
  "upstream-timeout",
  "identity-refused",
  "protocol-violation",
] as const;

export const reasons = [...headerReasons, ...spokenReasons] as const;

export type HeaderReason = (typeof headerReasons)[number];
export type SpokenReason = (typeof spokenReasons)[number];
export type Reason = HeaderReason | SpokenReason;

/**
 * What several peers came to, side by side: plain data, made by the `compare` command and read by the reports.
 *
 * A case is one question with one figure for each peer and round (CPU per session of one scenario, say). Peers take turns
 * within a round, so that only figures of the same round are held against one another: a ratio is the median of the
 * rounds' ratios, and not the ratio of the medians.
 */
import type { Machine } from "../harness/machine.ts";
import type { Result } from "../load/result.ts";

export interface Peer {
  /** Short, and unique: `postern`, `haproxy`, `nginx`, `haraka`, `direct`. */
  readonly name: string;
  /** As the peer itself says it; empty where it says none. */
  readonly version: string;
  /** What it does otherwise than the others in every case, for people: `tells servers by PROXY v1`. */
  readonly differs?: string;
}

/** Who was to be compared and is not, with the reason for people: `not installed`. */
interface Absentee {
  readonly name: string;
  readonly reason: string;
}

/** One peer in one case. */
export interface Figure {
  /** A peer's name. */
  readonly peer: string;
  /** One for each round that gave one, in their order; at least one. A peer that has none has no figure either. */
  readonly values: readonly number[];
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Against the reference: 1 for itself, and null where it has no figure in this case. */
  readonly ratio: number | null;
}

export interface Case {
  /** Short, and unique: `churn, opaque`. */
  readonly name: string;
  /** What people want to know: `What does a session cost?` */
  readonly question: string;
  /** What the figures are in, and of what: `µs of CPU per session`. */
  readonly unit: string;
  readonly better: "less" | "more";
  /** What was done, in words or as the command's own line: `32 sessions at a time, for 10 s`. */
  readonly plan: string;
  /** In the order of the peers. */
  readonly figures: readonly Figure[];
}

/** One run of one peer; the latency curves and the plots over time come from these. */
export interface PeerRun {
  readonly peer: string;
  /** A case's name. */
  readonly case: string;
  /** From 1. */
  readonly round: number;
  readonly result: Result;
}

export interface Comparison {
  /** ISO 8601. */
  readonly startedAt: string;
  readonly seconds: number;
  /** Whether somebody ended it early. */
  readonly wasStopped: boolean;
  readonly machine: Machine;
  readonly peers: readonly Peer[];
  readonly absentees: readonly Absentee[];
  /** The name of the peer that ratios are against: HAProxy where it is there, else the first. */
  readonly reference: string;
  readonly cases: readonly Case[];
  readonly runs: readonly PeerRun[];
}

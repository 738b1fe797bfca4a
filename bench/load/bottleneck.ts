/** Whether a run has measured the harness rather than the target, so that nobody takes its limits for the target's. Pure. */
import type { FaultCount, Latency } from "./result.ts";

/** From here on a thread, running or kept from it, has no more time to spare when much comes at once. */
const BUSY_SHARE = 0.85;

/** Timers are a millisecond late on an idle machine; ten times that is a thread that does not keep up. */
const LATE_US = 10_000;

/** Of fewer, the 99th percentile is that of one or two which came while somebody else had the core. */
const P99_COUNT_MIN = 500;

/** By what the harness can be told. */
export interface Signs {
  /** See `Harness`. */
  readonly cpuShare: number;
  readonly waitShare: number;
  /** How much later than due sessions began; null in a closed loop, where none is due. */
  readonly lateness: Latency | null;
  /** See `Counts`. */
  readonly neverBegun: number;
  readonly faults: readonly FaultCount[];
}

/** Whether threads have no time to spare. */
export function isBusy({ cpuShare, waitShare }: Pick<Signs, "cpuShare" | "waitShare">): boolean {
  return cpuShare + waitShare > BUSY_SHARE;
}

export function isBottleneck({ lateness, neverBegun, faults, ...shares }: Signs): boolean {
  return isBusy(shares) || isLate(lateness) || neverBegun > 0 || ownFaults(faults) > 0;
}

function isLate(lateness: Latency | null): boolean {
  if (lateness === null) return false;
  const { count, p50Us, p99Us } = lateness;
  return p50Us > LATE_US || (count >= P99_COUNT_MIN && p99Us > LATE_US);
}

/** Sessions that failed for want of this machine's files or ports. */
export function ownFaults(faults: readonly FaultCount[]): number {
  return faults.reduce((sum, { kind, count }) => (kind === "own" ? sum + count : sum), 0);
}

/**
 * When sessions are due. Pure: times are milliseconds since the run began, and whoever asks has the clock.
 *
 * All threads count the same sessions, and each takes those whose number is its own modulo the number of threads. So the
 * load is the same for any number of threads, and nothing has to be divided.
 */
import type { Share } from "./clients.ts";
import type { Pace } from "./plan.ts";

/** How many of the numbers from 0 to below `count` are the thread's own. */
export function ownOf({ thread, threads }: Share, count: number): number {
  return Math.max(0, Math.ceil((count - thread) / threads));
}

/**
 * When number `number` is due. In an open loop that is a session, and over a ramp the rate grows evenly from nothing, so that
 * rate × t² / (2 × ramp) have begun at t. In a closed loop it is a place, in which session follows session from then on.
 */
export function dueMs(pace: Pace, number: number): number {
  const { rampMs } = pace;
  switch (pace.kind) {
    case "open": {
      const intervalMs = 1000 / pace.ratePerSecond;
      const onRamp = rampMs / intervalMs / 2;
      return number < onRamp ? Math.sqrt(2 * number * intervalMs * rampMs) : rampMs / 2 + number * intervalMs;
    }
    case "closed":
      return (number * rampMs) / pace.concurrency;
    default:
      return pace satisfies never;
  }
}

/** How many of the numbers from 0 to below `most` are due before this time. */
export function dueCount(pace: Pace, beforeMs: number, most: number): number {
  let [low, high] = [0, most];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (dueMs(pace, middle) < beforeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Durations as people write them in the configuration: a whole number and its unit. Pure. */

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** Nine digits are more than anybody waits, and as hours they are still exact: 3.6e15 ms is below 2^53. */
export const durationPattern = /^(\d{1,9})(ms|s|m|h)$/;

/** The milliseconds in `text`, or null where it is no duration. */
export function parseDuration(text: string): number | null {
  const match = durationPattern.exec(text);
  if (match === null) return null;
  const unit = match[2];
  return unit === "ms" || unit === "s" || unit === "m" || unit === "h"
    ? Number(match[1]) * unitMs[unit]
    : null;
}

/** The shortest text of a duration: in the largest unit that leaves nothing over. */
export function durationText(ms: number): string {
  if (ms === 0) return "0s";
  for (const unit of ["h", "m", "s"] as const) {
    if (ms % unitMs[unit] === 0) return `${ms / unitMs[unit]}${unit}`;
  }
  return `${ms}ms`;
}

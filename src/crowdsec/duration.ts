/**
 * Durations as LAPI writes them, which is as Go does: `3h59m59.233310838s`, `-14.420506ms`, `0`. Pure.
 *
 * Releases differ in whether they round to whole seconds, so that every form is read: h, m, s, ms, us (with either of
 * Unicode's two letters for it) and ns, fractions, and a sign.
 */

/** The longest that Go itself writes is `-2562047h47m16.854775808s`, 25 characters. */
const TEXT_LENGTH_MAX = 64;

const unitMs: ReadonlyMap<string, number> = new Map([
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
  ["us", 1e-3],
  ["\u00b5s", 1e-3],
  ["\u03bcs", 1e-3],
  ["ns", 1e-6],
]);

const whole = /^([+-]?)(?:0|((?:(?:\d+\.?\d*|\.\d+)(?:h|ms|m|s|us|\u00b5s|\u03bcs|ns))+))$/;
const parts = /([\d.]+)([^\d.]+)/g;

/** The milliseconds in `text`, or null where it is no duration. */
export function parseDuration(text: string): number | null {
  if (text.length > TEXT_LENGTH_MAX) return null;
  const match = whole.exec(text);
  if (match === null) return null;
  let sumMs = 0;
  for (const [, number, unit] of (match[2] ?? "").matchAll(parts))
    sumMs += Number(number) * unitMs.get(unit!)!;
  return match[1] === "-" ? -sumMs : sumMs;
}

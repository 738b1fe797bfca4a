/**
 * Figures as people read them: three digits that count, a unit that keeps them short. What is no number (a mean of
 * nothing) is a dash. Pure.
 */

const NOTHING = "–";

/** Three digits that count; whole numbers from a hundred on, in groups of three digits. */
export function figureText(value: number): string {
  if (!Number.isFinite(value)) return NOTHING;
  const size = Math.abs(value);
  if (size >= 99.95) return countText(Math.round(value));
  if (size >= 9.995) return value.toFixed(1);
  if (size >= 0.9995 || size === 0) return value.toFixed(size === 0 ? 0 : 2);
  return value.toFixed(3);
}

/** `1,234,567`, whatever this machine's language is. */
export function countText(value: number): string {
  if (!Number.isFinite(value)) return NOTHING;
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `812 µs`, `1.24 ms`, `2.50 s`. */
export function latencyText(us: number): string {
  if (us < 1000) return withUnit(us, "µs");
  if (us < 1e6) return withUnit(us / 1000, "ms");
  return withUnit(us / 1e6, "s");
}

/** `512 B`, `3.00 KiB`, `1.50 GiB`. */
export function bytesText(bytes: number): string {
  if (Math.abs(bytes) < 1024) return withUnit(bytes, "B");
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = bytes / 1024;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return withUnit(value, units[unit]!);
}

/** A part of one, as `34 %`; what is not all stays below 100, and what is not nothing above 0. */
export function shareText(share: number): string {
  if (!Number.isFinite(share)) return NOTHING;
  const percent = share * 100;
  if (percent > 0 && percent < 0.1) return "< 0.1 %";
  if (percent >= 99.9 && percent < 100) return "99.9 %";
  return `${percent.toFixed(percent > 0 && percent < 10 ? 1 : 0)} %`;
}

/** `0.98×` */
export function ratioText(ratio: number | null): string {
  return ratio === null || !Number.isFinite(ratio) ? NOTHING : `${ratio.toFixed(2)}×`;
}

/** `1 thread`, `4 threads`. */
export function plural(count: number, what: string): string {
  return `${countText(count)} ${what}${count === 1 ? "" : "s"}`;
}

/** `2026-01-31 09:05:00 UTC` of ISO 8601; what is none stays as it is. */
export function dateText(iso: string): string {
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z$/.exec(iso);
  return match === null ? iso : `${match[1]} ${match[2]} UTC`;
}

function withUnit(value: number, unit: string): string {
  return Number.isFinite(value) ? `${figureText(value)} ${unit}` : NOTHING;
}

/**
 * A page of metrics as Prometheus reads it (its text format, version 0.0.4): text in, series out.
 *
 * What a metric is for, its `# HELP` and `# TYPE`, is passed over. A page with one line that is no metric is none: an HTML
 * page or a log has nothing to be counted in it.
 */

export interface Series {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

const line = /^([a-zA-Z_:][\w:]*)[ \t]*(?:\{(.*)\})?[ \t]*(?<=[ \t}])(\S+)(?:[ \t]+-?\d+)?$/;
const label = /[ \t]*([a-zA-Z_]\w*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*(?:,[ \t]*|$)/y;
const number = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|nan)$/i;

const escapes: Readonly<Record<string, string>> = { "\\\\": "\\", '\\"': '"', "\\n": "\n" };

/** The series of a page, or what is wrong with it. */
export function parsePage(text: string): readonly Series[] | string {
  const found: Series[] = [];
  for (const [index, raw] of text.split("\n").entries()) {
    const trimmed = raw.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const series = seriesOf(trimmed);
    if (series === null) return `line ${index + 1} is no metric`;
    found.push(series);
  }
  return found.length > 0 ? found : "it has no metrics";
}

function seriesOf(text: string): Series | null {
  const [, name, words, value] = line.exec(text) ?? [];
  if (name === undefined || value === undefined || !number.test(value)) return null;
  const labels = labelsOf(words ?? "");
  return labels === null ? null : { name, labels, value: numberOf(value) };
}

function labelsOf(words: string): ReadonlyMap<string, string> | null {
  const labels = new Map<string, string>();
  label.lastIndex = 0;
  for (let at = 0; at < words.length; at = label.lastIndex) {
    const [, name, value] = label.exec(words) ?? [];
    if (name === undefined || value === undefined) return null;
    labels.set(
      name,
      value.replace(/\\[\\"n]/g, (pair) => escapes[pair] ?? pair),
    );
  }
  return labels;
}

/** Go's words for what is not finite are shorter than ours. */
function numberOf(text: string): number {
  return Number(text.replace(/inf$/i, "Infinity").replace(/^[+-]?nan$/i, "NaN"));
}

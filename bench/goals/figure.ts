/**
 * Where a figure stands in a bench's line of JSON: names behind one another with dots, and behind the name of a list which of
 * its rows are meant. `capacityGain`; `rows[].ratio`, of each row; `rows[handshake=full,key=RSA 2048].ratio`, of those rows.
 *
 * Pure, and no path that is not there is a fault: there is no figure then.
 */

/** One name, and for a list what its rows have to say of themselves. */
interface Step {
  readonly name: string;
  readonly conditions: readonly (readonly [key: string, value: string])[] | null;
}

const STEP = /^(\w+)(?:\[((?:\w+=[^,=\]]+(?:,\w+=[^,=\]]+)*)?)\])?$/;

/** Null where `path` is none. */
function stepsOf(path: string): readonly Step[] | null {
  const steps: Step[] = [];
  for (const part of path.split(/\.(?![^[]*\])/)) {
    const match = STEP.exec(part);
    if (match === null) return null;
    const [, name = "", conditions] = match;
    steps.push({ name, conditions: conditions === undefined ? null : conditionsOf(conditions) });
  }
  return steps;
}

function conditionsOf(text: string): [string, string][] {
  if (text === "") return [];
  return text.split(",").map((condition) => {
    const [key = "", value = ""] = condition.split("=");
    return [key, value];
  });
}

export function isPath(path: string): boolean {
  return stepsOf(path) !== null;
}

/** The largest, or the smallest, of the figures at `path`; null where there is none, or one that is no number. */
export function worst(line: unknown, path: string, which: "most" | "least"): number | null {
  const steps = stepsOf(path);
  if (steps === null) return null;
  let values: readonly unknown[] = [line];
  for (const step of steps) values = values.flatMap((value) => taken(value, step));
  const figures = values.filter((value) => typeof value === "number");
  if (figures.length === 0 || figures.length < values.length) return null;
  return which === "most" ? Math.max(...figures) : Math.min(...figures);
}

function taken(from: unknown, { name, conditions }: Step): readonly unknown[] {
  const value = member(from, name);
  if (conditions === null) return [value];
  if (!Array.isArray(value)) return [];
  return value.filter((row) => conditions.every(([key, wanted]) => String(member(row, key)) === wanted));
}

function member(of: unknown, name: string): unknown {
  if (typeof of !== "object" || of === null) return undefined;
  return Object.getOwnPropertyDescriptor(of, name)?.value;
}

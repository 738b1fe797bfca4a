/** What was measured, told: to people at a terminal, to machines, and to readers of a Markdown file. Pure. */
import { boundOf, boundText } from "./list.ts";
import type { Measured } from "./measure.ts";

/** Its keys are a promise to whoever reads it. */
export function jsonOf(all: readonly Measured[]): string {
  const goals = all.map(({ goal, measured, held }) => ({
    name: goal.name,
    goal: boundOf(goal),
    measured,
    held,
  }));
  return JSON.stringify({ goals });
}

export function tableOf(all: readonly Measured[]): string {
  const rows = all.map((each) => [each.goal.name, measuredText(each), boundText(each.goal), wordOf(each)]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "));
  return lines.join("\n");
}

const OPENING = "<!-- goals -->";
const CLOSING = "<!-- /goals -->";

/** Between the two comments, with a line of its own for each of them. */
export function sectionOf(all: readonly Measured[], machine: string): string {
  const rows = all.map(
    (each) => `| ${each.goal.question} | ${measuredText(each)} | ${boundText(each.goal)} | ${wordOf(each)} |`,
  );
  const head = ["| question | measured | goal | |", "|---|---|---|---|"];
  return [`Machine: ${machine}.`, "", ...head, ...rows].join("\n");
}

/** `text` with another section between its two comments, or why that cannot be. */
export function withSection(
  text: string,
  section: string,
): { readonly text: string } | { readonly fault: string } {
  const [before, rest, ...more] = text.split(`${OPENING}\n`);
  if (before === undefined || rest === undefined) return { fault: `no line says ${OPENING}` };
  const end = rest.indexOf(CLOSING);
  if (end < 0) return { fault: `no ${CLOSING} behind ${OPENING}` };
  if (more.length > 0) return { fault: `more than one line says ${OPENING}` };
  return { text: `${before}${OPENING}\n${section}\n${rest.slice(end)}` };
}

function measuredText({ goal, measured }: Measured): string {
  return measured === null ? "not measured" : `${measured} ${goal.unit}`;
}

function wordOf({ measured, held }: Measured): string {
  if (measured === null) return "unknown";
  return held ? "holds" : "falls short";
}

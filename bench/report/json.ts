/**
 * Reports for machines. `version` rises when a field changes its meaning or goes; new fields come without that.
 *
 * All is as it was measured, but for the password that a run logged in with: reports are passed around. Pure.
 */
import type { Plan } from "../load/plan.ts";
import type { Result } from "../load/result.ts";
import type { Comparison } from "./comparison.ts";

const VERSION = 1;

/** `line` is one line, for files that grow; `pretty` is for reading. */
export type Shape = "line" | "pretty";

export function resultsJson(results: readonly Result[], shape: Shape): string {
  return written({ bench: "load", version: VERSION, results: results.map(shareable) }, shape);
}

export function comparisonJson(comparison: Comparison, shape: Shape): string {
  const runs = comparison.runs.map((run) => ({ ...run, result: shareable(run.result) }));
  return written({ bench: "compare", version: VERSION, comparison: { ...comparison, runs } }, shape);
}

function shareable(result: Result) {
  return { ...result, plan: withoutPassword(result.plan) };
}

function withoutPassword(plan: Plan) {
  return { ...plan, login: plan.login === null ? null : { user: plan.login.user } };
}

/** What is no number, the mean of nothing, becomes null (ECMA-262, JSON.stringify). */
function written(report: object, shape: Shape): string {
  return `${JSON.stringify(report, null, shape === "pretty" ? 2 : 0)}\n`;
}

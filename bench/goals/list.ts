/**
 * What postern wants to reach: `goals.json`, the one place where bounds stand. `goals` are those that `npm run bench -- goals`
 * measures, by `runs`; `others` are those that a bench holds itself to when it is run by hand.
 *
 * Bounds are what a figure may be at most, or has to be at least; exactly at the bound holds. Nothing here measures.
 */
import file from "../goals.json" with { type: "json" };
import { worst } from "./figure.ts";

/** Exactly one of the two bounds is there. */
export interface Goal {
  /** In use for machines and at the command line. */
  readonly name: string;
  /** What is measured, in words. */
  readonly question: string;
  /** The file in `bench/` that measures it. */
  readonly bench: string;
  /** Where in the bench's line of JSON it stands, see `figure.ts`. Of several figures the worst counts. */
  readonly figure: string;
  readonly unit: string;
  readonly atMost?: number | undefined;
  readonly atLeast?: number | undefined;
  /** What would be better still. */
  readonly stretch?: number | undefined;
  /** For readers of the file: where the bound comes from. */
  readonly because?: string | undefined;
}

/** How a bench is run when it is run for its goals. */
export interface Run {
  readonly bench: string;
  /** Behind its name at the command line. */
  readonly words: readonly string[];
  /** What it takes on two cores that nobody else uses: its share of the time that there is. */
  readonly seconds: number;
}

export interface List {
  readonly runs: readonly Run[];
  readonly goals: readonly Goal[];
  readonly others: readonly Goal[];
}

export const LIST: List = file;

export function boundOf({ atMost, atLeast, name }: Goal): number {
  const bound = atMost ?? atLeast;
  if (bound === undefined) throw new Error(`goals.json: ${name} has no bound`);
  return bound;
}

/** `at most 1.15 × HAProxy` */
export function boundText(goal: Goal): string {
  const stretch = goal.stretch === undefined ? "" : `, better ${goal.stretch}`;
  return `at ${goal.atMost === undefined ? "least" : "most"} ${boundOf(goal)} ${goal.unit}${stretch}`;
}

export function holds(goal: Goal, measured: number): boolean {
  return goal.atMost === undefined ? measured >= boundOf(goal) : measured <= boundOf(goal);
}

/** What a bench's line says of the goal, or null. */
export function measuredOf(goal: Goal, line: unknown): number | null {
  return worst(line, goal.figure, goal.atMost === undefined ? "least" : "most");
}

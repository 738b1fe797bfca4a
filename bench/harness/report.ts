/** How figures come about and how they are told: rounds, medians, a verdict for people and a line for machines. */
import { boundText, type Goal, holds, LIST, measuredOf } from "../goals/list.ts";

/** Takes one figure after the other, `count` times: those of one round belong together, those of two do not. */
export async function inRounds<Round>(count: number, measure: () => Promise<Round>): Promise<Round[]> {
  const rounds: Round[] = [];
  while (rounds.length < count) rounds.push(await measure());
  return rounds;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >>> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Three digits that count. */
export function rounded(value: number): number {
  return Number(value.toPrecision(3));
}

/** The number of rounds: the first word behind the command, else `usual`. */
export function roundsAsked(usual: number): number {
  const asked = Number(process.argv[2] ?? usual);
  if (!Number.isInteger(asked) || asked < 1 || asked > 100) throw new Error("rounds: 1 to 100");
  return asked;
}

/** Which parts of a bench are wanted: the words behind the number of rounds, else all of them. */
export function partsAsked<Part extends string>(parts: readonly Part[]): readonly Part[] {
  const words = process.argv.slice(3);
  const unknown = words.find((word) => !parts.some((part) => part === word));
  if (unknown !== undefined) throw new Error(`${unknown}: the parts are ${parts.join(", ")}`);
  return words.length === 0 ? parts : parts.filter((part) => words.includes(part));
}

/** How the bench's figures stand to its goals, a line for each, and then all of them for machines. */
export function report(bench: string, figures: Readonly<Record<string, unknown>>): void {
  for (const goal of [...LIST.goals, ...LIST.others]) {
    if (goal.bench !== bench) continue;
    const measured = measuredOf(goal, figures);
    if (measured !== null) console.log(verdict(goal, measured));
  }
  console.log(JSON.stringify({ bench, node: process.version, ...figures }));
}

function verdict(goal: Goal, measured: number): string {
  const word = holds(goal, measured) ? "holds" : "falls short";
  return `${goal.question}: ${rounded(measured)} (goal: ${boundText(goal)}) ${word}`;
}

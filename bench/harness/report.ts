/** How figures come about and how they are told: rounds, medians, a verdict for people and a line for machines. */

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

/** One line on how a figure stands to its goal. */
export function verdict(
  what: string,
  value: number,
  goal: { readonly atMost: number } | { readonly atLeast: number },
): string {
  const [word, bound, holds] =
    "atMost" in goal
      ? ["at most", goal.atMost, value <= goal.atMost]
      : ["at least", goal.atLeast, value >= goal.atLeast];
  return `${what}: ${rounded(value)} (goal: ${word} ${bound}) ${holds ? "holds" : "falls short"}`;
}

export function report(bench: string, figures: Readonly<Record<string, unknown>>): void {
  console.log(JSON.stringify({ bench, node: process.version, ...figures }));
}

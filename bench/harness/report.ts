/** How figures come about and how they are told: rounds in turn, medians, a table for people and a line for machines. */

/** Runs `measure` for each of `subjects` in turn, again and again: a round's figures belong together, rounds do not. */
export async function inRounds<Subject extends string, Figures>(
  count: number,
  subjects: readonly Subject[],
  measure: (subject: Subject) => Promise<Figures>,
): Promise<Record<Subject, Figures>[]> {
  const rounds: Record<Subject, Figures>[] = [];
  for (let round = 0; round < count; round++) {
    const figures: [Subject, Figures][] = [];
    for (const subject of subjects) figures.push([subject, await measure(subject)]);
    rounds.push(Object.fromEntries(figures) as Record<Subject, Figures>);
  }
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
export function verdict(what: string, value: number, goal: { readonly atMost: number } | { readonly atLeast: number }): string {
  const [word, bound, holds] =
    "atMost" in goal
      ? ["at most", goal.atMost, value <= goal.atMost]
      : ["at least", goal.atLeast, value >= goal.atLeast];
  return `${what}: ${rounded(value)} (goal: ${word} ${bound}) ${holds ? "holds" : "falls short"}`;
}

export function report(bench: string, figures: Readonly<Record<string, unknown>>): void {
  console.log(JSON.stringify({ bench, node: process.version, ...figures }));
}

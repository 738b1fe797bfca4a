/**
 * One bench after the other, and what each says of its goals. All of them have one amount of time to share: each gets its part
 * of what is left, so that none takes another's, and what one leaves is the others'.
 */
import type { Ended } from "./child.ts";
import { type Goal, holds, type List, measuredOf, type Run } from "./list.ts";

export interface Measured {
  readonly goal: Goal;
  readonly measured: number | null;
  readonly held: boolean;
  /** Why nothing was measured; null where something was. */
  readonly fault: string | null;
}

export interface Way {
  readonly budgetMs: number;
  readonly now: () => number;
  readonly run: (run: Run, deadlineMs: number) => Promise<Ended>;
}

/** In the order of `goals`; runs that none of them asks for are left out. */
export async function measureAll({ runs, goals }: Omit<List, "others">, way: Way): Promise<Measured[]> {
  const endMs = way.now() + way.budgetMs;
  const wanted = runs.filter(({ bench }) => goals.some((goal) => goal.bench === bench));
  const ended = new Map<string, Ended>();
  let secondsLeft = wanted.reduce((sum, { seconds }) => sum + seconds, 0);
  for (const run of wanted) {
    const deadlineMs = ((endMs - way.now()) * run.seconds) / secondsLeft;
    ended.set(run.bench, await way.run(run, deadlineMs));
    secondsLeft -= run.seconds;
  }
  return goals.map((goal) => judged(goal, ended.get(goal.bench)));
}

function judged(goal: Goal, ended: Ended | undefined): Measured {
  const missed = (fault: string) => ({ goal, measured: null, held: false, fault });
  if (ended === undefined) return missed("no run measures it");
  if ("fault" in ended) return missed(ended.fault);
  const measured = measuredOf(goal, ended.line);
  if (measured === null) return missed(`no figure at ${goal.figure}`);
  return { goal, measured, held: holds(goal, measured), fault: null };
}

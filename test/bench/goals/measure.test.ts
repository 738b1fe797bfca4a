/** Runs and goals: who is run, for how long, and what becomes of a goal whose bench has no figure. */
import t from "tap";
import type { Ended } from "../../../bench/goals/child.ts";
import type { Goal, Run } from "../../../bench/goals/list.ts";
import { measureAll } from "../../../bench/goals/measure.ts";

function goalOf(name: string, bench: string): Goal {
  return { name, question: name, bench, figure: "ratio", unit: "× HAProxy", atMost: 1 };
}

const runs: readonly Run[] = [
  { bench: "first", words: ["1"], seconds: 10 },
  { bench: "second", words: [], seconds: 30 },
  { bench: "third", words: [], seconds: 20 },
];

const goals = [goalOf("a", "third"), goalOf("b", "first"), goalOf("c", "second"), goalOf("d", "first")];

t.test("measureAll shares the time that is left when one bench leaves some", async (t) => {
  let nowMs = 5000;
  const deadlines: number[] = [];
  const took = [4000, 56_000, 0];
  await measureAll(
    { runs, goals },
    {
      budgetMs: 60_000,
      now: () => nowMs,
      run: async (_run, deadlineMs) => {
        deadlines.push(deadlineMs);
        nowMs += took.shift() ?? 0;
        return { line: { ratio: 1 } };
      },
    },
  );
  t.strictSame(deadlines, [10_000, (56_000 * 30) / 50, 0]);
});

t.test("measureAll judges each goal when its bench has ended in one way or another", async (t) => {
  const ends = new Map<string, Ended>([
    ["first", { line: { ratio: 1 } }],
    ["second", { line: { other: 1 } }],
    ["third", { fault: "haproxy cannot be started" }],
  ]);
  const asked: string[] = [];
  const measured = await measureAll(
    { runs, goals: [...goals, goalOf("e", "fourth")] },
    {
      budgetMs: 1,
      now: () => 0,
      run: async ({ bench }) => {
        asked.push(bench);
        return ends.get(bench) ?? { fault: "unknown" };
      },
    },
  );
  t.strictSame(asked, ["first", "second", "third"], "once each");
  t.strictSame(
    measured.map(({ goal, measured, held, fault }) => [goal.name, measured, held, fault]),
    [
      ["a", null, false, "haproxy cannot be started"],
      ["b", 1, true, null],
      ["c", null, false, "no figure at ratio"],
      ["d", 1, true, null],
      ["e", null, false, "no run measures it"],
    ],
  );
});

t.test("measureAll leaves benches out when no goal asks for them", async (t) => {
  const asked: string[] = [];
  await measureAll(
    { runs, goals: [goalOf("c", "second")] },
    {
      budgetMs: 60_000,
      now: () => 0,
      run: async ({ bench }, deadlineMs) => {
        asked.push(`${bench} ${deadlineMs}`);
        return { line: { ratio: 2 } };
      },
    },
  );
  t.strictSame(asked, ["second 60000"]);
});

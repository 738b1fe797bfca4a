/** What stands in `goals.json`, and what a bound means. */
import { existsSync, readFileSync } from "node:fs";
import t from "tap";
import { isPath } from "../../../bench/goals/figure.ts";
import { boundText, type Goal, holds, LIST } from "../../../bench/goals/list.ts";

const all = [...LIST.goals, ...LIST.others];
const benchFile = (bench: string) => new URL(`../../../bench/${bench}.ts`, import.meta.url);

const goal: Goal = { name: "a", question: "a", bench: "a", figure: "a", unit: "ms", atMost: 1.15 };
const { atMost: _atMost, ...unbound } = goal;

t.test("holds counts a figure as held when it is at the bound, and not beyond it", async (t) => {
  t.ok(holds(goal, 1.15));
  t.ok(holds(goal, 0));
  t.notOk(holds(goal, 1.151));
  const least = { ...unbound, atLeast: 1.7 };
  t.ok(holds(least, 1.7));
  t.ok(holds(least, 2));
  t.notOk(holds(least, 1.699));
  t.throws(() => holds(unbound, 1), /a has no bound/);
});

t.test("boundText says which way a bound holds when it is told", async (t) => {
  t.equal(boundText(goal), "at most 1.15 ms");
  t.equal(boundText({ ...goal, stretch: 1 }), "at most 1.15 ms, better 1");
  t.equal(boundText({ ...unbound, atLeast: 1.7 }), "at least 1.7 ms");
});

t.test("goals.json has one name and one bound for each goal when it is read", async (t) => {
  const names = all.map(({ name }) => name);
  t.equal(new Set(names).size, names.length);
  for (const { name, atMost, atLeast, stretch } of all) {
    t.match(name, /^[a-z0-9]+(?:-[a-z0-9]+)*$/);
    t.equal(Number(atMost !== undefined) + Number(atLeast !== undefined), 1, name);
    if (stretch !== undefined) t.ok(atMost === undefined ? stretch > (atLeast ?? 0) : stretch < atMost, name);
  }
});

t.test("goals.json names figures that its benches report when it is read", async (t) => {
  for (const { name, bench, figure } of all) {
    t.ok(isPath(figure), name);
    t.ok(existsSync(benchFile(bench)), `${name}: ${bench}`);
    const text = readFileSync(benchFile(bench), "utf8");
    t.ok(text.includes(`report("${bench}"`), `${bench} reports under its name`);
    const last = figure.split(".").at(-1) ?? "";
    t.ok(text.includes(last), `${name}: ${last} is in ${bench}`);
  }
});

t.test("goals.json has a run for each goal that is measured when it is read", async (t) => {
  const benches = LIST.runs.map(({ bench }) => bench);
  t.equal(new Set(benches).size, benches.length);
  t.strictSame([...new Set(LIST.goals.map(({ bench }) => bench))].sort(), benches.toSorted());
  for (const { words, seconds } of LIST.runs) {
    t.match(words[0], /^[1-9]\d?$/, "rounds");
    t.ok(seconds > 0);
  }
});

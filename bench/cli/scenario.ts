/**
 * One run of a scenario, from the command line to its reports: the plan, the sink behind the target where one is asked for,
 * how it goes meanwhile, and what it came to.
 */
import { thisMachine } from "../harness/machine.ts";
import type { Spent } from "../harness/proc.ts";
import { isBusy } from "../load/bottleneck.ts";
import type { Plan, Scenario } from "../load/plan.ts";
import type { Result, Sample } from "../load/result.ts";
import { RunFailure, run } from "../load/run.ts";
import { OPTIONS } from "../options.ts";
import { resultsJson } from "../report/json.ts";
import { Live } from "../report/live.ts";
import { page } from "../report/page.ts";
import { planTitle } from "../report/plantext.ts";
import { resultText } from "../report/text.ts";
import type { Sink } from "../sink/sink.ts";
import { type Command, exitCodes, say, Unable } from "./command.ts";
import type { Given } from "./given.ts";
import { checkWritable, deliver } from "./output.ts";
import { here, planOf } from "./plan.ts";
import { sinkAgreement, sinkOf, sinkShares } from "./sink.ts";

export function scenario(name: Scenario): Command {
  return async (given, signal) => {
    const plan = await planOf(name, given, here);
    checkWritable(given);
    const result = await measured(plan, given, signal).catch((error: unknown) => {
      if (!(error instanceof RunFailure)) throw error;
      if (error.result !== null) report(given, error.result);
      throw new Unable(`the harness itself could not go on: ${error.message}`);
    });
    report(given, result);
    return isWell(name, result) ? exitCodes.well : exitCodes.short;
  };
}

function report(given: Given, result: Result): void {
  deliver(given, {
    text: (to) => resultText(result, to),
    json: () => resultsJson([result], "line"),
    html: () => page([result], null, thisMachine()),
  });
}

async function measured(plan: Plan, given: Given, signal: AbortSignal): Promise<Result> {
  const place = given.find(OPTIONS.sink);
  const sink = place === null ? null : await sinkOf(place, plan);
  try {
    say(planTitle(plan));
    const before = await sink?.spent();
    const result = await watched(plan, given, signal);
    return sink === null || before === undefined ? result : await withSink(result, sink, before);
  } finally {
    await sink?.stop();
  }
}

function watched(plan: Plan, given: Given, signal: AbortSignal): Promise<Result> {
  const live = new Live(plan, {
    isTerminal: process.stderr.isTTY === true,
    columns: () => process.stderr.columns,
    write: (text) => process.stderr.write(text),
  });
  const pid = given.find(OPTIONS.pid);
  const metricsUrl = given.find(OPTIONS.metrics);
  const onSample = (sample: Sample) => live.show(sample);
  return run(plan, { signal, onSample, pid, metricsUrl }).finally(() => live.end());
}

/** A sink that has no time to spare looks like a slow target; it belongs to the harness. */
async function withSink(result: Result, sink: Sink, before: readonly Spent[]): Promise<Result> {
  const shares = sinkShares(before, await sink.spent(), result.seconds);
  const isBottleneck = result.harness.isBottleneck || isBusy(shares);
  const harness = { ...result.harness, isBottleneck, sink: shares };
  const agreement =
    result.plan.scenario === "attack" ? null : sinkAgreement(result.counts, await sink.counts());
  const agreements = agreement === null ? result.agreements : [...result.agreements, agreement];
  return { ...result, harness, agreements };
}

type Judged = Pick<Result, "counts" | "wasStopped" | "agreements" | "findings">;

/**
 * Faults and refusals are what a run is there to count. It is not well where nothing got through at all, unless somebody
 * wanted it to end before, where counters differ, and where a finding says so; of `attack` the findings alone say it, as all its sessions are to fail.
 */
export function isWell(name: Scenario, { counts, wasStopped, agreements, findings }: Judged): boolean {
  const { begun, done, turnedAway, open } = counts;
  // There refusals are what is looked for.
  const through = name === "hammer" || name === "bans" ? done + turnedAway : done;
  const isDown = name !== "attack" && begun > 0 && through + (wasStopped ? open : 0) === 0;
  return (
    !isDown && agreements.every(({ agrees }) => agrees) && findings.every((each) => each.isWell !== false)
  );
}

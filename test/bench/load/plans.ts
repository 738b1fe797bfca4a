/** Plans for tests: short, small, and with nothing in them that a test does not name. */
import { Loader } from "../../../bench/load/loader.ts";
import type { Plan } from "../../../bench/load/plan.ts";
import type { Result, Sample } from "../../../bench/load/result.ts";
import type { Watch } from "../../../bench/load/run.ts";
import { recipes } from "../../../bench/load/scenario.ts";
import type { Tally } from "../../../bench/load/tally.ts";
import { systemClock } from "../../../src/clock.ts";

/** A closed loop of two, until there were ten sessions. */
export function planOf(port: number, asked: Partial<Plan> = {}): Plan {
  return {
    scenario: "churn",
    protocol: "smtp",
    target: { host: "127.0.0.1", port },
    proxy: "off",
    clients: { ranges: ["203.0.113.0/24"], distribution: "uniform", seed: 1 },
    pace: { kind: "closed", concurrency: 2, rampMs: 0 },
    openMax: 14_000,
    durationMs: 15_000,
    sessionsMax: 10,
    timeoutMs: 10_000,
    tls: "off",
    threads: 1,
    mail: {
      sizeBytes: 1000,
      recipients: 1,
      messages: 1,
      sender: "a@example.org",
      recipient: "b%d@example.test",
      pipelining: false,
      chunking: false,
    },
    login: null,
    idleMs: 20,
    hammer: { offenders: 1, tries: 1 },
    banned: [],
    ...asked,
  };
}

/** Nobody ends it, and nobody looks. */
export function unwatched(asked: Partial<Watch> = {}): Watch {
  return {
    signal: new AbortController().signal,
    onSample: (_: Sample) => {},
    pid: null,
    metricsUrl: null,
    ...asked,
  };
}

/** Runs all of it in this thread. */
export async function loaded(plan: Plan): Promise<Tally> {
  const share = { thread: 0, threads: 1 };
  const loader = new Loader({ plan, share, clock: systemClock, recipe: recipes[plan.scenario]! });
  await loader.start();
  return loader.tally;
}

/** Of the replies that were counted, each as `phase code text × count`. */
export function repliesOf(tally: Tally): string[] {
  return tally.replies
    .map(({ phase, code, text, count }) => `${phase} ${code} ${text} × ${count}`)
    .toSorted();
}

export function faultsOf(tally: Pick<Result, "faults">): string[] {
  return tally.faults.map(({ phase, kind, count }) => `${phase} ${kind} × ${count}`).toSorted();
}

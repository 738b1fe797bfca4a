/**
 * One run: the plan in, the result out. It lasts until the plan's time is over, its sessions are, or somebody ends it; then
 * what is open has a moment to end by itself.
 */
import { Crew } from "./crew.ts";
import type { Pace, Plan } from "./plan.ts";
import type { Harness, Result, Sample } from "./result.ts";
import { recipes } from "./scenario.ts";
import { latencyOf, openOf } from "./tally.ts";

/** What is watched beside the sessions themselves, and who watches. */
export interface Watch {
  /** Ends the run early, with the result so far. */
  readonly signal: AbortSignal;
  /** Called about once a second. */
  onSample(sample: Sample): void;
  /** The target's process; its children are counted with it. */
  readonly pid: number | null;
  /** The target's Prometheus page. */
  readonly metricsUrl: string | null;
}

/** Never rejects for what a target does: that is in the result. */
export type Run = (plan: Plan, watch: Watch) => Promise<Result>;

const SAMPLE_MS = 1000;

/** So long what is open may go on when no session begins any more: a slow target answers within it, a mute one never. */
const GRACE_MS_MAX = 5000;

/** From here on a thread has no more time to spare when much comes at once. */
const BUSY_SHARE = 0.85;

/** Timers are a millisecond late on an idle machine; ten times that is a thread that does not keep up. */
const LATE_US = 10_000;

/** Why no more sessions begin. */
type End = "over" | "time" | "stopped";

export const run: Run = async (asked, watch) => {
  const recipe = recipes[asked.scenario];
  if (recipe === undefined) throw new Error(`there is no scenario ${asked.scenario}`);
  const plan = withUsefulThreads(recipe.shape?.(asked) ?? asked);
  const crew = new Crew(plan);
  const samples: Sample[] = [];
  try {
    await crew.begin();
    const startedAt = new Date().toISOString();
    const beganMs = performance.now();
    const sample = () => {
      const taken = sampleOf(crew, performance.now() - beganMs);
      samples.push(taken);
      watch.onSample(taken);
    };
    const timer = setInterval(sample, SAMPLE_MS);
    const end = await lastly(crew, plan, watch.signal).finally(() => clearInterval(timer));
    const seconds = (performance.now() - beganMs) / 1000;
    sample();
    const { tally } = crew;
    return {
      plan,
      startedAt,
      seconds,
      wasStopped: end === "stopped",
      counts: { ...tally.counts, open: openOf(tally.counts) },
      latencies: tally.latencies,
      replies: tally.replies,
      faults: tally.faults,
      samples,
      harness: harnessOf(crew, plan, seconds),
      target: null,
      agreements: [],
      findings: recipe.findings?.(plan, tally, seconds) ?? [],
    };
  } finally {
    await crew.close();
  }
};

/** A thread without a place for a session would wait for one until the run's end. */
function withUsefulThreads(plan: Plan): Plan {
  const { pace } = plan;
  const most = pace.kind === "closed" ? pace.concurrency : plan.sessionsMax;
  return { ...plan, threads: Math.max(1, Math.min(plan.threads, most)) };
}

/** Resolves when all is over, with what has brought it about. */
async function lastly(crew: Crew, { durationMs, timeoutMs }: Plan, signal: AbortSignal): Promise<End> {
  const end = await firstOf(crew, durationMs, signal);
  if (end === "over") return end;
  crew.stop();
  const timer = setTimeout(() => crew.cut(), Math.min(timeoutMs, GRACE_MS_MAX));
  await crew.over.finally(() => clearTimeout(timer));
  return end;
}

async function firstOf(crew: Crew, durationMs: number, signal: AbortSignal): Promise<End> {
  const { promise, resolve } = Promise.withResolvers<End>();
  const stop = () => resolve("stopped");
  const timer = setTimeout(() => resolve("time"), durationMs);
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  try {
    return await Promise.race([promise, crew.over.then(() => "over" as const)]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}

function sampleOf(crew: Crew, atMs: number): Sample {
  const { counts } = crew;
  const { begun, done, turnedAway, failed } = counts;
  const open = openOf(counts);
  const { p50Us, p99Us } = latencyOf(crew.takeRecent());
  return { atMs, begun, done, turnedAway, failed, open, p50Us, p99Us, targetCpu: null, targetBytes: null };
}

function harnessOf(crew: Crew, { threads, pace }: Plan, seconds: number): Harness {
  const cpuShare = crew.cpuUs / 1e6 / seconds / threads;
  const lateP99Us = latencyOf(crew.lateness).p99Us;
  return { threads, cpuShare, lateP99Us, isBottleneck: cpuShare > BUSY_SHARE || isLate(pace, lateP99Us) };
}

function isLate(pace: Pace, lateP99Us: number): boolean {
  return pace.kind === "open" && lateP99Us > LATE_US;
}

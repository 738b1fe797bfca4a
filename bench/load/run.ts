/**
 * One run: the plan in, the result out. It lasts until the plan's time is over, its sessions are, or somebody ends it; then
 * what is open has a moment to end by itself.
 */
import { isBottleneck } from "./bottleneck.ts";
import { Crew } from "./crew.ts";
import type { Plan } from "./plan.ts";
import type { Counts, Harness, Result, Sample } from "./result.ts";
import { recipes } from "./scenario.ts";
import { latencyOf, openOf, type Running } from "./tally.ts";
import { Target } from "./target.ts";

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

/** Never rejects for what a target does: that is in the result. What the harness itself cannot do is a `RunFailure`. */
export type Run = (plan: Plan, watch: Watch) => Promise<Result>;

/** The load threads could not go on: why, in a line. */
export class RunFailure extends Error {
  override readonly name = "RunFailure";
  /** As far as they had told; null where they had not begun. */
  readonly result: Result | null;

  constructor(message: string, result: Result | null) {
    super(message);
    this.result = result;
  }
}

const SAMPLE_MS = 1000;

/** So long what is open may go on when no session begins any more: a slow target answers within it, a mute one never. */
const GRACE_MS_MAX = 5000;

/** Why no more sessions begin. */
type End = "over" | "time" | "stopped";

export const run: Run = async (asked, watch) => {
  const recipe = recipes[asked.scenario];
  const plan = withUsefulThreads(recipe.shape?.(asked) ?? asked);
  const target = new Target(watch);
  const crew = new Crew(plan);
  try {
    await crew.ready.catch((error: Error) => {
      throw new RunFailure(error.message, null);
    });
    await target.begin();
    const startedAt = new Date().toISOString();
    const sampler = new Sampler(crew, target, watch);
    crew.begin();
    const end = await lastly(crew, plan, watch.signal, () => sampler.loadStops())
      .catch((error: Error) => error)
      .finally(() => sampler.stop());
    const { tally } = crew;
    const { replies, faults, latencies } = tally;
    const { seconds, samples } = sampler;
    const known = { plan, startedAt, seconds, latencies, replies, faults, samples };
    if (end instanceof Error) {
      const counts = countsOf(crew.counts);
      const harness = harnessOf(crew, plan, seconds);
      const findings = [{ what: "the harness itself", outcome: end.message, isWell: false }];
      const result = { ...known, wasStopped: true, counts, harness, findings };
      throw new RunFailure(end.message, { ...result, target: null, agreements: [] });
    }
    const counts = countsOf(tally.counts);
    const theirs = await target.end({ plan, counts, replies, faults });
    return {
      ...known,
      wasStopped: end === "stopped",
      counts,
      harness: harnessOf(crew, plan, seconds),
      ...theirs,
      findings: [...tally.findings, ...(recipe.findings?.(plan, tally, seconds) ?? []), ...theirs.findings],
    };
  } finally {
    await crew.close();
  }
};

/** Looks once a second how far the run is, and a last time when it is over. */
class Sampler {
  readonly samples: Sample[] = [];
  readonly #crew: Crew;
  readonly #target: Target;
  readonly #watch: Watch;
  readonly #beganMs = performance.now();
  readonly #timer = setInterval(() => this.#take(), SAMPLE_MS);
  #atMs = 0;
  #loadMs: number | null = null;

  constructor(crew: Crew, target: Target, watch: Watch) {
    this.#crew = crew;
    this.#target = target;
    this.#watch = watch;
  }

  /** How long the load lasted: what is open then may go on, and is no load any more. */
  get seconds(): number {
    return (this.#loadMs ?? this.#atMs) / 1000;
  }

  /** No session begins any more. */
  loadStops(): void {
    this.#loadMs ??= performance.now() - this.#beganMs;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.loadStops();
    this.#take();
  }

  #take(): void {
    const lastMs = this.#atMs;
    this.#atMs = performance.now() - this.#beganMs;
    const { counts, tricks } = this.#crew;
    const { begun, done, turnedAway, failed } = counts;
    const open = openOf(counts);
    const { p50Us, p99Us } = latencyOf(this.#crew.takeRecent());
    const theirs = this.#target.read((this.#atMs - lastMs) / 1000, open);
    const sample = {
      atMs: this.#atMs,
      begun,
      done,
      turnedAway,
      failed,
      open,
      p50Us,
      p99Us,
      tricks,
      ...theirs,
    };
    this.samples.push(sample);
    this.#watch.onSample(sample);
  }
}

function countsOf(counts: Running): Counts {
  return { ...counts, open: openOf(counts) };
}

/** A thread without a place for a session would wait for one until the run's end. */
function withUsefulThreads(plan: Plan): Plan {
  const { pace } = plan;
  const most = pace.kind === "closed" ? pace.concurrency : plan.sessionsMax;
  return { ...plan, threads: Math.max(1, Math.min(plan.threads, most)) };
}

/** Resolves when all is over, with what has brought it about; `stops` is called when the load stops. */
async function lastly(
  crew: Crew,
  { durationMs, timeoutMs }: Plan,
  signal: AbortSignal,
  stops: () => void,
): Promise<End> {
  const end = await firstOf(crew, durationMs, signal);
  stops();
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

function harnessOf(crew: Crew, { threads, pace }: Plan, seconds: number): Harness {
  const shareOf = (us: number) => us / 1e6 / seconds / threads;
  const [cpuShare, waitShare] = [shareOf(crew.cpuUs), shareOf(crew.waitUs)];
  const lateness = latencyOf(crew.lateness);
  const { faults, counts } = crew.tally;
  const signs = { cpuShare, waitShare, faults, neverBegun: counts.neverBegun };
  return {
    threads,
    cpuShare,
    waitShare,
    lateP50Us: lateness.p50Us,
    lateP99Us: lateness.p99Us,
    sink: null,
    isBottleneck: isBottleneck({ ...signs, lateness: pace.kind === "open" ? lateness : null }),
  };
}

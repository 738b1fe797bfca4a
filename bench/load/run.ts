/** One run: the plan in, the result out. */
import type { Plan } from "./plan.ts";
import type { Result, Sample } from "./result.ts";

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

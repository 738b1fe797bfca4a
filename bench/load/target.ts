/**
 * The target's side of a run, as far as it can be read: its process, and its own counters. What cannot be read is said among
 * the findings, and keeps no run from going on.
 */
import { TargetMetrics } from "../target/metrics.ts";
import { cost, peakOf, TargetProcess } from "../target/process.ts";
import type { Finding, ProcessState, Result, Sample } from "./result.ts";
import type { Watch } from "./run.ts";

type Reading = Pick<Sample, "targetCpu" | "targetBytes">;

/** What a run comes to at the harness's end. */
type Ran = Pick<Result, "plan" | "counts" | "replies" | "faults">;

const unknown: Reading = { targetCpu: null, targetBytes: null };

export class Target {
  readonly #process: TargetProcess | null;
  readonly #metrics: TargetMetrics | null;
  readonly #findings: Finding[] = [];
  /** Null: there is no process to be read. */
  #before: ProcessState | null = null;
  #peak: ProcessState | null = null;
  #last: ProcessState | null = null;
  #openMax = 0;
  #isGone = false;

  constructor({ pid, metricsUrl }: Pick<Watch, "pid" | "metricsUrl">) {
    this.#process = pid === null ? null : new TargetProcess(pid);
    this.#metrics = metricsUrl === null ? null : new TargetMetrics(metricsUrl);
  }

  /** Before the first session. */
  async begin(): Promise<void> {
    this.#lacks("the target's metrics", (await this.#metrics?.begin()) ?? null);
    this.#lacks("the target's process", this.#process?.fault() ?? null);
    this.#before = this.#process?.state() ?? null;
    this.#peak = this.#before;
    this.#last = this.#before;
  }

  /** What it has used in the seconds since this was asked last, while so many sessions were open. */
  read(seconds: number, open: number): Reading {
    const now = this.#process?.state() ?? null;
    const last = this.#last;
    if (now === null && last !== null && !this.#isGone) {
      this.#isGone = true;
      this.#lacks("the target's process", "ended during the run");
    }
    if (now === null || last === null || this.#peak === null) return unknown;
    this.#peak = peakOf(this.#peak, now);
    this.#openMax = Math.max(this.#openMax, open);
    this.#last = now;
    return { targetCpu: (now.cpuSeconds - last.cpuSeconds) / seconds, targetBytes: now.residentBytes };
  }

  /** Behind the last session. */
  async end(ran: Ran): Promise<Pick<Result, "target" | "agreements" | "findings">> {
    const { agreements = [], findings = [] } = (await this.#metrics?.compare(ran)) ?? {};
    const [before, peak, after] = [this.#before, this.#peak, this.#last];
    const isKnown = before !== null && peak !== null && after !== null;
    return {
      target: isKnown ? cost({ before, peak, after }, ran, this.#openMax) : null,
      agreements,
      findings: [...this.#findings, ...findings],
    };
  }

  #lacks(what: string, outcome: string | null): void {
    if (outcome !== null) this.#findings.push({ what, outcome, isWell: false });
  }
}

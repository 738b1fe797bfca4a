/**
 * The target's process as the kernel sees it (proc(5)): what it and all that descend from it have used and hold.
 *
 * It looks on from outside, at any target, and touches nothing. What is gone between two looks counts as nothing; only the
 * process that was named can be missed.
 */
import { readdirSync, readFileSync } from "node:fs";
import { cpuMs, cpuNs, residentBytes, tasksOf } from "../harness/proc.ts";
import { connectedOf, type ProcessState, type Result, type TargetCost } from "../load/result.ts";

/** A server of one process for each session has as many: beyond it somebody is forking without end. */
const PROCESSES_MAX = 4096;

/** Of fewer, what a runtime's heap does by itself, some MiB up and down, would be taken for theirs. */
const OPEN_MIN = 100;

/** Of less, what sessions cost apart from their bytes would be most of it. */
const BYTES_MIN = 16 * 1024 * 1024;

const GIB = 1024 ** 3;

const nothing: ProcessState = { cpuSeconds: 0, residentBytes: 0, descriptors: 0, contextSwitches: 0 };

export class TargetProcess {
  readonly #pid: number;

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** Why it cannot be watched, in a line; null where it can. */
  fault(): string | null {
    try {
      stateOf(this.#pid);
      readdirSync(`/proc/${this.#pid}/fd`);
      return null;
    } catch (error) {
      const isForbidden = error instanceof Error && "code" in error && error.code === "EACCES";
      if (isForbidden) return `process ${this.#pid} is another user's and may not be read`;
      return `there is no process ${this.#pid}`;
    }
  }

  /** What it has come to, its descendants included; null when it is gone. Pages that processes share count for each. */
  state(): ProcessState | null {
    const own = seen(() => stateOf(this.#pid));
    if (own === null) return null;
    const others = descendantsOf(this.#pid).map((pid) => seen(() => stateOf(pid)) ?? nothing);
    return others.reduce(sumOf, own);
  }
}

/** Of each figure the higher one. */
export function peakOf(a: ProcessState, b: ProcessState): ProcessState {
  return {
    cpuSeconds: Math.max(a.cpuSeconds, b.cpuSeconds),
    residentBytes: Math.max(a.residentBytes, b.residentBytes),
    descriptors: Math.max(a.descriptors, b.descriptors),
    contextSwitches: Math.max(a.contextSwitches, b.contextSwitches),
  };
}

/** The process before, at its highest and after, and what the run did meanwhile to one that it met; `openMax` sessions were open at once. */
export function cost(
  { before, peak, after }: Pick<TargetCost, "before" | "peak" | "after">,
  ran: Pick<Result, "counts" | "faults">,
  openMax: number,
): TargetCost {
  const { counts } = ran;
  const cpuSeconds = Math.max(0, after.cpuSeconds - before.cpuSeconds);
  const bytes = counts.bytesIn + counts.bytesOut;
  const per = (value: number, count: number, countMin: number) => (count < countMin ? null : value / count);
  const perByte = per(cpuSeconds * 1e3, bytes, BYTES_MIN);
  return {
    before,
    peak,
    after,
    cpuUsPerSession: per(cpuSeconds * 1e6, connectedOf(ran), 1),
    cpuUsPerMessage: per(cpuSeconds * 1e6, counts.messages, 1),
    cpuMsPerGib: perByte === null ? null : perByte * GIB,
    bytesPerOpenSession: per(peak.residentBytes - before.residentBytes, openMax, OPEN_MIN),
  };
}

function stateOf(pid: number): ProcessState {
  const { userMs, systemMs, childrenMs } = cpuMs(pid);
  // Ticks are coarse and have the threads that ended in them, the scheduler's nanoseconds have not: both were used at least.
  const ownMs = Math.max(userMs + systemMs, (seen(() => cpuNs(pid)) ?? 0) / 1e6);
  return {
    cpuSeconds: (ownMs + childrenMs) / 1e3,
    // One that has ended and waits to be waited for holds nothing.
    residentBytes: seen(() => residentBytes(pid)) ?? 0,
    descriptors: seen(() => readdirSync(`/proc/${pid}/fd`).length) ?? 0,
    contextSwitches: tasksOf(pid).reduce((sum, task) => sum + (seen(() => switchesOf(task)) ?? 0), 0),
  };
}

function switchesOf(task: string): number {
  const counts = readFileSync(`${task}/status`, "latin1").matchAll(
    /^(?:non)?voluntary_ctxt_switches:\t(\d+)$/gm,
  );
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

/** Whoever it began, and whoever those did. */
function descendantsOf(pid: number): number[] {
  const family = [pid];
  // Those that are found on the way are asked for theirs, too.
  for (const member of family) {
    if (family.length > PROCESSES_MAX) break;
    const tasks = seen(() => tasksOf(member)) ?? [];
    const texts = tasks.map((task) => seen(() => readFileSync(`${task}/children`, "latin1")) ?? "");
    family.push(...texts.flatMap((text) => text.match(/\d+/g) ?? []).map(Number));
  }
  return family.slice(1);
}

function sumOf(a: ProcessState, b: ProcessState): ProcessState {
  return {
    cpuSeconds: a.cpuSeconds + b.cpuSeconds,
    residentBytes: a.residentBytes + b.residentBytes,
    descriptors: a.descriptors + b.descriptors,
    contextSwitches: a.contextSwitches + b.contextSwitches,
  };
}

/** What there is to read; null when it has gone, or is not ours to read. */
function seen<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

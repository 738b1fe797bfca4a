/**
 * What a run came to: plain data, that reports are made of (a table for people, `--json`, `--html`) and that runs are
 * compared by. Latencies are in microseconds.
 */
import type { Plan } from "./plan.ts";

/**
 * The steps of a session that are timed apart, in their usual order. `session` is the whole of it, in an open loop from when
 * it was meant to begin. `data` is the sending of a message, `final` the wait for the reply that takes it. What ended in a
 * fault has no time, nor has a session that was turned away: they are counted, and would only make the others look better.
 */
export const PHASES = [
  "connect",
  "tls",
  "greeting",
  "hello",
  "starttls",
  "auth",
  "mail",
  "rcpt",
  "data",
  "final",
  "login",
  "select",
  "fetch",
  "idle",
  "quit",
  "close",
  "session",
] as const;

export type Phase = (typeof PHASES)[number];

/** Of one phase, or of all sessions. */
export interface Latency {
  readonly count: number;
  readonly minUs: number;
  readonly meanUs: number;
  readonly maxUs: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  /** Percentile and value, rising, for a plot. */
  readonly curve: readonly (readonly [percentile: number, us: number])[];
}

/** One kind of reply in one phase; `text` is cut to a line's length, without what differs from session to session. */
export interface ReplyCount {
  readonly phase: Phase;
  /** SMTP: `250`; IMAP: `OK`, `NO`, `BAD`, `BYE`. */
  readonly code: string;
  readonly text: string;
  readonly count: number;
}

/**
 * Why sessions failed: `refused` (ECONNREFUSED), `reset`, `closed` (an end where something was due), `timeout`, `protocol`
 * (an answer that is none in this protocol), `tls` (the handshake), `unreachable` (any other error of the network), `reply`
 * (a reply that ends the session: it is among the `replies`), `own` (this machine has no file or port left for it, which is no
 * fault of the target's). `cut`: it was open when the run was over, at this step; it is among the `open`, and has not failed.
 */
export const FAULTS = [
  "refused",
  "reset",
  "closed",
  "timeout",
  "protocol",
  "tls",
  "unreachable",
  "reply",
  "own",
  "cut",
] as const;

export type FaultKind = (typeof FAULTS)[number];

/**
 * How targets keep a client out without a word: an end or a reset before their first one, be it in place of TLS. A reset may
 * be there before the connection is told of, which was taken all the same.
 */
export function isSilentRefusal(phase: Phase, kind: FaultKind): boolean {
  const isEarly = phase === "connect" || phase === "tls" || phase === "greeting";
  return isEarly && (kind === "closed" || kind === "reset");
}

export interface FaultCount {
  readonly phase: Phase;
  readonly kind: FaultKind;
  readonly count: number;
}

export interface Counts {
  readonly begun: number;
  /** Went as they should. */
  readonly done: number;
  /** Turned away by the target's own words before they could do anything: a greeting of 4xx, 5xx or BYE. */
  readonly turnedAway: number;
  /** Ended by a fault. */
  readonly failed: number;
  /** Not over when the run was. */
  readonly open: number;
  /** Open loop: were due, and had not begun when the load stopped. They are in none of the other counts. */
  readonly neverBegun: number;
  /** Messages that the target took (its final 250), or that were fetched whole. */
  readonly messages: number;
  /** Both ways without PROXY headers, and of TLS what is inside, so that a target that reads its sessions has the same. */
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** A moment of the run. Counts are those since it began, the latencies and the CPU those since the sample before. */
export interface Sample {
  readonly atMs: number;
  readonly begun: number;
  readonly done: number;
  readonly turnedAway: number;
  readonly failed: number;
  readonly open: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Of the target's process, where it is known: seconds of CPU for each second, and resident memory. */
  readonly targetCpu: number | null;
  readonly targetBytes: number | null;
  /** Of an attack, once it has begun: how many of its tricks are over. */
  readonly tricks: { readonly played: number; readonly of: number } | null;
}

/** The harness's own part, so that nobody takes its limits for the target's. */
export interface Harness {
  readonly threads: number;
  /** Seconds of CPU for each second and thread: close to 1, the harness is the bottleneck. */
  readonly cpuShare: number;
  /** The same of what it was ready to run and had no core, as somebody else had it: as much of a bottleneck. */
  readonly waitShare: number;
  /** Open loop: how much later than meant sessions began. */
  readonly lateP50Us: number;
  readonly lateP99Us: number;
  readonly isBottleneck: boolean;
  /** The embedded sink's threads, where it was behind the target or was it. */
  readonly sink: ThreadShares | null;
}

/** As of the harness's own threads. */
export interface ThreadShares {
  readonly threads: number;
  readonly cpuShare: number;
  readonly waitShare: number;
}

/** A process at one moment, by proc(5). */
export interface ProcessState {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly descriptors: number;
  readonly contextSwitches: number;
}

/** The target's process (`--pid`, its children included). */
export interface TargetCost {
  readonly before: ProcessState;
  readonly peak: ProcessState;
  readonly after: ProcessState;
  readonly cpuUsPerSession: number | null;
  readonly cpuUsPerMessage: number | null;
  readonly cpuMsPerGib: number | null;
  readonly bytesPerOpenSession: number | null;
}

/** One of the target's own counters beside the harness's (`--metrics`). */
export interface Agreement {
  /** What is counted, in words. */
  readonly what: string;
  readonly harness: number;
  readonly target: number;
  readonly agrees: boolean;
}

/** What a scenario found beside counts and times: of `hammer` how limits fired, of `attack` what each trick brought. */
export interface Finding {
  readonly what: string;
  /** A word or a figure for people. */
  readonly outcome: string;
  /** Null: it is neither good nor bad. */
  readonly isWell: boolean | null;
}

export interface Result {
  readonly plan: Plan;
  /** ISO 8601. */
  readonly startedAt: string;
  /** Of the load: until no session began any more. What was open then went on for up to some seconds. */
  readonly seconds: number;
  /** Whether somebody ended it early. */
  readonly wasStopped: boolean;
  readonly counts: Counts;
  readonly latencies: Readonly<Partial<Record<Phase, Latency>>>;
  readonly replies: readonly ReplyCount[];
  readonly faults: readonly FaultCount[];
  readonly samples: readonly Sample[];
  readonly harness: Harness;
  readonly target: TargetCost | null;
  readonly agreements: readonly Agreement[];
  readonly findings: readonly Finding[];
}

/** The sessions that the target has seen at all: whom it resets at once, it has. */
export function connectedOf({ counts, faults }: Pick<Result, "counts" | "faults">): number {
  const unseen = faults.filter(({ phase, kind }) => phase === "connect" && !isSilentRefusal(phase, kind));
  return unseen.reduce((sum, { count }) => sum - count, counts.begun);
}

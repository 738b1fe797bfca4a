/**
 * What the sessions come to while they run: counts, times by phase, replies, faults, and what scenarios note. Each thread
 * has one of its own; they are merged by `add`, and told as the result has them.
 *
 * Everything is bounded: of texts and notes only so many are told apart, and what is beyond counts as `other`.
 */
import { createHistogram, type Histogram, type RecordableHistogram } from "node:perf_hooks";
import {
  type Counts,
  type FaultCount,
  type FaultKind,
  type Finding,
  type Latency,
  PHASES,
  type Phase,
  type ReplyCount,
  type Sample,
} from "./result.ts";

/** Four hours: an idle session is as long. A histogram of three digits has 200 KB then. */
const US_MAX = 4 * 3600 * 1_000_000;

/** More kinds of replies nobody reads, and no target has. */
const KINDS_MAX = 200;

/** Texts as they came, whose kind is known: a queue id in each makes them many, and then all are forgotten at once. */
const SEEN_MAX = 1000;

/** A count for each try of some clients, say. */
const NOTES_MAX = 1000;

/** More than any scenario compares. */
const ASIDES_MAX = 10;

/** As much as is told of a reply's text. */
const TEXT_LENGTH_MAX = 120;

/** The percentiles of a curve: so many steps in each half of the distance that is left to 100. */
const STEPS_PER_HALF = 5;
const CURVE_END = 99.99;

/** The counts that are counted; `open` follows from them. */
export type Running = { -readonly [Name in Exclude<keyof Counts, "open">]: number };

/** Of each phase that was reached. */
type Times = Partial<Record<Phase, RecordableHistogram>>;

/** What scenarios count besides, by names of their own. */
export type Notes = ReadonlyMap<string, number>;

/** A tally on its way from one thread to another. */
export interface TallyData {
  readonly counts: Running;
  readonly times: Times;
  readonly replies: readonly ReplyCount[];
  readonly faults: readonly FaultCount[];
  readonly notes: Notes;
  readonly findings: readonly Finding[];
  readonly asides: ReadonlyMap<string, RecordableHistogram>;
}

type Mutable<Kind> = { -readonly [Name in keyof Kind]: Kind[Name] };

export class Tally {
  readonly counts = noCounts();
  /** What a scenario has found by itself: as many as it has questions. */
  readonly findings: Finding[] = [];
  tricks: Sample["tricks"] = null;
  readonly #times: Times = {};
  /** The sessions' times since they were taken last. */
  #recent = newHistogram();
  readonly #replies = new Map<string, Mutable<ReplyCount>>();
  readonly #seen = new Map<string, Mutable<ReplyCount>>();
  readonly #faults = new Map<string, Mutable<FaultCount>>();
  readonly #notes = new Map<string, number>();
  readonly #asides = new Map<string, RecordableHistogram>();

  time(phase: Phase, milliseconds: number): void {
    let histogram = this.#times[phase];
    if (histogram === undefined) this.#times[phase] = histogram = newHistogram();
    record(histogram, milliseconds);
    if (phase === "session") record(this.#recent, milliseconds);
  }

  takeRecent(): RecordableHistogram {
    const recent = this.#recent;
    this.#recent = newHistogram();
    return recent;
  }

  reply(phase: Phase, code: string, text: string): void {
    const key = `${phase} ${code} ${text}`;
    let kind = this.#seen.get(key);
    if (kind === undefined) {
      if (this.#seen.size === SEEN_MAX) this.#seen.clear();
      kind = this.#kindOf(phase, code, commonText(text));
      this.#seen.set(key, kind);
    }
    kind.count++;
  }

  fault(phase: Phase, kind: FaultKind, count = 1): void {
    const key = `${phase} ${kind}`;
    const known = this.#faults.get(key);
    if (known === undefined) this.#faults.set(key, { phase, kind, count });
    else known.count += count;
  }

  note(what: string, count = 1): void {
    const name = this.#notes.has(what) || this.#notes.size < NOTES_MAX ? what : "other";
    this.#notes.set(name, (this.#notes.get(name) ?? 0) + count);
  }

  /** Times that a scenario compares, by names of its own. */
  aside(what: string, milliseconds: number): void {
    record(this.#asideOf(what), milliseconds);
  }

  add(other: TallyData): void {
    addCounts(this.counts, other.counts);
    for (const [phase, histogram] of timesOf(other.times)) {
      const own = this.#times[phase];
      if (own === undefined) this.#times[phase] = histogram;
      else own.add(histogram);
    }
    for (const { phase, code, text, count } of other.replies) this.#kindOf(phase, code, text).count += count;
    for (const { phase, kind, count } of other.faults) this.fault(phase, kind, count);
    for (const [what, count] of other.notes) this.note(what, count);
    this.findings.push(...other.findings);
    for (const [what, histogram] of other.asides) this.#asideOf(what).add(histogram);
  }

  /** Its histograms are this one's own still: it is the last thing to be asked of a thread's. */
  data(): TallyData {
    const { counts, replies, faults, notes, findings } = this;
    return {
      counts: { ...counts },
      times: this.#times,
      replies,
      faults,
      notes,
      findings,
      asides: this.#asides,
    };
  }

  get latencies(): Partial<Record<Phase, Latency>> {
    return Object.fromEntries(
      timesOf(this.#times).map(([phase, histogram]) => [phase, latencyOf(histogram)]),
    );
  }

  /** The most frequent first. */
  get replies(): ReplyCount[] {
    return [...this.#replies.values()].sort((a, b) => b.count - a.count);
  }

  get faults(): FaultCount[] {
    return [...this.#faults.values()].sort((a, b) => b.count - a.count);
  }

  get notes(): Notes {
    return this.#notes;
  }

  /** Null where nothing was timed under that name. */
  asideLatency(what: string): Latency | null {
    const histogram = this.#asides.get(what);
    return histogram === undefined ? null : latencyOf(histogram);
  }

  #asideOf(what: string): RecordableHistogram {
    const name = this.#asides.has(what) || this.#asides.size < ASIDES_MAX ? what : "other";
    const histogram = this.#asides.get(name) ?? newHistogram();
    this.#asides.set(name, histogram);
    return histogram;
  }

  #kindOf(phase: Phase, code: string, text: string): Mutable<ReplyCount> {
    const key = `${phase} ${code} ${text}`;
    const known = this.#replies.get(key);
    if (known !== undefined) return known;
    if (this.#replies.size >= KINDS_MAX && text !== "other") return this.#kindOf(phase, code, "other");
    const kind = { phase, code, text, count: 0 };
    this.#replies.set(key, kind);
    return kind;
  }
}

const countNames = [
  "begun",
  "done",
  "turnedAway",
  "failed",
  "neverBegun",
  "messages",
  "bytesIn",
  "bytesOut",
] as const;

export function noCounts(): Running {
  return { begun: 0, done: 0, turnedAway: 0, failed: 0, neverBegun: 0, messages: 0, bytesIn: 0, bytesOut: 0 };
}

export function addCounts(sum: Running, counts: Running): void {
  for (const name of countNames) sum[name] += counts[name];
}

/** Sessions that have not ended. */
export function openOf({ begun, done, turnedAway, failed }: Running): number {
  return begun - done - turnedAway - failed;
}

/** Of microseconds, to three digits. */
export function newHistogram(): RecordableHistogram {
  return createHistogram({ lowest: 1, highest: US_MAX, figures: 3 });
}

/** It holds whole numbers from 1 on. */
export function record(histogram: RecordableHistogram, milliseconds: number): void {
  histogram.record(Math.min(US_MAX, Math.max(1, Math.round(milliseconds * 1000))));
}

export function latencyOf(histogram: Histogram): Latency {
  const { count, max } = histogram;
  // Of nothing a histogram says strange things; and it has no percentile of 0.
  const [min, mean] = count === 0 ? [0, 0] : [histogram.min, histogram.mean];
  const at = (percentile: number) => {
    const rank = rankOf(percentile, count);
    return rank === 0 ? min : histogram.percentile((rank / count) * 100);
  };
  return {
    count,
    minUs: min,
    meanUs: mean,
    maxUs: max,
    p50Us: at(50),
    p90Us: at(90),
    p99Us: at(99),
    p999Us: at(99.9),
    curve: curvePercentiles.map((percentile) => [percentile, at(percentile)] as const),
  };
}

/**
 * Which of so many values a percentile is: the first that so many of a hundred do not exceed. The histogram by itself rounds,
 * and so has the 89th of 99 for the 90th percentile. What is added up in floating point is no reason for one more.
 */
function rankOf(percentile: number, count: number): number {
  return Math.ceil((percentile / 100) * count - 1e-6);
}

/** They draw closer together towards 100, as what is looked for lies there. */
const curvePercentiles: readonly number[] = (() => {
  const percentiles: number[] = [];
  let left = 100;
  for (let step = 0; 100 - left < CURVE_END; step++) {
    percentiles.push(100 - left);
    left -= 100 / 2 ** Math.floor(step / STEPS_PER_HALF) / (2 * STEPS_PER_HALF);
  }
  return [...percentiles, CURVE_END, 100];
})();

function timesOf(times: Times): (readonly [Phase, RecordableHistogram])[] {
  return PHASES.flatMap((phase) => {
    const histogram = times[phase];
    return histogram === undefined ? [] : [[phase, histogram] as const];
  });
}

/**
 * A reply's text without what is one session's alone: queue ids, addresses, all numbers but the enhanced status code in
 * front (RFC 3463 2). What looks like an id is a UUID (RFC 9562 4), a word of hexadecimal digits in parentheses, or a long word
 * of letters and digits; the name of IMAP's version is none.
 */
export function commonText(text: string): string {
  const [, status = "", rest = text] = /^([245]\.\d{1,3}\.\d{1,3}(?= |$))(.*)$/s.exec(text) ?? [];
  const common = rest
    .replace(/\b(queued as|id=|id(?= \S*\d)) ?[\w.<>@-]+/gi, "$1 #")
    .replace(/\b[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}(?:\.\d+)?\b/gi, "#")
    .replace(/\([\da-f]{6,}\)/gi, "(#)")
    .replace(/(?<![\w:])[\da-f]{0,4}(?::[\da-f]{0,4}){2,7}(?![\w:])/gi, "#")
    .replace(/\b(?!IMAP4rev)(?=\w*\d)\w{8,}\b/g, "#")
    .replace(/(?<!IMAP4rev|IMAP)\d+(?:\.\d+)*/g, "#");
  return (status + common).slice(0, TEXT_LENGTH_MAX);
}

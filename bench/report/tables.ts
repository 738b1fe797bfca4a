/**
 * A result as tables: what is said is decided here once, how it looks by those who draw them, in a terminal or in a page.
 *
 * Cells are plain text, in which anything may stand that a target said. A table without rows is not shown. Pure.
 */
import { isBusy, ownFaults } from "../load/bottleneck.ts";
import {
  type Counts,
  type FaultKind,
  type Latency,
  PHASES,
  type Phase,
  type Result,
  type TargetCost,
  type ThreadShares,
} from "../load/result.ts";
import { bytesText, countText, figureText, latencyText, plural, shareText } from "./units.ts";

/** `bad` is what somebody has to look at; `warning` puts the figures themselves in doubt. */
export type Tone = "plain" | "well" | "warning" | "bad";

export interface Column {
  readonly title: string;
  /** Figures stand at the right. */
  readonly align: "left" | "right";
}

export interface Row {
  /** As many as there are columns. */
  readonly cells: readonly string[];
  readonly tone: Tone;
}

export interface Table {
  /** Where there is room for no more than the columns' titles it stands in place of the first. */
  readonly title: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
}

export const STOPPED = "Stopped early: these are the figures so far.";

/** All of a result's tables that have rows, in the order in which people ask. */
export function tablesOf(result: Result): readonly Table[] {
  const tables = [
    countTable(result),
    phaseTable(result),
    replyTable(result),
    faultTable(result),
    ...(result.target === null ? [] : [processTable(result.target), costTable(result.target)]),
    agreementTable(result),
    findingTable(result),
    harnessTable(result),
  ];
  return tables.filter(({ rows }) => rows.length > 0);
}

/** What puts the figures in doubt, or needs a look before them, in sentences. */
export function warningsOf(result: Result): readonly Row[] {
  const { plan, harness, wasStopped, agreements, counts } = result;
  const own = ownFaults(result.faults);
  const differing = agreements.filter(({ agrees }) => !agrees).length;
  return [
    ...(counts.neverBegun > 0 ? [row([neverBegunText(counts)], "bad")] : []),
    ...(own > 0 ? [row([ownText(own)], "bad")] : []),
    ...(harness.isBottleneck ? [row([bottleneckText(result)], "warning")] : []),
    ...(wasStopped ? [row([STOPPED], "warning")] : []),
    ...(counts.begun === 0 && plan.scenario !== "attack" ? [row(["No session was begun."], "warning")] : []),
    ...(differing > 0
      ? [
          row(
            [`The target's own counters differ from the harness's in ${plural(differing, "place")}.`],
            "bad",
          ),
        ]
      : []),
  ];
}

/** Who only looks at times would take a load that broke down for one that went well. */
function neverBegunText({ neverBegun, begun }: Counts): string {
  const all = plural(neverBegun + begun, "session");
  return `${countText(neverBegun)} of ${all} that were due were never begun: the load was less than what was asked for, and those that waited longest are in none of the times.`;
}

function ownText(count: number): string {
  return `${plural(count, "session")} failed as this machine had no open file or no port left for them: that is the harness's own limit, and nothing of the target's.`;
}

function bottleneckText({ harness, counts, plan: { pace } }: Result): string {
  const { sink } = harness;
  const isSink = sink !== null && isBusy(sink) && !isBusy(harness);
  const { cpuShare, waitShare } = isSink ? sink : harness;
  const isCrowded = waitShare > cpuShare;
  const why = isCrowded ? ", as others had the CPU that it wanted" : "";
  const isTarget = pace.kind === "closed" && counts.done + counts.turnedAway > 0;
  const more = isTarget ? ", and the target could do more than this" : "";
  const remedy = isCrowded ? "a machine of its own" : "more threads, or a machine of its own";
  return `The harness${isSink ? "'s sink" : ""} is the bottleneck${why}: some of the times are the harness's own${more}. Give it ${remedy}.`;
}

/** A table whose first columns, `left` of them, are words; the others are figures. */
export function table(title: string, titles: readonly string[], left: number, rows: readonly Row[]): Table {
  const columns = titles.map((name, at): Column => ({ title: name, align: at < left ? "left" : "right" }));
  return { title, columns, rows };
}

export function row(cells: readonly string[], tone: Tone = "plain"): Row {
  return { cells, tone };
}

/** An attack has no sessions of the usual kind, and so nothing to count. */
function countTable({ plan, counts, seconds }: Result): Table {
  const { begun } = counts;
  const perSecond = (count: number) => (seconds > 0 ? figureText(count / seconds) : figureText(Number.NaN));
  const sessions = (what: string, count: number, tone: Tone = "plain") =>
    row([what, countText(count), perSecond(count), begun > 0 ? shareText(count / begun) : ""], tone);
  const bytes = (what: string, count: number) =>
    row([what, bytesText(count), seconds > 0 ? bytesText(count / seconds) : "", ""]);
  const rows = [
    sessions("begun", begun),
    sessions("done", counts.done),
    sessions("turned away", counts.turnedAway),
    sessions("failed", counts.failed, counts.failed > 0 ? "bad" : "plain"),
    sessions("open at the end", counts.open),
    ...(counts.neverBegun > 0
      ? [row(["due and never begun", countText(counts.neverBegun), perSecond(counts.neverBegun), ""], "bad")]
      : []),
    row(["messages", countText(counts.messages), perSecond(counts.messages), ""]),
    bytes("bytes to the target", counts.bytesOut),
    bytes("bytes from the target", counts.bytesIn),
  ];
  const titles = ["", "count", "each second", "share"];
  return table("Sessions", titles, 1, plan.scenario === "attack" ? [] : rows);
}

/** The phases that were timed at least once, in their usual order. */
function phasesOf({ latencies }: Result): readonly (readonly [Phase, Latency])[] {
  return PHASES.flatMap((phase) => {
    const latency = latencies[phase];
    return latency === undefined || latency.count === 0 ? [] : [[phase, latency] as const];
  });
}

function phaseTable(result: Result): Table {
  const rows = phasesOf(result).map(([phase, { count, p50Us, p90Us, p99Us, p999Us, maxUs }]) =>
    row([phase, countText(count), ...[p50Us, p90Us, p99Us, p999Us, maxUs].map(latencyText)]),
  );
  return table("Latency by phase", ["phase", "count", "p50", "p90", "p99", "p99.9", "max"], 1, rows);
}

function replyTable({ replies }: Result): Table {
  const rows = byCount(replies).map(({ phase, code, text, count }) =>
    row([phase, code, countText(count), text]),
  );
  return {
    title: "Replies",
    columns: [
      { title: "phase", align: "left" },
      { title: "code", align: "left" },
      { title: "count", align: "right" },
      { title: "text", align: "left" },
    ],
    rows,
  };
}

/** Where the kind's name does not say it. */
const faultWords: Partial<Record<FaultKind, string>> = { own: "own limit", cut: "open at the end" };

function faultTable({ faults }: Result): Table {
  const rows = byCount(faults).map(({ phase, kind, count }) =>
    row([phase, faultWords[kind] ?? kind, countText(count)], kind === "cut" ? "warning" : "bad"),
  );
  return table("Faults", ["phase", "kind", "count"], 2, rows);
}

function byCount<Counted extends { readonly count: number }>(counted: readonly Counted[]): Counted[] {
  return counted.filter(({ count }) => count > 0).sort((a, b) => b.count - a.count);
}

function processTable({ before, peak, after }: TargetCost): Table {
  const states = [before, peak, after];
  return table("The target's process", ["", "before", "peak", "after"], 1, [
    row(["CPU so far", ...states.map(({ cpuSeconds }) => `${figureText(cpuSeconds)} s`)]),
    row(["resident memory", ...states.map(({ residentBytes }) => bytesText(residentBytes))]),
    row(["descriptors", ...states.map(({ descriptors }) => countText(descriptors))]),
    row(["context switches", ...states.map(({ contextSwitches }) => countText(contextSwitches))]),
  ]);
}

function costTable(target: TargetCost): Table {
  const costs: readonly (readonly [string, number | null, (value: number) => string])[] = [
    ["CPU per session", target.cpuUsPerSession, latencyText],
    ["CPU per message", target.cpuUsPerMessage, latencyText],
    ["CPU per GiB", target.cpuMsPerGib, (ms) => latencyText(ms * 1000)],
    ["memory per open session", target.bytesPerOpenSession, heldText],
  ];
  const rows = costs.flatMap(([what, value, text]) => (value === null ? [] : [row([what, text(value)])]));
  return table("What the target spends", ["", ""], 1, rows);
}

/** What a process gave back or had to spare meanwhile is no cost of a session. */
function heldText(bytes: number): string {
  return bytes > 0 ? bytesText(bytes) : "too little to tell";
}

function agreementTable({ agreements }: Result): Table {
  const rows = agreements.map(({ what, harness, target, agrees }) =>
    row([what, countText(harness), countText(target), agrees ? "agree" : "differ"], agrees ? "plain" : "bad"),
  );
  return table("Counted on both sides", ["", "harness", "target", ""], 1, rows);
}

function findingTable({ findings }: Result): Table {
  const words = { true: "well", false: "not well", null: "" } as const;
  const tones = { true: "well", false: "bad", null: "plain" } as const;
  const rows = findings.map(({ what, outcome, isWell }) =>
    row([words[`${isWell}`], what, outcome], tones[`${isWell}`]),
  );
  return table("Findings", ["", "what", "outcome"], 3, rows);
}

function harnessTable({ harness, plan }: Result): Table {
  const { threads, cpuShare, waitShare, lateP50Us, lateP99Us, isBottleneck, sink } = harness;
  const tone = isBottleneck ? "warning" : "plain";
  const late = row(
    ["sessions begun late by (p50, p99)", [lateP50Us, lateP99Us].map(latencyText).join(", ")],
    tone,
  );
  return table("The harness itself", ["", ""], 1, [
    row(["threads", countText(threads)]),
    row(["CPU of each thread", shareText(cpuShare)], tone),
    row(["and waiting for a CPU", shareText(waitShare)], tone),
    ...(plan.pace.kind === "open" ? [late] : []),
    ...(sink === null ? [] : sinkRows(sink)),
  ]);
}

function sinkRows(sink: ThreadShares): readonly Row[] {
  const tone = isBusy(sink) ? "warning" : "plain";
  return [
    row(["threads of the sink", countText(sink.threads)]),
    row(["CPU of each of these", shareText(sink.cpuShare)], tone),
    row(["and waiting for a CPU", shareText(sink.waitShare)], tone),
  ];
}

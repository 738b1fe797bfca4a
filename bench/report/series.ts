/**
 * Which runs are drawn together, under which names, and what of them: from results to the lines of plots. Pure.
 */
import { endpointText } from "../../src/address.ts";
import type { Latency, Result, Sample } from "../load/result.ts";
import type { Case, Comparison, PeerRun } from "./comparison.ts";
import { planTitle, scenarioText } from "./plantext.ts";
import type { Line } from "./plots.ts";
import { STYLES } from "./style.ts";
import { figureText } from "./units.ts";

/** A run under a name that is short, and its own in its group. */
export interface Series {
  readonly name: string;
  /** Its name where there is room. */
  readonly title: string;
  readonly style: number;
  readonly result: Result;
}

export interface Group {
  readonly title: string;
  /** A question, or nothing. */
  readonly question: string;
  readonly series: readonly Series[];
  /** The figures that the group's peers are compared by. */
  readonly case: Case | null;
}

/** Those of a comparison by its cases, then single results by their scenario. */
export function groupsOf(results: readonly Result[], comparison: Comparison | null): readonly Group[] {
  const compared = comparison?.cases.map((each) => caseGroup(each, comparison)) ?? [];
  const scenarios = Map.groupBy(results, ({ plan }) => scenarioText(plan));
  const single = [...scenarios].map(([title, group]) => {
    const names = namesOf(group);
    const series = group.map((result, at) => ({
      name: names[at]!,
      title: planTitle(result.plan),
      style: at % STYLES,
      result,
    }));
    return { title, question: "", series, case: costCase(series) };
  });
  return [...compared, ...single];
}

function caseGroup(each: Case, { peers, runs }: Comparison): Group {
  const series = peers.flatMap(({ name }, at) => {
    const result = typical(runs.filter((run) => run.case === each.name && run.peer === name));
    return result === null ? [] : [{ name, title: `${each.name}: ${name}`, style: at % STYLES, result }];
  });
  return { title: each.name, question: each.question, series, case: each };
}

/** Of several rounds the one in the middle, by the median of its latency: a curve of means was nobody's. */
function typical(runs: readonly PeerRun[]): Result | null {
  const order = runs.map(({ result }) => result).sort((a, b) => middleUs(a) - middleUs(b));
  return order[(order.length - 1) >>> 1] ?? null;
}

function middleUs(result: Result): number {
  return headLatency(result)?.p50Us ?? 0;
}

/** The latency that a run is known by: whole sessions, but for those that are held, of which the greeting tells more. */
export function headLatency({ plan, latencies }: Result): Latency | null {
  const latency = plan.scenario === "idle" ? latencies.greeting : latencies.session;
  return latency === undefined || latency.count === 0 ? null : latency;
}

/** What tells each from the others, as short as a plot needs it. Those that nothing tells apart are numbered. */
function namesOf(results: readonly Result[]): readonly string[] {
  const target = targetOf(results);
  const differing = [target, ...traits].filter((trait) => new Set(results.map(trait)).size > 1);
  const said = differing.length === 0 ? [target] : differing;
  const names = results.map((result) => said.map((trait) => trait(result)).join(", "));
  return names.map((name, at) => {
    const before = names.slice(0, at).filter((other) => other === name).length;
    return names.indexOf(name) === names.lastIndexOf(name) ? name : `${name} #${before + 1}`;
  });
}

type Trait = (result: Result) => string;

/** The port alone where all are on one machine. */
function targetOf(results: readonly Result[]): Trait {
  const hosts = new Set(results.map(({ plan }) => plan.target.host));
  return hosts.size === 1 && results.length > 1
    ? ({ plan }) => `:${plan.target.port}`
    : ({ plan }) => endpointText(plan.target);
}

const traits: readonly Trait[] = [
  ({ plan: { pace } }) =>
    pace.kind === "open" ? `${figureText(pace.ratePerSecond)}/s` : `×${pace.concurrency}`,
  ({ plan }) => (plan.proxy === "off" ? "no PROXY" : `PROXY ${plan.proxy}`),
  ({ plan }) => (plan.tls === "off" ? "no TLS" : plan.tls),
];

/** CPU per session side by side, where at least two runs know it. */
function costCase(series: readonly Series[]): Case | null {
  const figures = series.flatMap(({ name, result }) => {
    const us = result.target?.cpuUsPerSession ?? null;
    return us === null ? [] : [{ peer: name, values: [us], median: us, min: us, max: us, ratio: null }];
  });
  if (figures.length < 2) return null;
  const unit = "µs of CPU per session";
  return { name: "CPU", question: "What does a session cost?", unit, better: "less", plan: "", figures };
}

/** Percentile and milliseconds. */
export function latencyLine({ name, style, result }: Series): Line {
  const curve = headLatency(result)?.curve ?? [];
  const points = curve.filter(([, us]) => us > 0).map(([percentile, us]) => [percentile, us / 1000] as const);
  return { name, style, points };
}

/** Samples come about every second; what a shorter rest at the end came to would be chance. */
const RATE_OVER_MS = 500;

/** Seconds, and how many of what `count` gives there were in each. */
export function rateLine({ name, style, result }: Series, count: (sample: Sample) => number): Line {
  let [lastMs, lastCount] = [0, 0];
  const points = result.samples.flatMap((sample) => {
    const [overMs, more] = [sample.atMs - lastMs, count(sample) - lastCount];
    if (overMs < RATE_OVER_MS) return [];
    [lastMs, lastCount] = [sample.atMs, count(sample)];
    return [[sample.atMs / 1000, (more * 1000) / overMs] as const];
  });
  return { name, style, points };
}

/** Seconds, and the cores that the target keeps busy. */
export function cpuLine({ name, style, result }: Series): Line {
  const points = result.samples.flatMap(({ atMs, targetCpu }, at) => {
    const overMs = atMs - (result.samples[at - 1]?.atMs ?? 0);
    return targetCpu === null || overMs < RATE_OVER_MS ? [] : [[atMs / 1000, targetCpu] as const];
  });
  return { name, style, points };
}

/** Sessions that are open, and MiB, as long as they become more. */
export function memoryLine({ name, style, result }: Series): Line {
  let most = -1;
  const points = result.samples.flatMap(({ open, targetBytes }) => {
    if (targetBytes === null || open <= most) return [];
    most = open;
    return [[open, targetBytes / 2 ** 20] as const];
  });
  return { name, style, points };
}

/** Sessions at a time, and how many were done in a second: a line for each target that was asked at two or more. */
export function concurrencyLines(results: readonly Result[], comparison: Comparison | null): readonly Line[] {
  const target = targetOf(results);
  const runs = [
    ...results.map((result) => ({ of: target(result), result })),
    ...(comparison?.runs.map(({ peer, result }) => ({ of: peer, result })) ?? []),
  ];
  const scenarios = new Set(runs.map(({ result }) => scenarioText(result.plan)));
  const name = ({ of, result }: (typeof runs)[number]) =>
    scenarios.size > 1 ? `${of}, ${scenarioText(result.plan)}` : of;
  const lines = [...Map.groupBy(runs, name)].map(([name, group]) => ({
    name,
    points: concurrencyPoints(group.map(({ result }) => result)),
  }));
  return lines.filter(({ points }) => points.length > 1).map((line, at) => ({ ...line, style: at % STYLES }));
}

/** The best of several runs at one concurrency: what disturbs them makes them slower only. */
function concurrencyPoints(results: readonly Result[]): Line["points"] {
  const best = new Map<number, number>();
  for (const { plan, counts, seconds } of results) {
    if (plan.pace.kind !== "closed" || seconds <= 0) continue;
    const { concurrency } = plan.pace;
    best.set(concurrency, Math.max(best.get(concurrency) ?? 0, counts.done / seconds));
  }
  return [...best].sort(([a], [b]) => a - b);
}

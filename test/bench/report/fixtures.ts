/** Results and comparisons that never were: figures by formula, the same at each run, with a shape that real ones have. */

import type { Plan } from "../../../bench/load/plan.ts";
import type { Latency, Result, Sample, TargetCost } from "../../../bench/load/result.ts";
import type { Case, Comparison, PeerRun } from "../../../bench/report/comparison.ts";

const plan: Plan = {
  scenario: "smtp",
  protocol: "smtp",
  target: { host: "127.0.0.1", port: 2525 },
  proxy: "v2",
  clients: { ranges: ["203.0.113.0/24", "2001:db8::/48"], distribution: "zipf", seed: 7 },
  pace: { kind: "open", ratePerSecond: 500, rampMs: 2000 },
  openMax: 14_000,
  durationMs: 30_000,
  sessionsMax: 100_000,
  timeoutMs: 10_000,
  tls: "off",
  threads: 2,
  mail: {
    sizeBytes: 3072,
    recipients: 1,
    messages: 1,
    sender: "a@example.org",
    recipient: "b%d@example.net",
    pipelining: true,
    chunking: false,
  },
  login: { user: "ada", password: "secret-of-ada" },
  idleMs: 5000,
  hammer: { offenders: 1, tries: 100 },
  banned: [],
};

/** A distribution whose tail is as long as `tail` says. */
function latencyOf(count: number, p50Us: number, tail: number): Latency {
  const at = (percentile: number) => p50Us * ((1 - percentile / 100) / 0.5) ** -tail;
  const percentiles = [0, 25, 50, 75, 87.5, 90, 93.75, 96.875, 98.4375, 99, 99.5, 99.75, 99.9, 99.95, 99.99];
  return {
    count,
    minUs: at(0),
    meanUs: at(60),
    maxUs: at(99.993),
    p50Us,
    p90Us: at(90),
    p99Us: at(99),
    p999Us: at(99.9),
    curve: [...percentiles.map((each) => [each, at(each)] as const), [100, at(99.993)]],
  };
}

export function samplesOf(seconds: number, ratePerSecond: number, residentBytes = 40e6): readonly Sample[] {
  let [done, turnedAway] = [0, 0];
  return Array.from({ length: seconds }, (_, index): Sample => {
    const second = index + 1;
    const wave = 1 + 0.04 * Math.sin(second * 1.7) + 0.02 * Math.sin(second * 5.1);
    done += Math.round(ratePerSecond * Math.min(1, second / 3) * wave);
    turnedAway += second > 12 ? 7 + (second % 4) : 0;
    return {
      atMs: second * 1000,
      begun: done + turnedAway + 12,
      done,
      turnedAway,
      failed: Math.floor(second / 10),
      open: 12,
      p50Us: 800 * wave,
      p99Us: 3100 * wave,
      targetCpu: (0.42 * wave * ratePerSecond) / 500,
      targetBytes: residentBytes + 4e5 * Math.log(second),
      tricks: null,
    };
  });
}

const targetCost: TargetCost = {
  before: { cpuSeconds: 1.21, residentBytes: 60_000_000, descriptors: 34, contextSwitches: 1200 },
  peak: { cpuSeconds: 14.2, residentBytes: 71_000_000, descriptors: 310, contextSwitches: 45_100 },
  after: { cpuSeconds: 14.2, residentBytes: 66_000_000, descriptors: 35, contextSwitches: 45_100 },
  cpuUsPerSession: 868,
  cpuUsPerMessage: 868,
  cpuMsPerGib: 290_123,
  bytesPerOpenSession: 3712,
};

/** A run of which everything can be said. */
export const full: Result = {
  plan,
  startedAt: "2026-11-23T03:10:11.123Z",
  seconds: 30,
  wasStopped: false,
  counts: {
    begun: 15_000,
    done: 14_820,
    turnedAway: 172,
    failed: 8,
    open: 0,
    neverBegun: 0,
    messages: 14_820,
    bytesIn: 5_120_000,
    bytesOut: 48_234_496,
  },
  latencies: {
    connect: latencyOf(15_000, 62, 0.3),
    greeting: latencyOf(14_995, 310, 0.34),
    hello: latencyOf(14_823, 88, 0.3),
    rcpt: latencyOf(14_823, 102, 0.3),
    final: latencyOf(14_820, 640, 0.41),
    session: latencyOf(14_820, 1420, 0.4),
  },
  replies: [
    { phase: "greeting", code: "220", text: "mx.example.org ESMTP", count: 14_823 },
    { phase: "greeting", code: "421", text: "4.7.0 Too many connections from your address", count: 172 },
    { phase: "final", code: "250", text: "2.0.0 Ok: queued as", count: 14_820 },
  ],
  faults: [
    { phase: "greeting", kind: "timeout", count: 5 },
    { phase: "final", kind: "reset", count: 3 },
  ],
  samples: samplesOf(30, 500),
  harness: {
    threads: 2,
    cpuShare: 0.34,
    waitShare: 0.021,
    lateP50Us: 0,
    lateP99Us: 180,
    isBottleneck: false,
    sink: null,
  },
  target: targetCost,
  agreements: [
    { what: "connections", harness: 15_000, target: 15_000, agrees: true },
    { what: "messages", harness: 14_820, target: 14_817, agrees: false },
  ],
  findings: [
    { what: "first refusal", outcome: "at connection 51", isWell: null },
    { what: "well-behaved clients", outcome: "none was refused", isWell: true },
    { what: "bare line feed", outcome: "passed on", isWell: false },
  ],
};

export function resultOf(changes: Partial<Result>, plans: Partial<Plan> = {}): Result {
  return { ...full, ...changes, plan: { ...plan, ...plans } };
}

/** A target that was never there. */
export const nothingBegun = resultOf({
  seconds: 0,
  wasStopped: true,
  counts: {
    begun: 0,
    done: 0,
    turnedAway: 0,
    failed: 0,
    open: 0,
    neverBegun: 0,
    messages: 0,
    bytesIn: 0,
    bytesOut: 0,
  },
  latencies: { session: { ...latencyOf(0, Number.NaN, 0), curve: [] } },
  replies: [],
  faults: [],
  samples: [],
  harness: {
    threads: 0,
    cpuShare: Number.NaN,
    waitShare: Number.NaN,
    lateP50Us: 0,
    lateP99Us: Number.NaN,
    isBottleneck: false,
    sink: null,
  },
  target: null,
  agreements: [],
  findings: [],
});

/** What it found, and no session of the usual kind. */
export const attacked = resultOf(
  { counts: nothingBegun.counts, latencies: {}, replies: [], faults: [], agreements: [] },
  { scenario: "attack", pace: { kind: "closed", concurrency: 1, rampMs: 0 } },
);

export const onlyFaults = resultOf({
  counts: { ...full.counts, done: 0, turnedAway: 0, failed: 15_000, messages: 0, bytesIn: 0, bytesOut: 0 },
  latencies: {},
  replies: [],
  faults: [{ phase: "connect", kind: "refused", count: 15_000 }],
  samples: [],
  agreements: [],
  findings: [],
});

/** A target that means ill, by what it says. */
export const hostile = resultOf({
  replies: [
    {
      phase: "greeting",
      code: "220",
      text: "<script>alert(1)</script>\x1b[2J\x1b]0;owned\x07 &amp; \"'\r\nQUIT",
      count: 1,
    },
  ],
  findings: [{ what: "<img src=x onerror=alert(1)>", outcome: "\x9b31m", isWell: false }],
});

const cases: readonly (readonly [name: string, question: string, unit: string, base: number])[] = [
  ["churn, opaque", "What does a session cost that nobody reads?", "µs of CPU per session", 118],
  ["churn, SMTP", "What does a session cost whose commands are read?", "µs of CPU per session", 124],
  ["bulk", "What do bytes cost?", "ms of CPU per GiB", 612],
  ["idle", "What does a connection hold that waits?", "KiB per session", 3.8],
];
const speeds: readonly (readonly [peer: string, version: string, factor: number])[] = [
  ["postern", "0.1.0", 0.93],
  ["haproxy", "2.6.12", 1],
  ["nginx", "1.22.1", 0.88],
  ["haraka", "3.0.5", 7.4],
];

function caseOf([name, question, unit, base]: (typeof cases)[number]): Case {
  const figures = speeds
    .filter(([peer]) => peer !== "haraka" || name.includes("SMTP"))
    .map(([peer, , factor], at) => {
      const values = [0.97, 1, 1.06].map((round) => base * factor * (round + 0.01 * at));
      return { peer, values, median: values[1]!, min: values[0]!, max: values[2]!, ratio: factor };
    });
  return { name, question, unit, better: "less", plan: "32 sessions at a time for 10 s", figures };
}

function runsOf(each: Case): PeerRun[] {
  const isIdle = each.name === "idle";
  return each.figures.map(({ peer, ratio }, at) => {
    const cost = ratio ?? 1;
    const samples = isIdle
      ? idleSamples(cost)
      : samplesOf(20, 2400 / cost).map((sample) => ({ ...sample, targetCpu: 0.9 + at * 0.01 }));
    const result = resultOf(
      {
        seconds: 20,
        samples,
        latencies: { ...full.latencies, session: latencyOf(40_000, 1300 * cost, 0.3 + at * 0.04) },
        agreements: [],
        findings: [],
      },
      { scenario: isIdle ? "idle" : "churn", pace: { kind: "closed", concurrency: 32, rampMs: 0 } },
    );
    return { peer, case: each.name, round: 1, result };
  });
}

function idleSamples(cost: number): readonly Sample[] {
  return samplesOf(20, 0).map((sample, index) => ({
    ...sample,
    turnedAway: 0,
    open: 450 * (index + 1),
    targetBytes: 30e6 * cost + 450 * (index + 1) * 3900 * cost + (index % 3) * 2e5,
  }));
}

export const comparison: Comparison = {
  startedAt: "2026-11-23T03:10:11.000Z",
  seconds: 411,
  wasStopped: false,
  machine: { cpus: 2, model: "Neoverse-N1", kernel: "Linux 6.12.48", node: "v24.21.0" },
  peers: speeds.map(([name, version]) =>
    name === "haraka" ? { name, version, differs: "is told by PROXY v1" } : { name, version },
  ),
  absentees: [{ name: "direct", reason: "not asked for" }],
  reference: "haproxy",
  cases: cases.map(caseOf),
  runs: cases.map(caseOf).flatMap(runsOf),
};

/** The same at rising concurrency, towards two targets. */
export const sweep: readonly Result[] = [2525, 2526].flatMap((port) =>
  [1, 4, 16, 64, 256].map((concurrency) => {
    const perSecond = (port === 2525 ? 5200 : 4300) * (concurrency / (concurrency + 9));
    return resultOf(
      {
        seconds: 20,
        counts: { ...full.counts, done: Math.round(perSecond * 20), failed: 0, turnedAway: 0 },
        samples: samplesOf(20, perSecond).map((sample) => ({ ...sample, turnedAway: 0, failed: 0 })),
        latencies: { session: latencyOf(20_000, (concurrency / perSecond) * 1e6, 0.3) },
        agreements: [],
      },
      {
        scenario: "churn",
        target: { host: "127.0.0.1", port },
        pace: { kind: "closed", concurrency, rampMs: 0 },
      },
    );
  }),
);

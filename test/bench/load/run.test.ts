/** Whole runs, on threads: what they come to, and that they end. */
import { spawn } from "node:child_process";
import t from "tap";
import type { Plan } from "../../../bench/load/plan.ts";
import type { Result, Sample } from "../../../bench/load/result.ts";
import { RunFailure, run } from "../../../bench/load/run.ts";
import { startUpstream } from "../../live/upstream.ts";
import { freePort } from "../../servers/ports.ts";
import { faultsOf, planOf, unwatched } from "./plans.ts";
import { startSmtp } from "./server.ts";

/** What the run came to, in the time that it may take. */
async function within(seconds: number, plan: Plan, watch = unwatched()): Promise<Result> {
  const result = await run(plan, watch);
  if (result.seconds > seconds) throw new Error(`it took ${result.seconds} s`);
  return result;
}

t.test("run adds up to what was asked for when threads share it", async (t) => {
  const server = await startSmtp(t, { proxy: true });
  const samples: Sample[] = [];
  const plan = planOf(server.port, {
    scenario: "smtp",
    proxy: "v2",
    threads: 3,
    sessionsMax: 50,
    pace: { kind: "closed", concurrency: 7, rampMs: 0 },
  });
  const result = await within(15, plan, unwatched({ onSample: (sample) => samples.push(sample) }));
  t.match(result.counts, { begun: 50, done: 50, turnedAway: 0, failed: 0, open: 0, messages: 50 });
  t.equal(server.sessions.length, 50);
  t.equal(result.latencies.session!.count, 50);
  t.strictSame(
    result.replies.filter(({ phase }) => phase === "final"),
    [{ phase: "final", code: "250", text: "2.0.0 Ok: queued as #", count: 50 }],
  );
  t.strictSame(result.samples, samples);
  t.match(samples.at(-1), { begun: 50, done: 50, open: 0 });
  t.match(result, { plan, wasStopped: false, target: null, agreements: [], findings: [], faults: [] });
  t.equal(result.harness.threads, 3);
  t.ok(result.harness.cpuShare > 0 && result.harness.cpuShare < 2, `${result.harness.cpuShare}`);
  // Whoever runs at all waits for a core now and then, and never longer than it takes.
  t.ok(result.harness.waitShare >= 0 && result.harness.waitShare < 1, `${result.harness.waitShare}`);
  t.match(result.startedAt, /^\d{4}-\d\d-\d\dT/);
});

t.test("run has the same clients in the same numbers when threads are more or fewer", async (t) => {
  const sources: string[][] = [];
  for (const threads of [1, 3]) {
    const server = await startSmtp(t, { proxy: true });
    await within(15, planOf(server.port, { proxy: "v2", threads, sessionsMax: 30 }));
    sources.push(server.sessions.map(({ source }) => source ?? "").toSorted());
  }
  t.strictSame(sources[0], sources[1]);
});

t.test("run keeps the rate when the loop is open and shared", async (t) => {
  const server = await startSmtp(t);
  const pace = { kind: "open", ratePerSecond: 100, rampMs: 0 } as const;
  const result = await within(
    15,
    planOf(server.port, { pace, threads: 2, sessionsMax: 1000, durationMs: 1000 }),
  );
  t.ok(result.counts.begun <= 102, `${result.counts.begun}`);
  t.ok(result.counts.begun >= 60, `${result.counts.begun}`);
  t.equal(result.counts.done, result.counts.begun);
  t.notOk(result.wasStopped);
  t.ok(result.harness.lateP99Us > 0);
});

t.test("run ends with what it has when it is stopped", async (t) => {
  const server = await startSmtp(t);
  const plan = planOf(server.port, {
    scenario: "idle",
    idleMs: 60_000,
    sessionsMax: 100,
    durationMs: 60_000,
  });
  const stop = new AbortController();
  const begun = setInterval(() => {
    if (server.sessions.some(({ commands }) => commands.length > 0)) stop.abort();
  }, 10);
  t.teardown(() => clearInterval(begun));
  const result = await within(10, plan, unwatched({ signal: stop.signal }));
  t.ok(result.wasStopped);
  t.match(result.counts, { failed: 0, open: 0 });
  t.ok(result.counts.done > 0);
  const already = await within(10, plan, unwatched({ signal: AbortSignal.abort() }));
  t.ok(already.wasStopped);
});

t.test("run leaves open what does not end when its time is over", async (t) => {
  const upstream = await startUpstream(t);
  const plan = planOf(upstream.port, { durationMs: 300, timeoutMs: 20_000, sessionsMax: 100 });
  const result = await within(10, plan);
  t.match(result.counts, { begun: 2, done: 0, failed: 0, open: 2 });
  const { seconds, samples } = result;
  t.ok(seconds > 0.29);
  // Five seconds lie between the load's end and the last sample, which count for nothing.
  t.ok(samples.at(-1)!.atMs - seconds * 1000 > 4000, `${seconds}, ${samples.at(-1)!.atMs}`);
});

t.test("run counts every session when nobody listens", async (t) => {
  const result = await within(10, planOf(await freePort(), { threads: 2, sessionsMax: 100 }));
  t.match(result.counts, { begun: 100, failed: 100 });
  t.strictSame(faultsOf(result), ["connect refused × 100"]);
});

t.test("run rejects in words when a thread dies", async (t) => {
  const clients = { ranges: ["nonsense"], distribution: "uniform", seed: 1 } as const;
  const plan = planOf(1, { clients, threads: 2 });
  const message = /^load thread load-\d died: no network: nonsense$/;
  await t.rejects(run(plan, unwatched()), { name: "RunFailure", message, result: null });
});

t.test("run rejects with the result so far when a thread dies in it", async (t) => {
  // A header cannot name it, which is our own mistake, and the first session's end.
  const plan = planOf(1, { target: { host: "nonsense", port: 1 }, proxy: "v2" });
  const failure = await run(plan, unwatched()).catch((error: unknown) => error);
  t.ok(failure instanceof RunFailure);
  const message = /^load thread load-0 died: /;
  t.match(failure, {
    message,
    result: {
      wasStopped: true,
      counts: { done: 0 },
      findings: [{ what: "the harness itself", outcome: message, isWell: false }],
    },
  });
});

t.test(
  "run counts what never begins, and is the bottleneck, when the rate is far above what it can",
  async (t) => {
    const server = await startSmtp(t);
    const pace = { kind: "open", ratePerSecond: 100_000, rampMs: 0 } as const;
    const plan = planOf(server.port, { pace, openMax: 200, sessionsMax: 1_000_000, durationMs: 300 });
    const { counts, harness } = await within(15, plan);
    t.ok(counts.begun + counts.neverBegun <= 30_000, JSON.stringify(counts));
    t.ok(counts.done > 0 && counts.neverBegun > 0, JSON.stringify(counts));
    t.ok(harness.isBottleneck);
  },
);

t.test("run finds that the target's process ended when it does so in its midst", async (t) => {
  const child = spawn("sleep", ["60"]);
  t.teardown(() => child.kill());
  const server = await startSmtp(t);
  const plan = planOf(server.port, { scenario: "idle", idleMs: 60_000, durationMs: 60_000, sessionsMax: 2 });
  const stop = new AbortController();
  // Two samples without a process are one finding.
  const onSample = ({ targetBytes }: Sample) => {
    if (targetBytes !== null) child.kill("SIGKILL");
    else stop.abort();
  };
  const { findings, target } = await within(
    20,
    plan,
    unwatched({ pid: child.pid!, onSample, signal: stop.signal }),
  );
  t.strictSame(findings, [{ what: "the target's process", outcome: "ended during the run", isWell: false }]);
  t.ok(target!.before.residentBytes > 0, "what was known of it is told");
});

t.test("run uses no more threads than have something to do when it is asked for more", async (t) => {
  const server = await startSmtp(t);
  const pace = { kind: "closed", concurrency: 1, rampMs: 0 } as const;
  const result = await within(15, planOf(server.port, { pace, threads: 4, sessionsMax: 6 }));
  t.match(result, { counts: { begun: 6, done: 6 }, harness: { threads: 1 }, plan: { threads: 1 } });
});

t.test("run reads the target's process, and says what it cannot read, when it is asked to", async (t) => {
  const server = await startSmtp(t);
  // The target is this process.
  const watch = unwatched({ pid: process.pid, metricsUrl: `http://127.0.0.1:${await freePort()}/metrics` });
  // Less than a tick of the kernel's clock may go unseen.
  const plan = planOf(server.port, { sessionsMax: 1000 });
  const { target, samples, agreements, findings } = await within(15, plan, watch);
  t.ok(target!.before.residentBytes > 1e7 && target!.peak.residentBytes >= target!.before.residentBytes);
  t.ok(target!.cpuUsPerSession! > 0);
  t.ok(samples.at(-1)!.targetBytes! > 1e7);
  t.strictSame(agreements, []);
  t.strictSame(
    [...new Set(findings.map(({ what, isWell }) => `${what} ${isWell}`))],
    ["the target's metrics false"],
  );
  const gone = await within(15, planOf(server.port), unwatched({ pid: 2 ** 22 + 1 }));
  t.equal(gone.target, null);
  t.match(gone.findings, [{ what: "the target's process", isWell: false }]);
});

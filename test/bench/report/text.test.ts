/** The reports for people: what stands in them, and what never does. */
import t from "tap";
import type { Plan } from "../../../bench/load/plan.ts";
import { comparisonText, resultText } from "../../../bench/report/text.ts";
import { attacked, comparison, full, hostile, nothingBegun, onlyFaults, resultOf } from "./fixtures.ts";

const reports = {
  full: resultText(full, "plain"),
  nothingBegun: resultText(nothingBegun, "plain"),
  onlyFaults: resultText(onlyFaults, "plain"),
  attacked: resultText(attacked, "plain"),
  hostile: resultText(hostile, "plain"),
  comparison: comparisonText(comparison, "plain"),
};

for (const [name, text] of Object.entries(reports)) {
  t.test(`the report fits a screen and has no hole when it is of: ${name}`, async (t) => {
    for (const line of text.split("\n")) t.ok(line.length <= 100, line);
    t.notMatch(text, /NaN|Infinity|undefined|null/);
    t.notOk(/\p{C}/u.test(text.replaceAll("\n", "")), "no control character");
    t.ok(text.endsWith("\n") && !text.endsWith("\n\n"), "one newline at the end");
    t.notMatch(text, /secret/, "no password");
  });
}

t.test("resultText says what was asked and what came of it when a run is whole", async (t) => {
  const lines = reports.full.split("\n");
  const row = (start: string) => lines.find((line) => line.startsWith(start)) ?? "";
  t.equal(lines[0], "smtp to 127.0.0.1:2525, 500 sessions/s");
  t.match(row("target"), /127\.0\.0\.1:2525, SMTP, PROXY v2, no TLS$/);
  t.match(row("begun"), /15,000 +500 +100 %$/);
  t.match(row("failed"), /8 +0\.267 +< 0\.1 %$/);
  t.match(row("bytes to"), /46\.0 MiB +1\.53 MiB$/);
  t.match(row("session "), /14,820 +1\.42 ms +2\.70 ms +6\.79 ms/);
  t.match(row("greeting  421"), /172 +4\.7\.0 Too many/);
  t.match(row("final     reset"), /3$/);
  t.match(row("CPU per session"), /868 µs$/);
  t.match(row("messages      "), /14,820/);
  t.match(reports.full, /messages +14,820 +14,817 +differ/);
  t.match(row("not well"), /bare line feed +passed on$/);
  t.match(row("CPU of each thread"), /34 %$/);
});

t.test("resultText names the phases in their order when they come in another", async (t) => {
  const { session, connect } = full.latencies;
  const text = resultText(resultOf({ latencies: { session: session!, connect: connect! } }), "plain");
  t.ok(text.indexOf("\nconnect ") > 0 && text.indexOf("\nconnect ") < text.indexOf("\nsession  "));
});

t.test("resultText warns when the harness is the bottleneck or a run was stopped", async (t) => {
  const harness = { ...full.harness, isBottleneck: true };
  t.match(
    resultText(resultOf({ harness, wasStopped: true }), "plain"),
    /is the bottleneck(.|\n)*Stopped early/,
  );
  t.notMatch(reports.full, /bottleneck|Stopped/);
  t.match(reports.nothingBegun, /No session was begun/);
});

t.test("resultText says who had the CPU when the harness is the bottleneck", async (t) => {
  const text = (harness: object, pace = full.plan.pace) =>
    resultText(resultOf({ harness: { ...full.harness, isBottleneck: true, ...harness } }, { pace }), "plain");
  t.match(text({}), /is the bottleneck: some of the times(.|\n)*more threads/);
  t.match(text({ waitShare: 0.6 }), /bottleneck, as others had the CPU(.|\n)*Give it a machine of its own/);
  t.notMatch(text({}), "could do more", "at a rate it did what it was asked");
  t.match(
    text({}, { kind: "closed", concurrency: 4, rampMs: 0 }),
    /target\s+could\s+do\s+more\s+than\s+this/,
  );
  const pace = { kind: "closed", concurrency: 4, rampMs: 0 } as const;
  const counts = { ...full.counts, done: 0, turnedAway: 0 };
  const harness = { ...full.harness, isBottleneck: true };
  const idle = resultText(resultOf({ harness, counts }, { pace }), "plain");
  t.notMatch(idle, /could\s+do\s+more/, "where nothing was done, nobody knows");
  t.match(reports.full, /and waiting for a CPU +2\.1 %/);
});

t.test("resultText tells of the sink, and whose time was short, when there is one", async (t) => {
  const text = (cpuShare: number) => {
    const sink = { threads: 2, cpuShare, waitShare: 0.05 };
    return resultText(
      resultOf({ harness: { ...full.harness, isBottleneck: cpuShare > 0.8, sink } }),
      "plain",
    );
  };
  t.match(text(0.9), /\nThe harness's sink is the bottleneck: (.|\n)*Give it more\s+threads/);
  t.match(text(0.9), /\nthreads of the sink +2\nCPU of each of these +90 %\nand waiting for a CPU +5.0 %\n/);
  t.notMatch(text(0.2), /bottleneck/);
});

t.test("resultText says in red what was due and never begun when the load fell behind", async (t) => {
  const behind = resultOf({ counts: { ...full.counts, begun: 600, neverBegun: 400 } });
  const text = resultText(behind, "plain");
  t.match(text, /\n400 of 1,000 sessions that were due were never begun: /);
  t.match(text, /\ndue and never begun +400 /);
  t.match(resultText(behind, "terminal"), /\u001b\[31mdue and never begun/);
  t.notMatch(resultText(full, "plain"), /never begun/);
});

t.test(
  "resultText takes the blame from the target when this machine had no more files or ports",
  async (t) => {
    const faults = [{ phase: "connect", kind: "own", count: 1200 }] as const;
    const text = resultText(resultOf({ faults }), "plain");
    t.match(text, /\n1,200 sessions failed as this machine had no open file or no port left for them/);
    t.match(text, /\nconnect +own limit +1,200\n/);
  },
);

t.test("resultText has findings and no sessions when it is of an attack", async (t) => {
  t.match(reports.attacked, "attack (SMTP) to 127.0.0.1:2525\n");
  t.match(reports.attacked, /not well +bare line feed +passed on/);
  t.notMatch(reports.attacked, /No session|begun|at a time|closed loop|1,000,000/);
});

t.test("resultText is in colour when it is told that it goes to a terminal", async (t) => {
  const text = resultText(full, "terminal");
  t.match(text, /\x1b\[31m[^\n]*messages +14,820 +14,817 +differ/, "a mismatch is red");
  t.notMatch(text, /\x1b\[31m[^\n]*connections +15,000/);
  t.equal(text.replace(/\x1b\[\d+m/g, ""), reports.full, "and the same otherwise");
});

t.test("resultText neutralises what steers a terminal when a target says it", async (t) => {
  t.match(reports.hostile, /<script>alert\(1\)<\/script>\?\[2J\?\]0;owned\? &amp; "'\?\?QUIT/);
  t.notMatch(resultText(hostile, "terminal"), /\x1b\[2J|\x1b\]|\x07|\x9b|\r/);
});

t.test("comparisonText gives medians, ranges and ratios when peers stand side by side", async (t) => {
  t.match(reports.comparison, /churn, opaque: What does a session cost that nobody reads\?/);
  t.match(reports.comparison, /postern +110 +106 – 116 +3 +0\.93×/);
  t.match(reports.comparison, /haraka +945 +918 – 1,000 +3 +7\.40×/);
  t.match(reports.comparison, /not there +direct: not asked for/);
  t.match(reports.comparison, /to haproxy/);
});

t.test("comparisonText says that it was stopped when it was", async (t) => {
  t.match(comparisonText({ ...comparison, wasStopped: true }, "plain"), "\nStopped early: ");
  t.notMatch(reports.comparison, "Stopped");
  const nobody = { ...comparison, peers: [], cases: [], runs: [], reference: "" };
  t.notMatch(comparisonText(nobody, "plain"), "ratios", "nor of whom there are none");
});

t.test("resultText cuts nothing off when it goes to a file", async (t) => {
  const [what, outcome] = [
    `a trick: ${"that is told at length ".repeat(4)}`,
    "closed after 3 ms, ".repeat(9),
  ];
  const result = resultOf({ findings: [{ what, outcome, isWell: true }] });
  t.ok(resultText(result, "file").includes(`well      ${what}  ${outcome.trim()}\n`));
  t.notOk(resultText(result, "plain").includes(outcome));
  t.notMatch(resultText(result, "file"), /\u001b/);
});

t.test(
  "resultText says what is done of a mailbox, and for how long it is held, when a run has one",
  async (t) => {
    const asked = (plan: Partial<Plan>) => resultText(resultOf({}, plan), "plain");
    const mail = { ...full.plan.mail, messages: 2 };
    const imap = asked({ scenario: "imap", protocol: "imap", idleMs: 0, mail });
    t.match(imap, /\nmail +2 messages fetched in a session\n/);
    t.notMatch(imap, /held for|idle for/);
    t.match(asked({ scenario: "imap", protocol: "imap", idleMs: 3000 }), /\nidle for +3s\n/);
    t.match(asked({ scenario: "bulk", protocol: "imap" }), /\nmail +1 message fetched in a session\n/);
    t.match(asked({ scenario: "bulk" }), /\nmail +1 message of 3\.00 KiB a session, 1 recipient each/);
  },
);

t.test("resultText says that it cannot tell when sessions held no memory that shows", async (t) => {
  for (const bytesPerOpenSession of [0, -40]) {
    const text = resultText(resultOf({ target: { ...full.target!, bytesPerOpenSession } }), "plain");
    t.match(text, /\nmemory per open session +too little to tell\n/);
  }
});

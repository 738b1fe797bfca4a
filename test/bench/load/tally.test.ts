/** What sessions come to, against figures that are known. */
import t from "tap";
import { commonText, openOf, Tally } from "../../../bench/load/tally.ts";

t.test("Tally tells percentiles to three digits when the times are known", async (t) => {
  const tally = new Tally();
  // 1 µs to 100 ms, each once, in a scrambled order: 7 has no factor in common with their number.
  for (let index = 0; index < 100_000; index++) tally.time("greeting", (((index * 7) % 100_000) + 1) / 1000);
  const latency = tally.latencies.greeting!;
  const near = (value: number, exact: number) =>
    t.ok(Math.abs(value - exact) <= exact / 1000 + 1, `${value} for ${exact}`);
  t.equal(latency.count, 100_000);
  t.equal(latency.minUs, 1);
  near(latency.maxUs, 100_000);
  near(latency.meanUs, 50_000);
  near(latency.p50Us, 50_000);
  near(latency.p90Us, 90_000);
  near(latency.p99Us, 99_000);
  near(latency.p999Us, 99_900);
  for (const [percentile, us] of latency.curve) near(us, Math.max(1, percentile * 1000));
});

t.test(
  "Tally's curve rises, is denser towards its end and ends at the maximum when it is drawn",
  async (t) => {
    const tally = new Tally();
    for (let us = 1; us <= 1000; us++) tally.time("quit", us / 1000);
    const { curve, maxUs, minUs } = tally.latencies.quit!;
    t.strictSame(curve[0], [0, minUs]);
    t.strictSame(curve.at(-1), [100, maxUs]);
    t.equal(curve.at(-2)![0], 99.99);
    for (let at = 1; at < curve.length; at++) {
      t.ok(curve[at]![0] > curve[at - 1]![0] && curve[at]![1] >= curve[at - 1]![1], `step ${at}`);
    }
    t.ok(curve.filter(([percentile]) => percentile >= 99).length > 20);
  },
);

t.test("Tally has the nearest rank, raised, for a percentile when there are few", async (t) => {
  for (const count of [1, 2, 3, 9, 10, 11, 99, 100, 101, 999, 1000]) {
    const tally = new Tally();
    for (let us = 1; us <= count; us++) tally.time("quit", us / 1000);
    const { p50Us, p90Us, p99Us, p999Us, maxUs } = tally.latencies.quit!;
    const expected = [500, 900, 990, 999].map((permille) => Math.ceil((permille * count) / 1000));
    t.strictSame([p50Us, p90Us, p99Us, p999Us, maxUs], [...expected, count], `${count}`);
  }
});

t.test("Tally takes what is out of a histogram's bounds when it is at their edge", async (t) => {
  const tally = new Tally();
  tally.time("idle", 0);
  tally.time("idle", 1e12);
  const { minUs, maxUs, count } = tally.latencies.idle!;
  t.equal(count, 2);
  t.equal(minUs, 1);
  t.ok(maxUs >= 4 * 3600e6);
});

t.test("Tally tells nothing of a phase when none was timed", async (t) => {
  t.strictSame(new Tally().latencies, {});
});

t.test("Tally gives each session's time once when it is asked for the recent ones", async (t) => {
  const tally = new Tally();
  tally.time("session", 3);
  tally.time("quit", 1);
  t.equal(tally.takeRecent().count, 1);
  t.equal(tally.takeRecent().count, 0);
  t.equal(tally.latencies.session!.count, 1);
});

t.test("commonText leaves out what is one session's own when texts differ in it", async (t) => {
  const same: readonly (readonly string[])[] = [
    [
      "2.0.0 Ok: queued as 4XyZ1234",
      "2.0.0 Ok: queued as 4bJxqL0Wz9z3QXF",
      "2.0.0 Ok: queued as ABCDEFABCDEF",
    ],
    ["OK id=1qYzAb-0003Xy-2c", "OK id=1qZzAb-0004Xz-7d"],
    ["4.7.0 client [203.0.113.7] blocked", "4.7.0 client [198.51.100.200] blocked"],
    ["4.7.0 client [2001:db8::7] blocked", "4.7.0 client [2001:db8:1:2:3:4:5:6] blocked"],
    ["mx1.example.test ESMTP", "mx23.example.test ESMTP"],
    ["5.1.1 <b1@example.test>: unknown", "5.1.1 <b20@example.test>: unknown"],
    ["4.7.1 try again in 37 seconds", "4.7.1 try again in 9 seconds"],
    ["OK id=1tEx5K-0003Zr-Ab", "OK id=1tEx6K-0004Zr-Cd"],
    ["accepted, id 4711a", "accepted, id 9"],
    ["mx.example.test ESMTP Haraka ready (A3F0C1)", "mx.example.test ESMTP Haraka ready (FACADE)"],
    [
      "Message Queued (0A0B8C1D-15C2-4B1E-9A11-C0FFEE000001.1)",
      "Message Queued (FFFFFFFF-AAAA-BBBB-CCCC-DDDDDDDDDDDD.12)",
    ],
  ];
  for (const texts of same)
    t.equal(new Set(texts.map(commonText)).size, 1, texts.map(commonText).join(" | "));
});

t.test("commonText keeps what tells replies apart when it has no session's own", async (t) => {
  const kept = [
    "5.7.1 Relay access denied",
    "4.7.0 Too many connections",
    "mx.example.test ESMTP",
    "[CAPABILITY IMAP4rev1 SASL-IR] ready",
    "[CAPABILITY IMAP4rev1 ID IDLE] ready",
    "End data with <CR><LF>.<CR><LF>",
    "",
  ];
  for (const text of kept) t.equal(commonText(text), text);
  t.not(commonText("5.7.1 no"), commonText("5.7.2 no"));
  t.equal(commonText("x".repeat(500)).length, 120);
});

t.test("Tally counts replies by phase, code and common text, the most frequent first", async (t) => {
  const tally = new Tally();
  for (let id = 0; id < 3000; id++) tally.reply("final", "250", `2.0.0 Ok: queued as ${id}A${id}BCDEF`);
  tally.reply("final", "451", "4.3.0 later");
  tally.reply("rcpt", "451", "4.3.0 later");
  tally.reply("rcpt", "451", "4.3.0 later");
  t.strictSame(tally.replies, [
    { phase: "final", code: "250", text: "2.0.0 Ok: queued as #", count: 3000 },
    { phase: "rcpt", code: "451", text: "4.3.0 later", count: 2 },
    { phase: "final", code: "451", text: "4.3.0 later", count: 1 },
  ]);
});

t.test("Tally counts as other what is beyond its bounds when texts or notes are too many", async (t) => {
  const tally = new Tally();
  const word = (index: number) => String.fromCharCode(97 + (index % 26), 97 + Math.floor(index / 26));
  for (let index = 0; index < 500; index++) tally.reply("rcpt", "550", `no ${word(index)}`);
  t.equal(tally.replies.length, 201);
  t.strictSame(tally.replies[0], { phase: "rcpt", code: "550", text: "other", count: 300 });
  for (let index = 0; index < 1500; index++) tally.note(`note ${index}`);
  t.equal(tally.notes.size, 1001);
  t.equal(tally.notes.get("other"), 500);
});

t.test("Tally has the sum of all when others are added", async (t) => {
  const parts = [1, 2, 3].map((part) => {
    const tally = new Tally();
    for (let time = 0; time < part; time++) tally.time("connect", part);
    if (part === 3) tally.time("fetch", 1);
    tally.counts.begun = 10 * part;
    tally.counts.done = part;
    tally.counts.turnedAway = part;
    tally.counts.bytesIn = 100;
    tally.reply("quit", "221", "Bye");
    tally.fault("data", "timeout");
    tally.note("first refusal", part);
    tally.aside("others", part);
    tally.findings.push({ what: `trick ${part}`, outcome: "refused", isWell: true });
    return tally;
  });
  const sum = new Tally();
  for (const part of parts) sum.add(part.data());
  t.match(sum.counts, { begun: 60, done: 6, turnedAway: 6, failed: 0, bytesIn: 300, bytesOut: 0 });
  t.equal(openOf(sum.counts), 48);
  t.match(sum.latencies.connect, { count: 6, minUs: 1000 });
  t.equal(sum.latencies.fetch!.count, 1);
  t.strictSame(sum.replies, [{ phase: "quit", code: "221", text: "Bye", count: 3 }]);
  t.strictSame(sum.faults, [{ phase: "data", kind: "timeout", count: 3 }]);
  t.equal(sum.notes.get("first refusal"), 6);
  t.equal(sum.asideLatency("others")?.count, 3);
  t.equal(sum.asideLatency("nobody"), null);
  t.strictSame(
    sum.findings.map(({ what }) => what),
    ["trick 1", "trick 2", "trick 3"],
  );
});

/** IMAP sessions, and the IMAP sides of bulk and idle, against the sink: what it counted and what the harness did. */
import t, { type Test } from "tap";
import type { Plan } from "../../../../bench/load/plan.ts";
import type { Result } from "../../../../bench/load/result.ts";
import { run } from "../../../../bench/load/run.ts";
import { type Sink, type SinkOptions, startSink } from "../../../../bench/sink/sink.ts";
import type { End } from "../../../live/end.ts";
import { startUpstream } from "../../../live/upstream.ts";
import { makeCertificate } from "../../../servers/certificate.ts";
import { makeDirectory, until } from "../../../servers/process.ts";
import { planOf, unwatched } from "../plans.ts";

const login = { user: "user@example.test", password: 'with "quotes"' };
const several = { ...planOf(0).mail, messages: 3 };

async function startImap(t: Test, options: Partial<SinkOptions> = {}): Promise<Sink> {
  const sink = await startSink({ protocol: "imap", ...options });
  t.teardown(() => sink.stop());
  return sink;
}

function imap(port: number, asked: Partial<Plan> = {}): Promise<Result> {
  const whole = { scenario: "imap", protocol: "imap", login, mail: several, ...asked } as const;
  return run(planOf(port, whole), unwatched());
}

t.test("imap logs in, fetches whole mails, idles and leaves when the sink serves it", async (t) => {
  const messageBytes = 2_500_000;
  const sink = await startImap(t, { messageBytes, threads: 2, record: 10 });
  const result = await imap(sink.port, { proxy: "v2", threads: 2 });
  t.match(result.counts, { begun: 10, done: 10, turnedAway: 0, failed: 0, open: 0, messages: 30 });
  t.ok(result.counts.bytesIn > 30 * messageBytes);
  t.strictSame(result.faults, []);
  for (const phase of ["greeting", "login", "select", "idle", "quit", "close"] as const)
    t.equal(result.latencies[phase]?.count, 10, phase);
  t.equal(result.latencies.fetch?.count, 30);
  const counts = await until("the end of all sessions", async () => {
    const now = await sink.counts();
    return now.open === 0 && now;
  });
  t.match(counts, { connections: 10, logins: 10, fetches: 30, bytes: 30 * messageBytes });
  t.ok(Object.values(counts.faults).every((count) => count === 0));
  for (const { proxy } of await sink.identities()) t.match(proxy, /^203\.0\.113\.\d+:\d+$/);
});

t.test("imap goes inside TLS when the plan says when", async (t) => {
  const certificate = makeCertificate(makeDirectory(t, "sink"), "sink.example.test");
  for (const tls of ["starttls", "implicit"] as const) {
    const sink = await startImap(t, { certificate, isImplicit: tls === "implicit" });
    const { counts, latencies } = await imap(sink.port, { proxy: "v1", tls, idleMs: 0 });
    t.match(counts, { done: 10, messages: 30 }, tls);
    t.strictSame([latencies.tls?.count, latencies.idle?.count], [10, undefined]);
    t.match(await sink.counts(), { logins: 10, fetches: 30, faults: { order: 0, command: 0, tls: 0 } });
  }
});

t.test("imap counts why it cannot go on when the server refuses the login", async (t) => {
  const sink = await startImap(t);
  const { counts, faults } = await imap(sink.port, { login: { user: "wrong", password: "x" } });
  t.match(counts, { begun: 10, done: 0, failed: 10, messages: 0 });
  t.strictSame(faults, [{ phase: "login", kind: "reply", count: 10 }]);
  t.equal((await sink.counts()).faults.login, 10);
});

t.test("imap fetches nothing when the mailbox has no mail, and says so", async (t) => {
  for (const [fetched, messages] of [
    ["a OK Fetch completed\r\n", 0],
    ["* 1 FETCH (FLAGS ())\r\na OK Fetch completed\r\n", 0],
    ['* 1 FETCH (BODY[] "" FLAGS ())\r\na OK Fetch completed\r\n', 1],
    ["* 1 FETCH (FLAGS () BODY[] {3}\r\na O UID 1)\r\na OK Fetch completed\r\n", 1],
  ] as const) {
    const server = await startUpstream(t, { script: (end) => void serve(end, fetched) });
    const { counts, faults } = await imap(server.port, {
      mail: { ...several, messages: 1 },
      sessionsMax: 1,
      idleMs: 0,
    });
    t.match(counts, { messages, done: messages, failed: 1 - messages }, JSON.stringify(fetched));
    t.strictSame(faults, messages === 1 ? [] : [{ phase: "fetch", kind: "reply", count: 1 }]);
  }
});

/** One session, to which a FETCH is answered so. */
async function serve(end: End, fetched: string): Promise<void> {
  end.send("* OK hello\r\n");
  const answers = ["a OK Logged in\r\n", "a OK Selected\r\n", fetched, "* BYE\r\na OK Bye\r\n"];
  for (const answer of answers) {
    // A client that has gone is not answered any more.
    const line = await end.line().catch(() => null);
    if (line === null) return end.close();
    end.send(answer);
  }
  end.end();
}

t.test("bulk and idle have IMAP sessions of their own when the plan's protocol is IMAP", async (t) => {
  const sink = await startImap(t);
  const bulk = await imap(sink.port, { scenario: "bulk" });
  t.match(bulk.counts, { done: 10, messages: 30 });
  t.match(await sink.counts(), { fetches: 30, logins: 10 });
  const idle = await imap(sink.port, { scenario: "idle" });
  t.match(idle.counts, { done: 10, messages: 0 });
  t.equal(idle.latencies.idle?.count, 10);
  t.match(await sink.counts(), { fetches: 30, logins: 20, faults: { order: 0, command: 0 } });
});

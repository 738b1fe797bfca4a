/** The counters: what several threads count is what the control thread reads. */
import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { Address } from "../../src/address.ts";
import {
  type CounterShape,
  Counters,
  connectSecondsBounds,
  sessionSecondsBounds,
  ThreadCounters,
} from "../../src/observe/counters.ts";
import { INJECTED, type Outcome, outcomes, reasons } from "../../src/outcome.ts";
import { ORIGINS_MAX, type SessionEnd } from "../../src/record.ts";
import { aBan } from "./fixtures.ts";

const shape: CounterShape = { threads: 3, listeners: 2, pools: 2 };

function make() {
  const memory = Counters.allocate(shape);
  const threads = [0, 1, 2].map((thread) => new ThreadCounters(memory, shape, thread));
  return { memory, threads, counters: new Counters(memory, shape) };
}

const closed: SessionEnd = {
  outcome: "closed",
  reason: null,
  client: null,
  ban: null,
  durationMs: 700,
  bytesIn: 10,
  bytesOut: 4,
};

t.test("Counters sums the regions when several threads count", async (t) => {
  const { threads, counters } = make();
  for (const thread of threads) {
    thread.accepted(1);
    thread.accepted(1);
    thread.ended(1, closed);
  }
  t.equal(counters.accepted(1), 6);
  t.equal(counters.active(1), 3);
  t.equal(counters.sessions(1, "closed"), 3);
  t.equal(counters.bytes(1, "in"), 30);
  t.equal(counters.bytes(1, "out"), 12);
  t.equal(counters.accepted(0), 0);
});

t.test("ThreadCounters counts a reason only when postern refused", async (t) => {
  const { threads, counters } = make();
  const [thread] = threads;
  thread?.ended(0, { ...closed, outcome: "refused", reason: "connection-rate" });
  thread?.ended(0, { ...closed, outcome: "failed", reason: "upstream-timeout" });
  thread?.dryRun(0, "connection-rate");
  thread?.dryRun(0, "connection-rate");
  t.equal(counters.refused(0, "connection-rate"), 1);
  t.equal(counters.refused(0, "upstream-timeout"), 0);
  t.equal(counters.dryRun(0, "connection-rate"), 2);
  t.equal(counters.sessions(0, "failed"), 1);
});

t.test("threadDied takes back the open sessions and nothing else", async (t) => {
  const { memory, threads, counters } = make();
  for (const thread of threads) {
    thread.accepted(0);
    thread.accepted(1);
  }
  threads[1]?.ended(0, closed);
  counters.threadDied(1);
  t.equal(counters.active(0), 2);
  t.equal(counters.active(1), 2);
  t.equal(counters.accepted(0), 3);
  t.equal(counters.bytes(0, "in"), 10);
  const replacement = new ThreadCounters(memory, shape, 1);
  replacement.accepted(0);
  t.equal(counters.accepted(0), 4);
  t.equal(counters.active(0), 3);
});

t.test("A distribution puts a value into the first bucket whose bound it does not exceed", async (t) => {
  const { threads, counters } = make();
  for (const seconds of [0, 0.1, 0.1001, 7200, 7201])
    threads[0]?.ended(0, { ...closed, durationMs: seconds * 1000 });
  const { counts, sum } = counters.sessionSeconds(0);
  t.same(counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
  t.equal(counts.length, sessionSecondsBounds.length + 1);
  t.ok(Math.abs(sum - 14401.2001) < 1e-6);
  threads[2]?.connected(1, 0.5);
  threads[0]?.connected(1, 6000);
  const connect = counters.connectSeconds(1);
  t.equal(connect.counts[0], 1);
  t.equal(connect.counts.at(-1), 1);
  t.equal(connect.counts.length, connectSecondsBounds.length + 1);
  t.equal(connect.sum, 6.0005);
});

t.test("linesDropped sums what every thread has lost", async (t) => {
  const { threads, counters } = make();
  for (const thread of threads) thread.lineDropped();
  t.equal(counters.linesDropped(), 3);
});

const counted = [
  "accepted",
  "ended",
  "refused",
  "delivered",
  "ok",
  "failed",
  "dryRun",
  "connected",
  "dropped",
];

t.test("No column overlaps another: random events read back as a plain tally", async () => {
  const event = fc.record({
    thread: fc.nat(2),
    listener: fc.nat(1),
    pool: fc.nat(1),
    what: fc.constantFrom(...counted),
    outcome: fc.constantFrom(...outcomes),
    reason: fc.constantFrom(...reasons),
    bytesIn: fc.nat(1e6),
    durationMs: fc.nat(1e7),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const { threads, counters } = make();
      for (const { thread, listener, pool, what, outcome, reason, bytesIn, durationMs } of events) {
        const own = threads[thread]!;
        if (what === "accepted") own.accepted(listener);
        else if (what === "ended")
          own.ended(listener, { ...closed, outcome, reason, bytesIn, bytesOut: 1, durationMs });
        else if (what === "refused") own.refused(listener, reason);
        else if (what === "delivered") own.delivered(listener);
        else if (what === "ok" || what === "failed") own.login(listener, what === "ok");
        else if (what === "dryRun") own.dryRun(listener, reason);
        else if (what === "connected") own.connected(pool, durationMs);
        else own.lineDropped();
      }
      const count = (what: string, match: (event: (typeof events)[number]) => boolean) =>
        events.filter((event) => event.what === what && match(event)).length;
      const total = (counts: readonly number[]) => counts.reduce((sum, value) => sum + value, 0);
      for (const index of [0, 1]) {
        const here = ({ listener }: (typeof events)[number]) => listener === index;
        const ended = events.filter((event) => event.what === "ended" && here(event));
        assert.ok(counters.accepted(index) === count("accepted", here));
        assert.ok(counters.active(index) === counters.accepted(index) - ended.length);
        assert.ok(counters.bytes(index, "in") === ended.reduce((sum, { bytesIn }) => sum + bytesIn, 0));
        assert.ok(counters.bytes(index, "out") === ended.length);
        assert.ok(counters.messages(index) === count("delivered", here));
        assert.ok(counters.logins(index, true) === count("ok", here));
        assert.ok(counters.logins(index, false) === count("failed", here));
        assert.ok(total(counters.sessionSeconds(index).counts) === ended.length);
        assert.ok(
          total(counters.connectSeconds(index).counts) === count("connected", ({ pool }) => pool === index),
        );
        for (const outcome of outcomes) {
          assert.ok(
            counters.sessions(index, outcome) === ended.filter((event) => event.outcome === outcome).length,
          );
        }
        for (const reason of reasons) {
          const counts = (outcome: Outcome) => outcome === "refused" || reason === INJECTED;
          const refused = ended.filter((event) => counts(event.outcome) && event.reason === reason);
          const commands = count("refused", (event) => here(event) && event.reason === reason);
          assert.ok(counters.refused(index, reason) === refused.length + commands);
          assert.ok(
            counters.dryRun(index, reason) ===
              count("dryRun", (event) => event.listener === index && event.reason === reason),
          );
        }
      }
      assert.ok(counters.linesDropped() === count("dropped", () => true));
    }),
    { numRuns: 100 },
  );
});

t.test(
  "ThreadCounters counts known clients, and refused ones by their ban's origin, each by family",
  async (t) => {
    const { threads, counters } = make();
    const [one, two] = threads;
    const client = (text: string) => ({ address: Address.parse(text)!, port: 1 });
    const banned = (originIndex: number) =>
      ({ outcome: "refused", reason: "banned", ban: { ...aBan, originIndex } }) as const;
    one?.ended(0, { ...closed, client: client("203.0.113.7") });
    one?.ended(0, { ...closed, outcome: "healthcheck", client: client("203.0.113.7") });
    one?.ended(0, { ...closed, ...banned(3), client: client("203.0.113.7") });
    two?.ended(1, { ...closed, ...banned(3), client: client("2001:db8::7") });
    two?.ended(1, { ...closed, ...banned(ORIGINS_MAX - 1), client: client("2001:db8::8") });
    two?.ended(1, { ...closed, ...banned(3), outcome: "closed", reason: null, client: client("192.0.2.1") });
    t.same([counters.clients(4), counters.clients(6)], [3, 2]);
    t.same([counters.banned(3, 4), counters.banned(3, 6), counters.banned(ORIGINS_MAX - 1, 6)], [1, 1, 1]);
    t.equal(counters.accepted(0), 0, "and no other column");
  },
);

/** How one session is timed, and how it ends. */
import t from "tap";
import { wire } from "../../../bench/harness/wire.ts";
import { Clients } from "../../../bench/load/clients.ts";
import { Line } from "../../../bench/load/line.ts";
import { Job, runSession } from "../../../bench/load/session.ts";
import { Tally } from "../../../bench/load/tally.ts";
import { Trust } from "../../../src/wire/trust.ts";
import { faultsOf, planOf } from "./plans.ts";

const trust = new Trust({ verify: "none", name: null, ca: null });

/** A session that was due at 0, and a clock that stands where it is put. */
function jobAt(clock: { nowMs: number }): Job {
  const plan = planOf(1);
  const tally = new Tally();
  const { target, timeoutMs } = plan;
  return new Job({
    plan,
    client: new Clients(plan.clients).at(0, 0),
    dueMs: 0,
    clock: { milliseconds: () => clock.nowMs, seconds: () => 0 },
    line: new Line({ wire, target, opening: Buffer.alloc(0), timeoutMs, trust, traffic: tally.counts }),
    tally,
  });
}

t.test("runSession counts from when the session was due when it begins late", async (t) => {
  const clock = { nowMs: 1000 };
  const job = jobAt(clock);
  const step = async () => {
    clock.nowMs += 5;
  };
  t.equal(await runSession((job) => job.phase("greeting", step), job), "done");
  t.match(job.tally.latencies.greeting, { count: 1, minUs: 5000 });
  const session = job.tally.latencies.session!.maxUs;
  t.ok(Math.abs(session - 1_005_000) < 1005, `${session}`);
});

t.test("runSession counts what became of it when a session ends in any way", async (t) => {
  const endings = [
    [async () => {}, "done", []],
    [(job: Job) => job.phase("greeting", async () => job.turnAway()), "turnedAway", []],
    [(job: Job) => job.phase("rcpt", async () => job.refuse()), "failed", ["rcpt reply × 1"]],
    [(job: Job) => job.phase("quit", async () => job.garbled()), "failed", ["quit protocol × 1"]],
  ] as const;
  for (const [session, outcome, faults] of endings) {
    const job = jobAt({ nowMs: 0 });
    t.equal(await runSession(session, job), outcome);
    t.strictSame(faultsOf(job.tally), faults);
    t.match(job.tally.counts, { begun: 1, [outcome]: 1 });
    t.equal(job.tally.latencies.session?.count, outcome === "done" ? 1 : undefined);
    t.equal(job.tally.latencies.rcpt, undefined, "a step that came to nothing has no time");
  }
});

t.test("runSession throws when the mistake is ours", async (t) => {
  const mistake = new Error("a mistake");
  await t.rejects(
    runSession(
      async () => {
        throw mistake;
      },
      jobAt({ nowMs: 0 }),
    ),
    mistake,
  );
});

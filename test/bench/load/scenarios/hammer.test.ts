/** Offenders against a live gateway's limits, exact to the try; and what the others notice of them. */
import t from "tap";
import { Clients } from "../../../../bench/load/clients.ts";
import { run } from "../../../../bench/load/run.ts";
import { hammer } from "../../../../bench/load/scenarios/hammer.ts";
import { Tally } from "../../../../bench/load/tally.ts";
import { startSink } from "../../../../bench/sink/sink.ts";
import { freePort } from "../../../servers/ports.ts";
import { planOf, unwatched } from "../plans.ts";
import { outcomesOf, startGuarded } from "./gateway.ts";

/** The calm is a quarter of the first, and all others are through before it ends. */
const hammering = {
  scenario: "hammer",
  proxy: "v2",
  clients: { ranges: ["203.0.113.0/24", "2001:db8::/40"], distribution: "uniform", seed: 1 },
  durationMs: 2000,
  hammer: { offenders: 3, tries: 12 },
  threads: 2,
} as const;

const tooMany = {
  smtp: /^421 4\.7\.0 gateway\.example\.test Error: too many connections from # × \d+$/,
  imap: /^BYE \[LIMIT\] Too many connections from # × \d+$/,
};

for (const [limit, first, protocols] of [
  ["connectionCount", 6, ["smtp", "imap"]],
  ["connectionRate", 8, ["smtp"]],
] as const) {
  t.test(`hammer finds the try at which ${limit} fires when a gateway has it`, async (t) => {
    const limits = { default: { connectionCount: 0, timeUnit: "24h", [limit]: first - 1 } };
    const { gateway, sinks } = await startGuarded(t, { limits });
    const passed = 3 * (first - 1);
    for (const protocol of protocols) {
      const plan = planOf(gateway.port(protocol), { ...hammering, protocol, sessionsMax: 20 });
      const { findings, counts } = await run(plan, unwatched());
      const found = outcomesOf(findings);
      t.match(found, {
        "offenders' sessions that passed": [`${passed} of 36`, null],
        "offenders refused": ["3 of 3", true],
        "first refusal, by tries": [
          `${first} at the least, ${first} in the median, ${first} at the most`,
          null,
        ],
        "offenders, refused by": [tooMany[protocol], null],
        "others turned away": ["0 of 20", true],
        "others' p99, in calm and while hammered": [/^\d+\.\d ms of 20, none$/, null],
      });
      t.match(counts, { begun: 56, done: 20 + passed, turnedAway: 36 - passed, failed: 0, open: 0 });
      t.equal((await sinks[protocol].counts()).connections, 20 + passed);
    }
  });
}

t.test("hammer times the others while it goes on when they come meanwhile", async (t) => {
  const sink = await startSink({ protocol: "smtp", proxy: "v2" });
  t.teardown(() => sink.stop());
  const pace = { kind: "closed", concurrency: 2, rampMs: 0 } as const;
  const plan = planOf(sink.port, {
    ...hammering,
    pace,
    durationMs: 1000,
    sessionsMax: 1_000_000,
    hammer: { offenders: 5, tries: 50 },
  });
  const { findings, counts } = await run(plan, unwatched());
  const found = outcomesOf(findings);
  t.match(found, {
    "offenders' sessions that passed": ["250 of 250", null],
    "offenders refused": ["0 of 5", false],
    "first refusal, by tries": ["none", null],
    "others turned away": [`0 of ${counts.begun - 250}`, true],
  });
  t.match(found["others' p99, in calm and while hammered"]?.[0], /^\d+\.\d ms of \d+, \d+\.\d ms of \d+$/);
  t.equal(found["offenders, refused by"], undefined);
});

t.test("hammer takes nobody for refused when the target is not there", async (t) => {
  const plan = planOf(await freePort(), { ...hammering, durationMs: 200, sessionsMax: 4 });
  const { findings, counts, faults } = await run(plan, unwatched());
  t.match(counts, { begun: 40, failed: 40, turnedAway: 0 });
  t.strictSame(faults, [{ phase: "connect", kind: "refused", count: 40 }]);
  t.match(outcomesOf(findings), {
    "offenders' sessions that passed": ["0 of 36", null],
    "offenders refused": ["0 of 3", false],
    "others turned away": ["0 of 4", true],
  });
});

t.test("hammer does not wait for the end of the calm when the run ends before", async (t) => {
  const plan = planOf(1, { ...hammering, durationMs: 1_000_000 });
  const share = { thread: 0, threads: 1 };
  const clients = new Clients(plan.clients, share, plan.hammer.offenders);
  const run = () => Promise.reject(new Error("no session is to begin"));
  const signal = AbortSignal.abort();
  const { beside } = hammer.prepare({ plan, share, clients, run, signal, tally: new Tally() });
  const beganMs = performance.now();
  await beside?.();
  t.ok(performance.now() - beganMs < 10_000, "which is how long the calm is");
});

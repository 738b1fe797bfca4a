/** When a thread's sessions begin, and when they are over. */
import { setImmediate as nextTurn } from "node:timers/promises";
import t from "tap";
import { Loader } from "../../../bench/load/loader.ts";
import type { Plan } from "../../../bench/load/plan.ts";
import { type Recipe, recipes } from "../../../bench/load/scenario.ts";
import { latencyOf, openOf } from "../../../bench/load/tally.ts";
import { systemClock } from "../../../src/clock.ts";
import { startUpstream } from "../../live/upstream.ts";
import { freePort } from "../../servers/ports.ts";
import { faultsOf, loaded, planOf } from "./plans.ts";
import { startSmtp } from "./server.ts";

function loaderOf(plan: Plan, recipe: Recipe = recipes[plan.scenario]!): Loader {
  return new Loader({ plan, share: { thread: 0, threads: 1 }, clock: systemClock, recipe });
}

t.test(
  "Loader shows a target's pause in all sessions that were due in it when the loop is open",
  async (t) => {
    const pauseMs = 1000;
    let paused: (() => void)[] | null = null;
    let connections = 0;
    const upstream = await startUpstream(t, {
      script: (end) => {
        const greet = () => {
          end.send("220 mx\r\n");
          void end.line().then(() => {
            end.send("221 bye\r\n");
            end.end();
          });
        };
        if (++connections === 20) {
          paused = [];
          setTimeout(() => {
            for (const later of paused ?? []) later();
            paused = null;
          }, pauseMs);
        }
        if (paused === null) greet();
        else paused.push(greet);
      },
    });
    const pace = { kind: "open", ratePerSecond: 100, rampMs: 0 } as const;
    const { counts, latencies } = await loaded(planOf(upstream.port, { pace, sessionsMax: 150 }));
    t.equal(counts.done, 150);
    const { p50Us, maxUs, curve } = latencies.session!;
    t.ok(maxUs > pauseMs * 990, `the longest: ${maxUs}`);
    // A hundred of the 150 were due in the pause, evenly: whoever waits for one before the next sees a single one.
    t.ok(p50Us > pauseMs * 150, `half of them: ${p50Us}`);
    const [, atEighty] = curve.find(([percentile]) => percentile === 80)!;
    t.ok(atEighty > pauseMs * 600, `a fifth of them: ${atEighty}`);
  },
);

t.test("Loader has as many sessions open as it was asked for when the loop is closed", async (t) => {
  let open = 0;
  let most = 0;
  const upstream = await startUpstream(t, {
    script: async (end) => {
      most = Math.max(most, ++open);
      end.send("220 mx\r\n");
      await end.line();
      setTimeout(() => {
        open--;
        end.send("221 bye\r\n");
        end.end();
      }, 5);
    },
  });
  const pace = { kind: "closed", concurrency: 7, rampMs: 0 } as const;
  const { counts } = await loaded(planOf(upstream.port, { pace, sessionsMax: 50 }));
  t.match(counts, { begun: 50, done: 50 });
  t.equal(most, 7);
});

t.test(
  "Loader begins what is due only as others end, and counts the wait, when too many are open",
  async (t) => {
    const greetingMs = 40;
    let open = 0;
    let most = 0;
    const upstream = await startUpstream(t, {
      script: async (end) => {
        most = Math.max(most, ++open);
        setTimeout(() => end.send("220 mx\r\n"), greetingMs);
        await end.line();
        open--;
        end.send("221 bye\r\n");
        end.end();
      },
    });
    // Of so many threads each may have one session open, and has one due in each millisecond.
    const share = { thread: 0, threads: 14_000 };
    const pace = { kind: "open", ratePerSecond: 14e6, rampMs: 0 } as const;
    const plan = planOf(upstream.port, { pace, sessionsMax: 14_000 * 5 });
    const loader = new Loader({ plan, share, clock: systemClock, recipe: recipes.churn! });
    await loader.start();
    t.match(loader.tally.counts, { begun: 5, done: 5 });
    t.equal(most, 1);
    const { maxUs } = loader.tally.latencies.session!;
    t.ok(maxUs > 4.5 * greetingMs * 1000, `the last one took ${maxUs}`);
    t.ok(latencyOf(loader.lateness).maxUs > 3.5 * greetingMs * 1000, "as it began so late");
  },
);

t.test("Loader begins none and waits for those that are open when it is stopped", async (t) => {
  const server = await startSmtp(t);
  const loader = loaderOf(planOf(server.port, { scenario: "idle", idleMs: 60_000, sessionsMax: 1000 }));
  const over = loader.start();
  while (server.sessions.filter(({ commands }) => commands.length > 0).length < 2)
    await new Promise((resolve) => setTimeout(resolve, 5));
  loader.stop();
  await over;
  t.match(loader.tally.counts, { begun: 2, done: 2, failed: 0 });
  t.strictSame(server.sessions[0]!.commands.at(-1), "QUIT");
});

t.test("Loader leaves as open what does not end when it is cut", async (t) => {
  const upstream = await startUpstream(t);
  const loader = loaderOf(planOf(upstream.port));
  const over = loader.start();
  const far = await upstream.next();
  loader.cut();
  await over;
  await far.ending();
  t.match(loader.tally.counts, { begun: 2, done: 0, failed: 0 });
  t.equal(openOf(loader.tally.counts), 2);
  t.strictSame(faultsOf(loader.tally), ["greeting cut × 2"], "it says where they hung");
});

t.test("Loader is over at once when there is nothing to begin", async (t) => {
  const { counts } = await loaded(planOf(1, { sessionsMax: 0 }));
  t.equal(counts.begun, 0);
});

t.test("Loader runs sessions beside its pace when a scenario has some, and waits for them", async (t) => {
  const server = await startSmtp(t);
  const outcomes: unknown[] = [];
  let loader: Loader | null = null;
  const recipe: Recipe = {
    prepare: (stage) => ({
      session: async () => {},
      beside: async () => {
        const { clients, run } = stage;
        const { session } = recipes.churn!.prepare(stage);
        for (let index = 0; index < 3; index++) outcomes.push(await run(clients.at(index, 0), session));
        loader!.stop();
        outcomes.push(await run(clients.at(3, 0), session));
      },
    }),
  };
  const plan = planOf(server.port, { sessionsMax: 1 });
  loader = loaderOf(plan, recipe);
  await loader.start();
  t.strictSame(outcomes, ["done", "done", "done", null]);
  t.match(loader.tally.counts, { begun: 4, done: 4 });
});

t.test("Loader begins no more than were due in the run's time when it falls behind", async (t) => {
  const pace = { kind: "open", ratePerSecond: 100, rampMs: 0 } as const;
  const plan = planOf(await freePort(), { pace, sessionsMax: 10_000, durationMs: 1000 });
  const loader = lateLoaderOf(plan);
  const over = loader.start();
  while (loader.tally.counts.begun < 100) await nextTurn();
  for (let turn = 0; turn < 3; turn++) await nextTurn();
  loader.stop();
  await over;
  t.match(loader.tally.counts, { begun: 100, neverBegun: 0 });
});

t.test(
  "Loader lets others have their turn, and counts what never begins, when far too much is due",
  async (t) => {
    const pace = { kind: "open", ratePerSecond: 1000, rampMs: 0 } as const;
    const plan = planOf(await freePort(), { pace, sessionsMax: 9000, durationMs: 10_000 });
    for (const threads of [1, 3]) {
      const loader = lateLoaderOf(plan, threads);
      const over = loader.start();
      t.equal(loader.tally.counts.begun, 64, "in a turn");
      await nextTurn();
      t.ok(loader.tally.counts.begun < 9000 / threads, "nor all in the next ones");
      loader.stop();
      await over;
      const { begun, neverBegun } = loader.tally.counts;
      t.equal(begun + neverBegun, 9000 / threads);
      t.ok(neverBegun > 0);
    }
  },
);

t.test("Loader hears others when all that it begins fails at once", async (t) => {
  // Nobody can connect to this address, which the kernel says at once.
  const target = { host: "255.255.255.255", port: 25 };
  const pace = { kind: "closed", concurrency: 100, rampMs: 0 } as const;
  const loader = loaderOf({ ...planOf(25, { pace, sessionsMax: 1_000_000_000 }), target });
  const over = loader.start();
  await nextTurn();
  loader.stop();
  await over;
  t.ok(loader.tally.counts.failed >= 100);
});

/** From its second look at the clock on it is a minute late. */
function lateLoaderOf(plan: Plan, threads = 1): Loader {
  let looks = 0;
  const clock = { ...systemClock, milliseconds: () => (looks++ === 0 ? 0 : 60_000) };
  const recipe = recipes[plan.scenario]!;
  return new Loader({ plan, share: { thread: 0, threads }, clock, recipe });
}

/** Slots with real threads: never more than there are, none leaked, and those of the dead come back. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import t from "tap";
import { Pool } from "../../src/pools/pool.ts";
import { countsOf, NOW, optionsOf, picks } from "./fixtures.ts";
import { BEGUN, HELD, type Report, STOP, type Task } from "./taker.ts";

const THREADS = 3;
/** The last slot is fought for all the time. */
const bounds = [1, 2, 3];
const RUN_MS = 150;

function setUp() {
  const options = optionsOf(bounds.map((maxConnections) => ({ maxConnections })));
  const memory = Pool.allocate(options, THREADS);
  const signals = new Int32Array(new SharedArrayBuffer((HELD + bounds.length) * 4));
  const control = new Pool(options, memory, -1);
  const workers = Array.from({ length: THREADS }, (_, thread) => {
    const task: Task = { memory, thread, bounds, slots: 4, signals };
    return new Worker(new URL("./taker.ts", import.meta.url), { workerData: task });
  });
  return { control, signals, workers };
}

/** All of them are at work, and have been for a while. */
async function run(signals: Int32Array): Promise<void> {
  while (Atomics.load(signals, BEGUN) < THREADS) {
    const waiting = Atomics.waitAsync(signals, BEGUN, Atomics.load(signals, BEGUN), 1000);
    if (waiting.async) await waiting.value;
  }
  await new Promise((resolve) => setTimeout(resolve, RUN_MS));
}

function sessions(pool: Pool): number[] {
  return pool.servers.map((server) => pool.sessionsOn(server));
}

t.test("threads never hold more slots than there are, and leak none", async (t) => {
  const { control, signals, workers } = setUp();
  const reports = workers.map(async (worker): Promise<Report> => (await once(worker, "message"))[0]);
  await run(signals);
  Atomics.store(signals, STOP, 1);
  const found = await Promise.all(reports);
  t.same(
    sessions(control),
    bounds.map((_, server) => found.reduce((sum, { held }) => sum + held[server]!, 0)),
  );
  for (const { excess, picks } of found) t.ok(excess === 0 && picks > 100, `${picks} picks`);
});

t.test("slots of threads that die at any point come back, and no others", async (t) => {
  const { control, signals, workers } = setUp();
  const last = once(workers[2]!, "message");
  await run(signals);
  for (const thread of [0, 1]) {
    await workers[thread]!.terminate();
    control.reclaim(thread);
  }
  Atomics.store(signals, STOP, 1);
  const [{ held }] = await last;
  t.same(sessions(control), held);
  control.reclaim(2);
  t.same(sessions(control), [0, 0, 0]);
  const places = picks(control, 7, { now: NOW, stay: true });
  t.same(countsOf(control, places), bounds);
  t.equal(places[6], "full");
});

/** The clock of the process: monotonic, and one for all threads. */
import { Worker } from "node:worker_threads";
import t from "tap";
import { systemClock } from "../src/clock.ts";

/** Two calls in two threads are apart by the message between them; far less than the age of a thread's own clock. */
const APART_MS = 5000;

t.test("systemClock never goes back", async (t) => {
  let last = systemClock.milliseconds();
  for (let round = 0; round < 1000; round++) {
    const now = systemClock.milliseconds();
    if (now < last) t.fail(`went back from ${last} to ${now}`);
    last = now;
  }
});

t.test("systemClock counts whole seconds of the same clock", async (t) => {
  const before = systemClock.milliseconds();
  const seconds = systemClock.seconds();
  const after = systemClock.milliseconds();
  t.ok(Number.isInteger(seconds));
  t.ok(seconds >= Math.floor(before / 1000) && seconds <= Math.floor(after / 1000));
});

t.test("systemClock agrees with the system's monotonic clock when asked in another thread", async (t) => {
  const script = `
    import { parentPort } from "node:worker_threads";
    import { systemClock } from ${JSON.stringify(new URL("../src/clock.ts", import.meta.url).href)};
    parentPort.postMessage({ theirs: systemClock.milliseconds(), system: Number(process.hrtime.bigint()) / 1e6 });
  `;
  const before = systemClock.milliseconds();
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`));
  const { theirs, system } = await new Promise<{ theirs: number; system: number }>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  await worker.terminate();
  t.ok(theirs >= before - 1 && theirs <= systemClock.milliseconds() + 1, "between two calls of ours");
  t.ok(Math.abs(theirs - system) < APART_MS, "counted from the system's origin");
});

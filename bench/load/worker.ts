/**
 * A load thread: a `Loader` that does as the main thread says, and tells it now and then how far it is. It ends when the
 * main thread ends it.
 */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { systemClock } from "../../src/clock.ts";
import { type Spent, threadSpent } from "../harness/proc.ts";
import { Loader } from "./loader.ts";
import type { FromWorker, ToWorker, WorkerData } from "./messages.ts";
import { recipes } from "./scenario.ts";

/** What the main thread tells is as old at the most. */
const SNAPSHOT_MS = 100;

function serve(port: MessagePort, { plan, share }: WorkerData): void {
  const recipe = recipes[plan.scenario];
  if (recipe === undefined) throw new Error(`there is no scenario ${plan.scenario}`);
  const loader = new Loader({ plan, share, clock: systemClock, recipe });
  const post = (message: FromWorker) => port.postMessage(message);
  const snapshot = () =>
    post({
      type: "snapshot",
      counts: { ...loader.tally.counts },
      recent: loader.tally.takeRecent(),
      tricks: loader.tally.tricks,
    });
  let began: Spent = { cpuUs: 0, waitUs: 0 };
  /** When the load stopped: what comes behind it is no load. */
  let stopped: Spent | null = null;
  const begin = async () => {
    began = threadSpent();
    const timer = setInterval(snapshot, SNAPSHOT_MS);
    await loader.start();
    clearInterval(timer);
    const { cpuUs, waitUs } = stopped ?? threadSpent();
    snapshot();
    const tally = loader.tally.data();
    const { lateness } = loader;
    post({
      type: "over",
      tally,
      lateness,
      cpuUs: cpuUs - began.cpuUs,
      waitUs: Math.max(0, waitUs - began.waitUs),
    });
  };
  const stop = () => {
    stopped ??= threadSpent();
    loader.stop();
  };
  const orders = { begin, stop, cut: () => loader.cut() };
  port.on("message", (order: ToWorker) => void orders[order]());
  post({ type: "ready" });
}

if (parentPort !== null) serve(parentPort, workerData as WorkerData);

/**
 * A load thread: a `Loader` that does as the main thread says, and tells it now and then how far it is. It ends when the
 * main thread ends it.
 */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { systemClock } from "../../src/clock.ts";
import { threadWaitNs } from "../harness/proc.ts";
import { Loader } from "./loader.ts";
import type { FromWorker, ToWorker, WorkerData } from "./messages.ts";
import { recipes } from "./scenario.ts";

/** Twice as often as the main thread tells of it. */
const SNAPSHOT_MS = 500;

function serve(port: MessagePort, { plan, share }: WorkerData): void {
  const recipe = recipes[plan.scenario];
  if (recipe === undefined) throw new Error(`there is no scenario ${plan.scenario}`);
  const loader = new Loader({ plan, share, clock: systemClock, recipe });
  const post = (message: FromWorker) => port.postMessage(message);
  const snapshot = () =>
    post({ type: "snapshot", counts: { ...loader.tally.counts }, recent: loader.tally.takeRecent() });
  const begin = async () => {
    const before = process.threadCpuUsage();
    const waitedNs = threadWaitNs();
    const timer = setInterval(snapshot, SNAPSHOT_MS);
    await loader.start();
    clearInterval(timer);
    const { user, system } = process.threadCpuUsage(before);
    snapshot();
    const waitUs = (threadWaitNs() - waitedNs) / 1000;
    const tally = loader.tally.data();
    post({ type: "over", tally, lateness: loader.lateness, cpuUs: user + system, waitUs });
  };
  const orders = { begin, stop: () => loader.stop(), cut: () => loader.cut() };
  port.on("message", (order: ToWorker) => void orders[order]());
  post({ type: "ready" });
}

if (parentPort !== null) serve(parentPort, workerData as WorkerData);

/**
 * Postern, HAProxy, nginx, Haraka and no proxy at all, side by side: each case gives every peer the same task and the same
 * room, in turn, round after round. The proxies have the first core; load and back end share the second.
 *
 * Who is not installed, does not start, dies or cannot do a case is left out, and the comparison says so. One that is
 * stopped early comes to what there is so far. Nothing here prints.
 */
import { cpus } from "node:os";
import { type CompareOptions, Match, type Stage } from "./compare/match.ts";
import { CASES } from "./compare/trials.ts";
import { thisMachine } from "./harness/machine.ts";
import { loadCore, pinSelf } from "./harness/process.ts";
import { peers, startProxy } from "./peers/start.ts";
import type { Comparison } from "./report/comparison.ts";
import { startSink } from "./sink/sink.ts";

const realStage: Stage = {
  find: (name, haraka) => peers[name].find(haraka),
  start: startProxy,
  startSink: (proxy) => startSink({ protocol: "smtp", proxy }),
  pin: () => pinSelf(loadCore),
  spent: () => {
    const { user, system } = process.cpuUsage();
    const machineMs = cpus().reduce(
      (sum, { times }) => sum + times.user + times.nice + times.sys + times.irq,
      0,
    );
    return { own: (user + system) / 1e6, machine: machineMs / 1000 };
  },
};

/** Rejects where this machine cannot do it at all; what a peer does is in the comparison. */
export async function compare(options: CompareOptions, stage: Stage = realStage): Promise<Comparison> {
  const startedAt = new Date().toISOString();
  const beganMs = performance.now();
  // Once it is pinned, this process sees a single core.
  const machine = thisMachine();
  stage.pin();
  const match = new Match(options, stage);
  try {
    for (const name of CASES) if (options.cases.includes(name)) await match.play(name);
  } finally {
    await match.close();
  }
  const seconds = (performance.now() - beganMs) / 1000;
  return { startedAt, seconds, wasStopped: options.signal.aborted, machine, ...match.outcome() };
}

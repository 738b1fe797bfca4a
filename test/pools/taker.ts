/** A thread that takes and gives slots as fast as it can, until it is told to stop or dies; used by the tests of threads. */
import { parentPort, workerData } from "node:worker_threads";
import { Pool, type PoolMemory, type Server } from "../../src/pools/pool.ts";
import { client, NOW, optionsOf } from "./fixtures.ts";

export interface Task {
  readonly memory: PoolMemory;
  readonly thread: number;
  readonly bounds: readonly number[];
  /** Slots held at most. */
  readonly slots: number;
  readonly signals: Int32Array;
}

/** The words of `signals`: set from outside to end; how many threads have begun; what is held of each server. */
export const STOP = 0;
export const BEGUN = 1;
export const HELD = 2;

/** How many slots of each server the thread holds at its end, and in which turns it found more taken than there are. */
export interface Report {
  readonly held: readonly number[];
  readonly picks: number;
  readonly excess: number;
}

function take({ memory, thread, bounds, slots, signals }: Task): Report {
  const options = optionsOf(bounds.map((maxConnections) => ({ maxConnections })));
  const pool = new Pool(options, memory, thread);
  const held: Server[] = [];
  let [picks, excess] = [0, 0];
  Atomics.add(signals, BEGUN, 1);
  Atomics.notify(signals, BEGUN);
  while (Atomics.load(signals, STOP) === 0) {
    if (held.length === slots || (held.length > 0 && Math.random() < 0.5)) {
      const server = held.splice(Math.floor(Math.random() * held.length), 1)[0]!;
      // Told to the others before it is true, as the taking is told after: so nobody sees more than there are.
      Atomics.sub(signals, HELD + server.index, 1);
      pool.leave(server);
      continue;
    }
    const found = pool.pick(client(picks++), null, NOW);
    if (typeof found === "string") continue;
    held.push(found);
    if (Atomics.add(signals, HELD + found.index, 1) >= bounds[found.index]!) excess++;
  }
  return {
    held: bounds.map((_, index) => held.filter((server) => server.index === index).length),
    picks,
    excess,
  };
}

parentPort?.postMessage(take(workerData));

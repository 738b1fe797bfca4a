/** A thread that connects and disconnects random clients as fast as it can; used by the tests of threads. */
import { parentPort, workerData } from "node:worker_threads";
import { Address } from "../../src/address.ts";
import { NO_LEASE, Table } from "../../src/limits/table.ts";

export interface Task {
  readonly memory: SharedArrayBuffer;
  readonly thread: number;
  readonly clients: number;
  /** Leases held at most. */
  readonly leases: number;
  readonly rounds: number;
  /** Two words: `STOP` is set from outside to end before all rounds are done, `BEGUN` from inside. */
  readonly signals: Int32Array;
}

export interface Report {
  /** The clients of the leases still held, one for each lease. */
  readonly held: number[];
  readonly connections: number;
  readonly refused: number;
  readonly messages: number;
  readonly bytes: number;
  /** Failed logins. */
  readonly failures: number;
}

export const STOP = 0;
export const BEGUN = 1;

const BYTES = 3;
const MESSAGES = 2;
export const NOW = 1000;

function hammer(task: Task): Report {
  Atomics.store(task.signals, BEGUN, 1);
  Atomics.notify(task.signals, BEGUN);
  const table = new Table(task.memory, task.thread);
  const held: { client: number; lease: number }[] = [];
  let [connections, refused, messages, bytes, failures] = [0, 0, 0, 0, 0];
  for (let round = 0; round < task.rounds && Atomics.load(task.signals, STOP) === 0; round++) {
    if (held.length === task.leases || (held.length > 0 && Math.random() < 0.5)) {
      const lease = held.splice(Math.floor(Math.random() * held.length), 1)[0]!.lease;
      const isRefused = round % 2 === 0;
      const time = { nowSeconds: NOW, unitSeconds: 60 };
      const counted = table.count(lease, "authFailures", time);
      if (table.standing(lease, "authFailures", time) < counted) throw new Error("less than was counted");
      failures++;
      table.disconnect(lease, { refused: isRefused, messages: MESSAGES, bytes: BYTES }, NOW);
      messages += MESSAGES;
      bytes += BYTES;
      if (isRefused) refused++;
      continue;
    }
    const client = Math.floor(Math.random() * task.clients);
    const prefix = Address.v4(client);
    const answer = { concurrency: 0, connections: 0 };
    const lease = table.connect({
      scope: 0,
      prefix,
      length: 32,
      nowSeconds: NOW,
      unitSeconds: 60,
      ...answer,
    });
    if (lease === NO_LEASE) continue;
    connections++;
    held.push({ client, lease });
  }
  return { held: held.map(({ client }) => client), connections, refused, messages, bytes, failures };
}

parentPort?.postMessage(hammer(workerData));

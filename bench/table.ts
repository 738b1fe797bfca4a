/**
 * What the limits cost: nanoseconds for one connect and its disconnect, by one thread and by two at once.
 *
 *     node bench/table.ts
 *
 * - `few`: 1,000 clients, which all fit a processor's cache.
 * - `many`: 50,000 clients in a table with room for all.
 * - `flood`: 50,000 clients in a table of 4,096, so that nearly each connect evicts one.
 *
 * With two threads it is the time that one thread needs for one pair while the other does the same.
 */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { Address } from "../src/address.ts";
import { systemClock } from "../src/clock.ts";
import { Limiter } from "../src/limits/limiter.ts";
import { Table } from "../src/limits/table.ts";

interface Load {
  readonly name: string;
  readonly clients: number;
  readonly entries: number;
}

interface Task extends Load {
  readonly memory: SharedArrayBuffer;
  readonly thread: number;
  readonly threads: number;
  /** One word: how many threads are warm. All begin together. */
  readonly warm: Int32Array;
}

const LOADS: readonly Load[] = [
  { name: "few", clients: 1000, entries: 65536 },
  { name: "many", clients: 50_000, entries: 65536 },
  { name: "flood", clients: 50_000, entries: 4096 },
];

const PAIRS = 1_000_000;
const WARM_UP_PAIRS = 200_000;
const ROUNDS = 3;

/** Odd, and prime to the numbers of clients: the walk visits all of them, far from one another. */
const STRIDE = 7919;

function measure(task: Task): number {
  const limiter = new Limiter(
    new Table(task.memory, task.thread),
    {
      timeUnitSeconds: 60,
      connectionCount: 50,
      connectionRate: 0,
      messageRate: 0,
      recipientRate: 0,
      authRate: 0,
      newTlsSessionRate: 0,
      authFailureRate: 0,
      authFailureDelayMs: 0,
      exceptions: [],
      ipv4PrefixLength: 32,
      ipv6PrefixLength: 64,
      scope: null,
      dryRun: false,
    },
    0,
  );
  const addresses = Array.from({ length: task.clients }, (_, client) => Address.v4(0xcb000000 + client));
  const ended = { refused: false, messages: 0, bytes: 4096 };
  const run = (pairs: number) => {
    let client = task.thread * (task.clients >>> 1);
    for (let pair = 0; pair < pairs; pair++) {
      const { lease } = limiter.connect(addresses[client]!, systemClock.seconds());
      limiter.disconnect(lease, ended, systemClock.seconds());
      client = (client + STRIDE) % task.clients;
    }
  };
  run(WARM_UP_PAIRS);
  Atomics.add(task.warm, 0, 1);
  while (Atomics.load(task.warm, 0) < task.threads);
  const began = systemClock.milliseconds();
  run(PAIRS);
  return ((systemClock.milliseconds() - began) / PAIRS) * 1e6;
}

/** The slowest thread's nanoseconds for a pair. */
async function round(load: Load, threads: number): Promise<number> {
  const memory = Table.allocate({ entries: load.entries, threads });
  const warm = new Int32Array(new SharedArrayBuffer(4));
  const results = Array.from({ length: threads }, (_, thread) => {
    const task: Task = { ...load, memory, warm, thread, threads };
    const worker = new Worker(new URL(import.meta.url), { workerData: task });
    return new Promise<number>((resolve, reject) => worker.once("message", resolve).once("error", reject));
  });
  return Math.max(...(await Promise.all(results)));
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >>> 1]!;
}

async function main(): Promise<void> {
  const rows: { load: string; threads: number; nsPerPair: number }[] = [];
  for (const load of LOADS) {
    for (const threads of [1, 2]) {
      const values: number[] = [];
      for (let count = 0; count < ROUNDS; count++) values.push(await round(load, threads));
      rows.push({ load: load.name, threads, nsPerPair: Math.round(median(values)) });
    }
  }
  console.table(rows);
  console.log(JSON.stringify({ bench: "table", node: process.version, pairs: PAIRS, rounds: ROUNDS, rows }));
}

if (isMainThread) await main();
else parentPort?.postMessage(measure(workerData));

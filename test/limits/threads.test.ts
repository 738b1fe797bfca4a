/** The table with real threads: exact counts, and repair when a thread dies at any point. */
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import t from "tap";
import { Address, Network } from "../../src/address.ts";
import { Lock } from "../../src/limits/lock.ts";
import { BLANK, entry, header, Memory } from "../../src/limits/memory.ts";
import { CONTROL, Table, type Visit } from "../../src/limits/table.ts";
import { BEGUN, NOW, type Report, STOP, type Task } from "./hammer.ts";
import { checkTable, entryOf } from "./invariants.ts";

const ENDED = { refused: false, messages: 0, bytes: 0 };

function newSignals(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(8));
}

function start(task: Task): { worker: Worker; report: Promise<Report> } {
  const worker = new Worker(new URL("./hammer.ts", import.meta.url), { workerData: task });
  const report = new Promise<Report>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  return { worker, report };
}

function visit(client: number): Visit {
  const prefix = Address.v4(client);
  return { scope: 0, prefix, length: 32, nowSeconds: NOW, unitSeconds: 60, concurrency: 0, connections: 0 };
}

function concurrencyOf(table: Table, client: number): number {
  return entryOf(table, 0, new Network(Address.v4(client), 32))?.concurrency ?? 0;
}

/** Each client's concurrency is the number of leases that `reports` name for it. */
function checkHeld(
  t: { fail(message: string): void },
  table: Table,
  clients: number,
  reports: readonly Report[],
): void {
  const held = reports.flatMap((report) => report.held);
  for (let client = 0; client < clients; client++) {
    const expected = held.filter((other) => other === client).length;
    if (concurrencyOf(table, client) !== expected) t.fail(`client ${client}: expected ${expected}`);
  }
}

t.test("Table counts exactly when two threads count the same clients at once", async (t) => {
  // More clients than entries, so that threads evict as well.
  for (const [entries, clients] of [
    [64, 8],
    [8, 24],
  ] as [number, number][]) {
    const memory = Table.allocate({ entries, threads: 2 });
    const control = new Table(memory, CONTROL);
    const tasks = [0, 1].map((thread) => ({
      memory,
      thread,
      clients,
      leases: 3,
      rounds: 50_000,
      signals: newSignals(),
    }));
    const reports = await Promise.all(tasks.map((task) => start(task).report));
    checkTable(memory);
    checkHeld(t, control, clients, reports);
    const { evicted } = control.summary();
    for (const name of ["connections", "refused", "messages", "bytes"] as const) {
      const counted = [...control.entries()].reduce((sum, { totals }) => sum + totals[name], evicted[name]);
      t.equal(
        counted,
        reports.reduce((sum, report) => sum + report[name], 0),
        `${name} of ${clients} clients`,
      );
    }
    // Where nobody is evicted, and the clock stands still, the windows hold every event.
    if (control.summary().evictions > 0) continue;
    const failures = [...control.entries()].reduce((sum, { window }) => sum + window.authFailures, 0);
    t.equal(
      failures,
      reports.reduce((sum, report) => sum + report.failures, 0),
      "failed logins",
    );
  }
});

t.test("Table.reclaim leaves what the living hold when a thread is ended at a random moment", async (t) => {
  const [rounds, clients] = [12, 24];
  const memory = Table.allocate({ entries: 12, threads: 2 });
  const control = new Table(memory, CONTROL);
  const task = { memory, clients, leases: 5, rounds: Number.POSITIVE_INFINITY };
  const signals = newSignals();
  const living = start({ ...task, thread: 1, signals });
  let diedInside = 0;
  for (let round = 0; round < rounds; round++) {
    const begun = newSignals();
    const { worker } = start({ ...task, thread: 0, signals: begun });
    await Atomics.waitAsync(begun, BEGUN, 0).value;
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 8));
    await worker.terminate();
    const lock = new Lock(new Memory(memory).words, header.lock, CONTROL);
    if (lock.heldBy === 0) diedInside++;
    t.equal(control.reclaim(0), true, "reclaimed");
    checkTable(memory);
  }
  Atomics.store(signals, STOP, 1);
  const report = await living.report;
  checkTable(memory);
  checkHeld(t, control, clients, [report]);
  t.comment(`died inside the critical section: ${diedInside} of ${rounds}`);
});

/** A table with clients in use by threads 0 and 1, idle ones, and thread 0 dead with the lock in its hands. */
function broken(entries: number): { memory: SharedArrayBuffer; control: Table; leases: number[] } {
  const memory = Table.allocate({ entries, threads: 2 });
  const [dying, living] = [new Table(memory, 0), new Table(memory, 1)];
  for (let client = 0; client < entries; client++) {
    const lease = dying.connect(visit(client));
    if (client % 2 === 0) dying.disconnect(lease, ENDED, NOW + entries - client);
  }
  const leases = [1, 2, 3, 3].map((client) => living.connect(visit(client)));
  new Lock(new Memory(memory).words, header.lock, 0).acquire(1);
  return { memory, control: new Table(memory, CONTROL), leases };
}

t.test(
  "Table.reclaim repairs every link, list and sum when the dead thread left any of them wrong",
  async () => {
    const entries = 12;
    const scrambled = [entry.chain, entry.older, entry.newer, entry.concurrency];
    const scramble = fc.array(
      fc.record({ index: fc.nat(entries), offset: fc.constantFrom(...scrambled), value: fc.nat(entries) }),
    );
    const bucketScramble = fc.array(fc.record({ bucket: fc.nat(31), value: fc.nat(entries) }));
    fc.assert(
      fc.property(
        scramble,
        bucketScramble,
        fc.uniqueArray(fc.constantFrom(1, 5, 7, 9)),
        (words, chains, blanks) => {
          const { memory, control, leases } = broken(entries);
          const raw = new Memory(memory);
          for (const { index, offset, value } of words) raw.words[raw.at(index) + offset] = value;
          for (const { bucket, value } of chains) raw.words[raw.buckets + bucket] = value;
          // Half gone: idle entries, as no other is ever blank.
          for (const index of blanks) raw.words[raw.at(index) + entry.state] = BLANK;
          if (!control.reclaim(0)) throw new Error("not reclaimed");
          checkTable(memory);
          if (concurrencyOf(control, 1) !== 1 || concurrencyOf(control, 3) !== 2)
            throw new Error("living leases");
          const living = new Table(memory, 1);
          for (const lease of leases) living.disconnect(lease, ENDED, NOW);
          for (let client = 100; client < 100 + entries; client++) living.connect(visit(client));
          checkTable(memory);
          const { evicted } = control.summary();
          if (evicted.connections !== entries + leases.length)
            throw new Error(`evicted ${evicted.connections}`);
        },
      ),
      { numRuns: 200 },
    );
  },
);

t.test(
  "Table.reclaim lists idle clients by their last event, so that the oldest goes first as before",
  async (t) => {
    const { memory, control, leases } = broken(12);
    control.reclaim(0);
    const living = new Table(memory, 1);
    for (const lease of leases) living.disconnect(lease, ENDED, NOW + 100);
    const evicted: number[] = [];
    for (let client = 100; client < 108; client++) {
      const before = new Set([...control.entries()].map((found) => found.client.address.d));
      living.connect(visit(client));
      for (const found of control.entries()) before.delete(found.client.address.d);
      evicted.push(...before);
    }
    t.strictSame(evicted, [5, 7, 9, 11, 10, 8, 6, 4]);
  },
);

t.test(
  "Table.reclaim says false when the lock's holder is another thread that died, until that is reclaimed",
  async (t) => {
    const { control } = broken(4);
    t.equal(control.reclaim(1), false);
    t.equal(control.reclaim(0), true);
    t.equal(control.reclaim(1), true);
    t.equal(control.summary().used, 4);
    t.strictSame(
      [...control.entries()].map(({ concurrency }) => concurrency),
      [0, 0, 0, 0],
    );
  },
);

t.test("Table throws when the control thread reads while a dead thread holds the lock", async (t) => {
  const { control } = broken(4);
  t.throws(() => control.summary(), /held by thread 0 for more than 250 ms/);
  t.throws(() => control.entries().next(), /held by thread 0/);
  t.throws(() => control.reclaim(2), /no thread 2/);
  t.throws(() => control.reclaim(CONTROL), /no thread -1/);
  t.equal(control.reclaim(0), true);
  t.equal(control.summary().used, 4);
});

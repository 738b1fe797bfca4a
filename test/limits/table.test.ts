/** The table against a plain Map, and its edges one by one. */
import fc from "fast-check";
import t from "tap";
import { Address, Network } from "../../src/address.ts";
import type { TableEntry } from "../../src/limits/entries.ts";
import { CONTROL, type Counter, type Ended, NO_LEASE, Table, type Visit } from "../../src/limits/table.ts";
import { checkTable, entryOf } from "./invariants.ts";

const UNIT = 10;
const SCOPE = 7;
const START = 1000;

function visit(client: number, nowSeconds: number, scope = SCOPE): Visit {
  const prefix = Address.v4(client);
  return { scope, prefix, length: 32, nowSeconds, unitSeconds: UNIT, concurrency: 0, connections: 0 };
}

function networkOf(client: number): Network {
  return new Network(Address.v4(client), 32);
}

interface ModelClient {
  start: number;
  seen: number;
  window: TableEntry["window"];
  concurrency: number;
  totals: { connections: number; refused: number; messages: number; bytes: number };
}

const emptyWindow: TableEntry["window"] = {
  connections: 0,
  messages: 0,
  recipients: 0,
  auths: 0,
  tlsSessions: 0,
  authFailures: 0,
};

const countersInSessions: Counter[] = ["messages", "recipients", "auths", "tlsSessions", "authFailures"];

/** The table as one would write it without shared memory. Idle clients are in `idle`, the oldest first. */
class Model {
  readonly clients = new Map<number, ModelClient>();
  readonly idle = new Set<number>();
  readonly #capacity: number;
  evictions = 0;
  evicted = { connections: 0, refused: 0, messages: 0, bytes: 0 };

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  connect(client: number, now: number): ModelClient | null {
    if (!this.clients.has(client) && this.clients.size === this.#capacity && !this.#evict()) return null;
    const found = this.clients.get(client) ?? {
      start: now,
      seen: now,
      window: emptyWindow,
      concurrency: 0,
      totals: { connections: 0, refused: 0, messages: 0, bytes: 0 },
    };
    this.clients.set(client, found);
    const forgotten = found.concurrency === 0 && now >= found.seen + UNIT;
    this.idle.delete(client);
    this.#event(found, forgotten ? "forgotten" : "known", now);
    found.window = { ...found.window, connections: found.window.connections + 1 };
    found.concurrency++;
    found.totals.connections++;
    return found;
  }

  count(client: number, counter: Counter, now: number): number {
    const found = this.clients.get(client)!;
    this.#event(found, "known", now);
    const count = found.window[counter] + 1;
    found.window = { ...found.window, [counter]: count };
    return count;
  }

  standing(client: number, counter: Counter, now: number): number {
    const { start, window } = this.clients.get(client)!;
    return now > start + UNIT ? 0 : window[counter];
  }

  disconnect(client: number, ended: Ended, now: number): void {
    const found = this.clients.get(client)!;
    found.seen = now;
    found.concurrency--;
    found.totals.bytes += ended.bytes;
    found.totals.messages += ended.messages;
    if (ended.refused) found.totals.refused++;
    if (found.concurrency === 0) this.idle.add(client);
  }

  #event(found: ModelClient, standing: "known" | "forgotten", now: number): void {
    found.seen = now;
    if (found.start + UNIT >= now && standing === "known") return;
    found.start = now;
    found.window = emptyWindow;
  }

  #evict(): boolean {
    const [oldest] = this.idle;
    if (oldest === undefined) return false;
    const { totals } = this.clients.get(oldest)!;
    this.idle.delete(oldest);
    this.clients.delete(oldest);
    this.evictions++;
    this.evicted.connections += totals.connections;
    this.evicted.refused += totals.refused;
    this.evicted.messages += totals.messages;
    this.evicted.bytes += totals.bytes;
    return true;
  }
}

type Step =
  | { kind: "connect"; client: number; thread: number }
  | { kind: "count" | "standing"; which: number; counter: Counter }
  | { kind: "disconnect"; which: number; ended: Ended }
  | { kind: "wait"; seconds: number };

const CLIENTS = 9;
const THREADS = 3;

const steps = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant("connect" as const),
        client: fc.nat(CLIENTS - 1),
        thread: fc.nat(THREADS - 1),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constantFrom("count", "standing"),
        which: fc.nat(),
        counter: fc.constantFrom(...countersInSessions),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("disconnect" as const),
        which: fc.nat(),
        ended: fc.record({ refused: fc.boolean(), messages: fc.nat(9), bytes: fc.nat(5000) }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("wait" as const),
        seconds: fc.oneof(fc.nat(2), fc.integer({ min: UNIT - 1, max: UNIT + 2 })),
      }),
    },
  ),
  // Long enough, each time, for windows that lapse over counted events.
  { maxLength: 120, size: "max" },
);

class Comparison {
  readonly #memory: SharedArrayBuffer;
  readonly #tables: Table[];
  readonly #control: Table;
  readonly #model: Model;
  readonly #leases: { client: number; lease: number; thread: number }[] = [];
  #now = START;

  constructor(capacity: number) {
    this.#memory = Table.allocate({ entries: capacity, threads: THREADS });
    this.#tables = Array.from({ length: THREADS }, (_, thread) => new Table(this.#memory, thread));
    this.#control = new Table(this.#memory, CONTROL);
    this.#model = new Model(capacity);
  }

  take(step: Step): void {
    switch (step.kind) {
      case "connect":
        return this.#connect(step.client, step.thread);
      case "disconnect":
        return this.#disconnect(step.which, step.ended);
      case "count":
      case "standing":
        return this.#ask(step.kind, step.which, step.counter);
      case "wait":
        this.#now += step.seconds;
        return;
      default:
        step satisfies never;
    }
  }

  check(): void {
    checkTable(this.#memory);
    const { clients, evictions, evicted } = this.#model;
    const summary = this.#control.summary();
    same(summary.used, clients.size, "used");
    same(summary.evictions, evictions, "evictions");
    same(summary.evicted, evicted, "evicted");
    same([...this.#control.entries()].length, clients.size, "entries");
    for (let client = 0; client < CLIENTS; client++) {
      const found = entryOf(this.#control, SCOPE, networkOf(client));
      const expected = clients.get(client);
      if (expected === undefined) {
        same(found, null, "unknown client");
        continue;
      }
      const { start, seen, window, concurrency, totals } = expected;
      same(found!.client.address.text, Address.v4(client).text, "client");
      same([found!.windowStart, found!.lastSeen], [start, seen], "times");
      same([found!.window, found!.concurrency], [window, concurrency], "counts");
      same(found!.totals, totals, "totals");
    }
  }

  #connect(client: number, thread: number): void {
    const asked = visit(client, this.#now);
    const lease = this.#tables[thread]!.connect(asked);
    const expected = this.#model.connect(client, this.#now);
    same(lease === NO_LEASE, expected === null, "full");
    if (expected === null) return;
    same(
      [asked.concurrency, asked.connections],
      [expected.concurrency, expected.window.connections],
      "answer",
    );
    this.#leases.push({ client, lease, thread });
  }

  #ask(kind: "count" | "standing", which: number, counter: Counter): void {
    const held = this.#leases[which % Math.max(1, this.#leases.length)];
    if (held === undefined) return;
    const time = { nowSeconds: this.#now, unitSeconds: UNIT };
    const found = this.#tables[held.thread]![kind](held.lease, counter, time);
    same(found, this.#model[kind](held.client, counter, this.#now), `${kind} of ${counter}`);
  }

  #disconnect(which: number, ended: Ended): void {
    const [held] = this.#leases.splice(which % Math.max(1, this.#leases.length), 1);
    if (held === undefined) return;
    this.#tables[held.thread]!.disconnect(held.lease, ended, this.#now);
    this.#model.disconnect(held.client, ended, this.#now);
  }
}

function same(found: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: ${a}, expected ${b}`);
}

t.test("Table does what a Map does when several threads' events interleave and the clock moves", async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), steps, (capacity, events) => {
      const comparison = new Comparison(capacity);
      for (const event of events) {
        comparison.take(event);
        comparison.check();
      }
    }),
    { numRuns: 150 },
  );
});

t.test("Table tells clients apart when only scope, one word or the length differs", async (t) => {
  const table = new Table(Table.allocate({ entries: 16, threads: 1 }), 0);
  const base = visit(2, START);
  const keys: Visit[] = [
    base,
    { ...base, scope: SCOPE + 1 },
    { ...base, length: 31 },
    { ...base, prefix: new Address(0xffffffff, 0, 0, 0), length: 64 },
    { ...base, prefix: new Address(0, 0xffffffff, 0, 0), length: 64 },
    { ...base, prefix: new Address(0, 0, 0xffffffff, 0), length: 96 },
    { ...base, prefix: new Address(0, 0, 0, 0xffffffff), length: 128 },
  ];
  const leases = new Set(keys.map((key) => table.connect(key)));
  t.equal(leases.size, keys.length);
  for (const { scope, prefix, length } of keys) {
    const found = entryOf(table, scope, new Network(prefix, length));
    t.ok(
      found?.client.address.equals(prefix.prefix(length)) && found.scope === scope,
      `${prefix.text}/${length}`,
    );
  }
  const texts = [...table.entries()].map(({ client }) => `${client.address.text}/${client.length}`);
  t.strictSame(texts.slice(3), [
    "ffff:ffff::/64",
    "0:0:ffff:ffff::/64",
    "::ffff:ffff:0:0/96",
    "::ffff:ffff/128",
  ]);
});

t.test(
  "Table.connect says that the table is full when every entry is in use, and then changes nothing",
  async (t) => {
    const memory = Table.allocate({ entries: 2, threads: 1 });
    const table = new Table(memory, 0);
    const first = table.connect(visit(1, START));
    table.connect(visit(2, START));
    t.equal(table.connect(visit(3, START)), NO_LEASE);
    checkTable(memory);
    t.match(table.summary(), { capacity: 2, used: 2, evictions: 0 });
    table.disconnect(first, { refused: false, messages: 0, bytes: 10 }, START);
    t.equal(table.connect(visit(3, START)), first, "the idle one made room");
    t.match(table.summary(), { used: 2, evictions: 1, evicted: { connections: 1, bytes: 10 } });
  },
);

t.test("Table.disconnect, count and standing throw when the lease is not held by this thread", async (t) => {
  const memory = Table.allocate({ entries: 2, threads: 2 });
  const [table, other] = [new Table(memory, 0), new Table(memory, 1)];
  const ended = { refused: false, messages: 0, bytes: 0 };
  const lease = table.connect(visit(1, START));
  const time = { nowSeconds: START, unitSeconds: UNIT };
  t.throws(() => other.disconnect(lease, ended, START), /not held by thread 1/);
  t.throws(() => other.count(lease, "messages", time), /not held by thread 1/);
  t.throws(() => other.standing(lease, "messages", time), /not held by thread 1/);
  table.disconnect(lease, ended, START);
  for (const wrong of [lease, NO_LEASE, 0, 2, 3, 4]) {
    t.throws(() => table.disconnect(wrong, ended, START), /not held by thread 0/, `lease ${wrong}`);
    t.throws(() => table.count(wrong, "auths", time), /not held by thread 0/, `lease ${wrong}`);
    t.throws(() => table.standing(wrong, "auths", time), /not held by thread 0/, `lease ${wrong}`);
  }
  checkTable(memory);
});

t.test("Table throws when it is given sizes or threads that cannot be", async (t) => {
  t.throws(() => Table.allocate({ entries: 0, threads: 1 }), /entries: 0/);
  t.throws(() => Table.allocate({ entries: 1.5, threads: 1 }), /entries: 1.5/);
  t.throws(() => Table.allocate({ entries: 2 ** 24 + 1, threads: 1 }), /entries/);
  t.throws(() => Table.allocate({ entries: 1, threads: 0 }), /threads: 0/);
  const memory = Table.allocate({ entries: 1, threads: 1 });
  t.throws(() => new Table(memory, 1), /no thread 1/);
  t.throws(() => new Table(memory, -2), /no thread -2/);
  t.throws(() => new Table(memory, CONTROL).connect(visit(1, START)), /control thread/);
});

t.test(
  "Table allocates 128 bytes, two to four buckets and a word for each thread when asked for an entry",
  async (t) => {
    const perEntry = (threads: number) => Table.allocate({ entries: 2 ** 16, threads }).byteLength / 2 ** 16;
    t.equal(Math.floor(perEntry(1)), 128 + 8 + 4);
    t.equal(Math.floor(perEntry(8)), 128 + 8 + 32);
  },
);

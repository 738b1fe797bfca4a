/** Which servers may be chosen: those up, backups, the full ones, those down; and that threads see the same. */
import t from "tap";
import { Pool, type Server } from "../../src/pools/pool.ts";
import { defaultPark, serverAt } from "../config/fixtures.ts";
import { at, client, NOW, optionsOf, picks, placeOf, plain, poolOf } from "./fixtures.ts";

/** Where one client is sent, failure by failure, until there is no server. */
function way(pool: Pool): (number | string)[] {
  const places: (number | string)[] = [];
  const tried = new Set<Server>();
  for (;;) {
    const found = pool.pick(client(1), tried, NOW);
    places.push(placeOf(found));
    if (typeof found === "string") return places;
    pool.leave(found);
    tried.add(found);
  }
}

t.test("pick gives each server its turn", async (t) => {
  t.same(picks(poolOf(plain(1)), 3), [0, 0, 0]);
  t.same(picks(poolOf(plain(3)), 7), [0, 1, 2, 0, 1, 2, 0]);
});

t.test("pick gives a client each server once, backups behind the others, down ones last", async (t) => {
  const pool = poolOf([{}, {}, { backup: true }, {}, { backup: true }]);
  pool.failed(at(pool, 1), NOW);
  pool.failed(at(pool, 4), NOW);
  t.same(way(pool), [0, 3, 2, 1, 4, "down"]);
});

t.test("pick gives backups only while no other server is up, or has room", async (t) => {
  const pool = poolOf([{ maxConnections: 1 }, {}, { backup: true }]);
  pool.failed(at(pool, 1), NOW);
  t.same(picks(pool, 3, { stay: true }), [0, 2, 2]);
  pool.leave(at(pool, 0));
  t.same(picks(pool, 1), [0]);
  pool.succeeded(at(pool, 1), NOW);
  pool.failed(at(pool, 0), NOW);
  t.same(picks(pool, 2), [1, 1]);
});

t.test("pick passes over a full server, and says so when all that are up are full", async (t) => {
  const pool = poolOf([{ maxConnections: 1 }, { maxConnections: 2 }, {}]);
  pool.failed(at(pool, 2), NOW);
  t.same(picks(pool, 5, { stay: true }), [0, 1, 1, "full", "full"], "one that is down is no help");
  t.equal(pool.isFull(NOW), true);
  t.same(
    pool.servers.map((server) => pool.sessionsOn(server)),
    [1, 2, 0],
  );
  pool.leave(at(pool, 1));
  t.equal(pool.isFull(NOW), false);
  t.same(picks(pool, 2, { stay: true }), [1, "full"]);
  for (const server of pool.servers) pool.failed(server, NOW);
  t.same(picks(pool, 1), [2], "where nothing is up, one that is down and has room is tried");
  t.equal(pool.isFull(NOW), false);
});

t.test("isDown is true while no server is up, and all are picked in turn all the same", async (t) => {
  const pool = poolOf(plain(2));
  for (const server of pool.servers) pool.failed(server, 0);
  t.equal(pool.isDown(0), true, "in the first second of the clock, too");
  t.same(picks(pool, 4, { now: 0 }), [0, 1, 0, 1]);
  t.equal(pool.isDown(15), true);
  t.equal(pool.isDown(16), false);
  pool.succeeded(at(pool, 1), 0);
  t.equal(pool.isDown(0), false);
});

t.test("what one thread learns of a server the others see, and they begin apart", async (t) => {
  const options = optionsOf(plain(3));
  const memory = Pool.allocate(options, 3);
  const pools = [0, 1, 2, -1].map((thread) => new Pool(options, memory, thread));
  t.same(
    pools.map((pool) => placeOf(pool.pick(client(1), null, NOW))),
    [0, 1, 2, 0],
  );
  const [one, other] = [pools[0]!, pools[1]!];
  t.equal(other.sessionsOn(at(other, 0)), 2);
  one.failed(at(one, 0), NOW);
  t.notOk(other.isUp(at(other, 0), NOW));
  other.succeeded(at(other, 0), NOW);
  t.ok(one.isUp(at(one, 0), NOW));
  one.reclaim(2);
  t.same(
    one.servers.map((server) => one.sessionsOn(server)),
    [2, 1, 0],
  );
});

t.test("a server that stays in the pool keeps its sessions and its state, wherever it stands", async (t) => {
  const before = optionsOf(plain(3));
  const memory = Pool.allocate(before, 1);
  const pool = new Pool(before, memory, 0);
  picks(pool, 5, { stay: true });
  pool.failed(at(pool, 2), NOW);
  const [first, second, third] = before.servers;
  const next = { ...before, servers: [third!, { ...first!, maxConnections: 2 }, serverAt("192.0.2.9", 1)] };
  const after = new Pool(next, Pool.extend(before, memory, next, 1), 0);
  const state = (pool: Pool) =>
    pool.servers.map((server) => [pool.sessionsOn(server), pool.isUp(server, NOW)]);
  t.same(state(pool), [
    [2, true],
    [2, true],
    [1, false],
  ]);
  t.same(state(after), [
    [1, false],
    [2, true],
    [0, true],
  ]);
  t.same(picks(after, 2), [2, 2], "one is down, and one is full with the sessions that it had");
  pool.leave(at(pool, 0));
  t.same(picks(after, 2), [1, 2], "a session of old has left");
  const back = { ...before, servers: [second!, third!] };
  t.same(state(new Pool(back, Pool.extend(next, Pool.extend(before, memory, next, 1), back, 1), 0)), [
    [0, true],
    [1, false],
  ]);
});

t.test(
  "who waits for a pool that stays keeps place and order, and is forgotten with its thread",
  async (t) => {
    const before = { ...optionsOf(plain(1)), park: { ...defaultPark, max: 2 } };
    const memory = Pool.allocate(before, 2);
    const former = new Pool(before, memory, 0).queue!;
    const older = former.enter()!;
    former.show(older);
    const after = Pool.extend(before, memory, before, 2);
    const [control, queue] = [new Pool(before, after, -1), new Pool(before, after, 1).queue!];
    const younger = queue.enter()!;
    t.same([queue.size, queue.enter()], [2, null]);
    t.equal(queue.takeTurn(younger, 1, 10_000), false, "the older one is first");
    control.reclaim(0);
    t.equal(queue.size, 1);
    t.equal(queue.takeTurn(younger, 1, 10_000), true);
  },
);

t.test("isOpen is true while a client is served or kept, or else while a server is up", async (t) => {
  const open = (healthchecks: "up" | "down", max: number) => {
    const options = { ...optionsOf([{ maxConnections: 1 }]), park: { ...defaultPark, max, healthchecks } };
    const pool = new Pool(options, Pool.allocate(options, 1), 0);
    const found = [pool.isOpen(NOW)];
    const server = pool.pick(client(1), null, NOW) as Server;
    found.push(pool.isOpen(NOW));
    pool.queue?.enter();
    found.push(pool.isOpen(NOW));
    pool.leave(server);
    found.push(pool.isOpen(NOW));
    pool.failed(server, NOW);
    found.push(pool.isOpen(NOW));
    pool.queue?.leave();
    return [...found, pool.isOpen(NOW)];
  };
  // At first; full; one waits as well; there is room for it; the server is down; nobody waits.
  t.same(open("up", 2), [true, true, true, true, true, true]);
  t.same(open("up", 1), [true, true, false, false, false, true]);
  t.same(open("up", 0), [true, false, false, true, false, false]);
  for (const max of [0, 1]) t.same(open("down", max), [true, true, true, true, false, false]);
});

/** Which server is next: turns, what counts as down and for how long, and that threads see the same. */
import t from "tap";
import type { PoolOptions } from "../../src/pools/options.ts";
import { Pool, type Server } from "../../src/pools/pool.ts";

function optionsOf(count: number): PoolOptions {
  const servers = Array.from({ length: count }, (_, index) => ({ host: "192.0.2.1", port: index }));
  return {
    name: "servers",
    servers,
    identity: "none",
    tls: { mode: "off", verify: "none", name: null, ca: null },
    connectTimeoutMs: 1,
    greetTimeoutMs: 1,
  };
}

function poolOf(count: number): Pool {
  const options = optionsOf(count);
  return new Pool(options, Pool.allocate(options));
}

const NOW = 1000;

/** The next servers' places, for clients of which nobody has tried any. */
function picks(pool: Pool, count: number, now = NOW): (number | undefined)[] {
  return Array.from({ length: count }, () => pool.pick(null, now)?.index);
}

t.test("pick gives each server its turn", (t) => {
  t.same(picks(poolOf(1), 3), [0, 0, 0]);
  t.same(picks(poolOf(3), 7), [0, 1, 2, 0, 1, 2, 0]);
  t.end();
});

t.test("pick gives a client each server once, down ones last, then null", (t) => {
  const pool = poolOf(4);
  pool.failed(pool.servers[1]!, NOW);
  const order: number[] = [];
  const tried = new Set<Server>();
  for (let server = pool.pick(tried, NOW); server !== null; server = pool.pick(tried, NOW)) {
    order.push(server.index);
    tried.add(server);
  }
  t.same(order, [0, 2, 3, 1]);
  t.equal(pool.pick(tried, NOW), null);
  t.end();
});

t.test("a server whose connect failed is passed over for 15 seconds, or until one succeeds", (t) => {
  const pool = poolOf(2);
  const [first, second] = [pool.servers[0]!, pool.servers[1]!];
  pool.failed(first, NOW);
  t.same(picks(pool, 3, NOW), [1, 1, 1]);
  t.same(picks(pool, 3, NOW + 15), [1, 1, 1]);
  t.same(picks(pool, 3, NOW + 16), [0, 1, 0]);
  pool.failed(first, NOW + 16);
  t.notOk(pool.isUp(first, NOW + 16));
  pool.succeeded(first);
  t.ok(pool.isUp(first, NOW + 16));
  pool.succeeded(second);
  t.ok(pool.isUp(second, NOW));
  t.end();
});

t.test("isDown is true while no server is up, and all are picked in turn all the same", (t) => {
  const pool = poolOf(2);
  for (const server of pool.servers) pool.failed(server, 0);
  t.ok(pool.isDown(0), "in the first second of the clock, too");
  t.same(picks(pool, 4, 0), [0, 1, 0, 1]);
  t.ok(pool.isDown(15));
  t.notOk(pool.isDown(16));
  pool.succeeded(pool.servers[1]!);
  t.notOk(pool.isDown(0));
  t.end();
});

t.test("what one thread learns of a server the others see", (t) => {
  const options = optionsOf(2);
  const memory = Pool.allocate(options);
  const [one, other] = [new Pool(options, memory), new Pool(options, memory)];
  one.failed(one.servers[0]!, NOW);
  t.same(picks(other, 2), [1, 1]);
  other.succeeded(other.servers[0]!);
  t.same(picks(one, 2), [0, 1]);
  t.end();
});

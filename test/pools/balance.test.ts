/** Fairness of each way to choose, over many picks and weights; and that clients stay with their servers. */
import fc from "fast-check";
import t from "tap";
import { Address } from "../../src/address.ts";
import { Pool, type Server } from "../../src/pools/pool.ts";
import { at, client, countsOf, NOW, optionsOf, picks, placeOf, plain, poolOf } from "./fixtures.ts";

const weights = fc.array(fc.integer({ min: 1, max: 256 }), { minLength: 1, maxLength: 8 });

function weighted(list: readonly number[]): { weight: number }[] {
  return list.map((weight) => ({ weight }));
}

function sum(list: readonly number[]): number {
  return list.reduce((total, each) => total + each, 0);
}

/** The place of each client's server. */
function homes(pool: Pool, clients: readonly Address[], now = NOW): (number | string)[] {
  return clients.map((each) => {
    const found = pool.pick(each, null, now);
    if (typeof found === "object") pool.leave(found);
    return placeOf(found);
  });
}

const clients = Array.from({ length: 4000 }, (_, number) => client(number * 7));

t.test("roundrobin is never a session ahead of a server's share, and exact after a round", async () => {
  fc.assert(
    fc.property(weights, fc.nat(3), (list, thread) => {
      const options = optionsOf(weighted(list));
      const pool = new Pool(options, Pool.allocate(options, 4), thread);
      const total = sum(list);
      const counts = list.map(() => 0);
      for (let pick = 1; pick <= total; pick++) {
        const place = picks(pool, 1)[0];
        if (typeof place !== "number") return false;
        counts[place]!++;
        // The turns that the thread begins behind are at most so many.
        const ahead = counts.some((count, index) => count - (pick * list[index]!) / total > 1 + thread);
        if (ahead) return false;
      }
      return counts.every((count, index) => count === list[index]);
    }),
    { numRuns: 50 },
  );
});

t.test("roundrobin mixes the turns instead of giving all of a server's at once", async (t) => {
  t.same(picks(poolOf(weighted([3, 1])), 8), [0, 0, 1, 0, 0, 0, 1, 0]);
});

t.test("roundrobin gives a server that comes back a tenth, then more and more", async (t) => {
  const pool = poolOf(plain(2));
  pool.failed(at(pool, 0), NOW);
  pool.succeeded(at(pool, 0), NOW);
  const shareAfter = (seconds: number) => countsOf(pool, picks(pool, 110, { now: NOW + seconds }))[0]!;
  t.ok(Math.abs(shareAfter(0) - 10) <= 2);
  t.ok(Math.abs(shareAfter(15) - 110 / 3) <= 2);
  t.ok(Math.abs(shareAfter(30) - 55) <= 2);
});

t.test("leastconn keeps sessions in the weights' proportion, whoever leaves", async () => {
  const step = fc.record({ leaves: fc.boolean(), which: fc.nat() });
  fc.assert(
    fc.property(weights, fc.array(step, { maxLength: 300 }), (list, steps) => {
      const pool = poolOf(weighted(list), "leastconn");
      const open: Server[] = [];
      for (const { leaves, which } of steps) {
        if (leaves && open.length > 0) pool.leave(open.splice(which % open.length, 1)[0]!);
        const loads = list.map((weight, index) => (pool.sessionsOn(at(pool, index)) + 1) / weight);
        const found = pool.pick(client(which), null, NOW);
        if (typeof found === "string") return false;
        open.push(found);
        if (loads[found.index]! > Math.min(...loads)) return false;
      }
      return sum(pool.servers.map((server) => pool.sessionsOn(server))) === open.length;
    }),
    { numRuns: 50 },
  );
});

t.test("leastconn gives equals their turns, counts over all threads, and starts slowly", async (t) => {
  t.same(picks(poolOf(plain(3), "leastconn"), 6), [0, 1, 2, 0, 1, 2]);
  const options = optionsOf(plain(2), "leastconn");
  const memory = Pool.allocate(options, 2);
  const [one, other] = [new Pool(options, memory, 0), new Pool(options, memory, 1)];
  for (let session = 0; session < 4; session++) one.pick(client(session), new Set([at(one, 1)]), NOW);
  t.same(picks(other, 4, { stay: true }), [1, 1, 1, 1]);
  const pool = poolOf(plain(2), "leastconn");
  pool.failed(at(pool, 0), NOW);
  pool.succeeded(at(pool, 0), NOW);
  t.same(countsOf(pool, picks(pool, 22, { stay: true })), [2, 20]);
});

t.test("source sends a client to the same server each time, and spreads clients by weight", async (t) => {
  const list = [1, 2, 5];
  const pool = poolOf(weighted(list), "source");
  const first = homes(pool, clients);
  t.same(homes(pool, clients), first);
  for (const [index, count] of countsOf(pool, first).entries()) {
    const expected = (clients.length * list[index]!) / sum(list);
    // Four standard deviations.
    t.ok(Math.abs(count - expected) < 4 * Math.sqrt(expected), `${index}: ${count}, expected ${expected}`);
  }
});

t.test("source moves only the clients of a server that goes, and gives it back the same", async () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 256 }), { minLength: 2, maxLength: 6 }),
      fc.nat(),
      (list, which) => {
        const pool = poolOf(weighted(list), "source");
        const some = clients.slice(0, 300);
        const before = homes(pool, some);
        const gone = at(pool, which % list.length);
        pool.failed(gone, NOW);
        const without = homes(pool, some);
        pool.succeeded(gone, NOW);
        const again = homes(pool, some);
        return before.every((home, index) => {
          const stays = home === gone.index ? without[index] !== home : without[index] === home;
          return stays && again[index] === home;
        });
      },
    ),
    { numRuns: 50 },
  );
});

t.test("source keeps clients where they are when the list of servers is another", async (t) => {
  const servers = optionsOf(plain(4)).servers;
  const long = poolOf(servers, "source");
  const short = poolOf([servers[3]!, servers[0]!, servers[2]!], "source");
  const nameOf = (pool: Pool, place: number | string) => at(pool, Number(place)).name;
  const [before, after] = [homes(long, clients), homes(short, clients)];
  const lost = at(long, 1).name;
  const moved = clients.filter((_, index) => {
    const home = nameOf(long, before[index]!);
    return home !== lost && nameOf(short, after[index]!) !== home;
  });
  t.equal(moved.length, 0);
});

t.test("source takes an IPv6 client by its network, and an IPv4 client by its address", async (t) => {
  const pool = poolOf(plain(64), "source");
  const home = (text: string) => homes(pool, [Address.parse(text)!])[0];
  t.equal(home("2001:db8:1:2::1"), home("2001:db8:1:2:ffff::9"));
  const others = Array.from({ length: 16 }, (_, number) => home(`2001:db8:1:${number}::1`));
  t.ok(new Set(others).size > 8);
  const fours = Array.from({ length: 16 }, (_, number) => home(`192.0.2.${number}`));
  t.ok(new Set(fours).size > 8);
});

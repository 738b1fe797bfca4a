/** A session that no server can take: how long it waits, what it hears, and how it goes on. */
import t from "tap";
import { Address } from "../../src/address.ts";
import type { ParkOptions } from "../../src/pools/options.ts";
import { Pool } from "../../src/pools/pool.ts";
import type { Bans } from "../../src/proxy/gate.ts";
import { defaultPark, serverAt } from "../config/fixtures.ts";
import { aBan } from "../observe/fixtures.ts";
import { poolOf, type Scene, scene } from "./fakes.ts";

const hello = "220 hi\r\n";

/** A pool of one server with one slot. */
function parkingPool(park: Partial<ParkOptions> = {}, identity: "none" | "proxy-v2" = "none"): Pool {
  const servers = [{ ...serverAt("192.0.2.1", 1), maxConnections: 1 }];
  return poolOf({ servers, identity, park: { ...defaultPark, ...park } });
}

function coming(pool: Pool, bans?: Bans): Scene {
  return scene({}, "off", {}, { pool, connects: false, ...(bans && { bans }) });
}

/** The server that is tried now refuses the connection. */
function refuse({ upstreams }: Scene): void {
  upstreams.at(-1)!.owner.onError(upstreams.at(-1)!, "ECONNREFUSED");
}

/** It takes the connection. */
function accept({ upstreams }: Scene): void {
  upstreams.at(-1)!.owner.onConnect(upstreams.at(-1)!);
}

/** A session whose server is not there. */
function parked(pool = parkingPool(), bans?: Bans): Scene {
  const found = coming(pool, bans);
  refuse(found);
  return found;
}

/** Time passes, and turns are looked for. */
function wait(found: Scene, milliseconds: number): void {
  found.pass(milliseconds);
  found.session.gate.parking.look();
}

/** What was told of the waiting's end, and how many wait. */
function told({ heard, pool }: Scene): unknown[] {
  return [...heard.flatMap(([what, outcome]) => (what === "unparked" ? [outcome] : [])), pool.queue!.size];
}

t.test("Session waits while its server is down, and goes on when its turn comes", async (t) => {
  const found = parked();
  found.client.hear("EHLO early\r\n");
  t.strictSame([found.session.phase, found.client.take(), told(found)], ["parked", "", [1]]);
  wait(found, 700);
  t.strictSame([found.session.phase, found.upstreams.length, told(found)], ["connect", 2, [1]]);
  accept(found);
  found.upstreams[1]!.hear(hello);
  t.strictSame([found.client.take(), found.upstreams[1]!.take()], [hello, "EHLO early\r\n"]);
  t.strictSame([found.session.parkedMs, told(found)], [700, ["served", 0]]);
});

t.test("Session does not wait for longer than it may, however often it has its turn", async (t) => {
  const found = parked();
  for (let turn = 1; turn < 60; turn++) {
    wait(found, 1000);
    t.equal(found.session.phase, "connect");
    refuse(found);
  }
  t.equal(found.session.phase, "parked");
  found.pass(1000);
  t.match(found.client.take(), /^421 upstream-unavailable/);
  t.match(found.session, { outcome: "failed", detail: "parked for too long", parkedMs: 60_000 });
  t.strictSame(told(found), ["timeout", 0]);
});

t.test("Session waits no more when its client has ended, before or meanwhile", async (t) => {
  const found = parked();
  found.client.hangUp();
  t.strictSame([found.client.closed, found.records.length, told(found)], [true, 1, ["gone", 0]]);
  const broken = parked();
  broken.client.owner.onError(broken.client, "ECONNRESET");
  t.strictSame([broken.client.closed, broken.records.length, told(broken)], [true, 1, ["gone", 0]]);
  const early = coming(parkingPool());
  early.client.hangUp();
  t.equal(early.client.closed, false, "a server may have an answer for it");
  refuse(early);
  t.strictSame([early.client.closed, early.records.length, told(early)], [true, 1, ["gone", 0]]);
  wait(early, 700);
  t.equal(early.upstreams.length, 1);
});

t.test("Session is told so when there is no place to wait, or nobody waits there", async (t) => {
  const pool = parkingPool({ max: 1 });
  pool.queue!.enter();
  const found = coming(pool);
  t.equal(found.upstreams.length, 0, "it does not overtake the one that waits");
  t.match(found.client.take(), /^421 upstream-unavailable/);
  t.match(found.session, { outcome: "failed", detail: "too many clients wait already", parkedMs: null });
  t.strictSame(told(found), ["overflow", 1]);
  for (const off of [{ max: 0 }, { timeoutMs: 0 }]) {
    const none = parked(parkingPool(off));
    t.equal(none.pool.queue, null);
    t.match(none.client.take(), /^421 upstream-unavailable/);
    t.strictSame(none.heard, []);
  }
});

t.test("Session waits for a full server, and has the slot when its turn comes", async (t) => {
  const pool = parkingPool();
  pool.pick(Address.v4(1), null, 1);
  const found = coming(pool);
  t.strictSame([found.session.phase, found.upstreams.length], ["parked", 0]);
  wait(found, 700);
  t.strictSame([found.session.phase, found.upstreams.length], ["parked", 0]);
  pool.leave(pool.servers[0]!);
  wait(found, 20);
  t.strictSame([found.session.phase, found.upstreams.length], ["connect", 1]);
});

t.test(
  "Session comes after those of other threads that wait already, and before its own younger ones",
  async (t) => {
    const pool = parkingPool();
    const ticket = pool.queue!.enter();
    const found = coming(pool);
    t.strictSame([found.session.phase, found.upstreams.length], ["parked", 0]);
    t.ok(ticket !== null);
    const { parking } = found.session.gate;
    const gone: string[] = [];
    const younger = parking.enter(() => gone.push("younger"))!;
    wait(found, 700);
    t.strictSame([found.session.phase, gone], ["connect", []], "there is one slot");
    refuse(found);
    wait(found, 700);
    t.strictSame([found.session.phase, gone], ["connect", []], "it stood where it had stood");
    parking.leave(younger);
    t.equal(pool.queue!.size, 2);
  },
);

/** It takes the connection, and goes before its greeting. */
function drop(found: Scene): void {
  accept(found);
  found.upstreams.at(-1)!.hangUp();
}

/** How long a client pauses when the server that is up has failed with it. */
const pausesMs = [500, 1000, 2000, 4000, 8000, 8000, 8000, 8000, 8000];

t.test(
  "Session pauses for longer each time that a server fails with it that is well otherwise",
  async (t) => {
    const found = coming(parkingPool({}, "proxy-v2"));
    for (const [tried, milliseconds] of pausesMs.entries()) {
      drop(found);
      wait(found, milliseconds - 1);
      t.strictSame([found.session.phase, found.upstreams.length], ["parked", tried + 1]);
      wait(found, 1);
      t.strictSame([found.session.phase, found.upstreams.length], ["connect", tried + 2]);
    }
    t.equal(found.pool.isUp(found.pool.servers[0]!, 1), true);
    accept(found);
    found.upstreams.at(-1)!.hear(hello);
    t.strictSame([found.client.take(), told(found)], [hello, ["served", 0]]);
  },
);

t.test("Session lets others go while it pauses, and stands where it stood behind that", async (t) => {
  const found = coming(parkingPool({}, "proxy-v2"));
  drop(found);
  const { parking } = found.session.gate;
  const gone: string[] = [];
  const younger = parking.enter(() => gone.push("younger"))!;
  wait(found, 20);
  t.strictSame([found.session.phase, gone], ["parked", ["younger"]]);
  parking.line(younger, 0);
  wait(found, 480);
  t.strictSame([found.session.phase, gone], ["connect", ["younger"]]);
  const last = parkingPool({}, "proxy-v2");
  const alone = coming(last);
  drop(alone);
  t.equal(last.queue!.takeTurn(last.queue!.enter()!, 1, 10_000), true, "in other threads, too");
});

t.test("Session is not kept when servers fail with it again and again that are well otherwise", async (t) => {
  const found = coming(parkingPool({}, "proxy-v2"));
  for (const milliseconds of pausesMs) {
    drop(found);
    wait(found, milliseconds);
  }
  drop(found);
  t.equal(found.upstreams.length, 10);
  t.match(found.client.take(), /^421 upstream-unavailable/);
  t.strictSame(told(found), ["gone", 0]);
  const down = coming(parkingPool({}, "proxy-v2"));
  for (let failure = 1; failure <= 5; failure++) {
    drop(down);
    down.pool.failed(down.pool.servers[0]!, 3);
    wait(down, 700);
  }
  t.equal(down.session.phase, "connect", "they are not well");
});

/** A session that waits, and then another configuration, in which the pool has another server; whether it may go on there. */
function reconfigured(isFollowed: boolean): { found: Scene; next: Pool } {
  const { options } = parkingPool();
  const memory = Pool.allocate(options, 1);
  const found = parked(new Pool(options, memory, 0));
  const other = { ...options, servers: [serverAt("192.0.2.2", 2)] };
  const next = new Pool(other, Pool.extend(options, memory, other, 1), 0);
  const { gate } = found.session;
  gate.parking.serve(next);
  if (isFollowed) gate.successor = { ...gate, pool: next };
  return { found, next };
}

t.test(
  "Session goes on with what is in force when its turn comes, not with what was when it came",
  async (t) => {
    const { found, next } = reconfigured(true);
    wait(found, 700);
    t.strictSame([found.session.phase, found.session.server], ["connect", "192.0.2.2:2"]);
    accept(found);
    found.upstreams.at(-1)!.hear(hello);
    t.strictSame([next.sessionsOn(next.servers[0]!), found.pool.sessionsOn(found.pool.servers[0]!)], [1, 0]);
    t.strictSame(told(found), ["served", 0]);
    found.client.owner.onError(found.client, "ECONNRESET");
    t.equal(next.sessionsOn(next.servers[0]!), 0);
  },
);

t.test("Session holds nobody up when it cannot go on with what is in force", async (t) => {
  const { found } = reconfigured(false);
  wait(found, 20);
  t.strictSame([found.session.phase, found.session.server], ["connect", "192.0.2.1:1"]);
  refuse(found);
  const gone: string[] = [];
  found.session.gate.parking.enter(() => gone.push("younger"));
  wait(found, 480);
  t.strictSame([found.session.phase, gone], ["parked", ["younger"]]);
  wait(found, 20);
  t.equal(found.session.phase, "connect");
});

t.test("Session waits on while the gateway drains, and is served in it, or told at its end", async (t) => {
  const found = parked();
  found.sessions.drainAll();
  wait(found, 700);
  accept(found);
  found.upstreams[1]!.hear(hello);
  t.equal(found.client.take(), hello);
  t.strictSame(told(found), ["served", 0]);
  for (const turns of [0, 1]) {
    const late = coming(parkingPool());
    late.sessions.drainAll();
    refuse(late);
    for (let turn = 0; turn < turns; turn++) wait(late, 700);
    t.equal(late.session.phase, turns === 0 ? "parked" : "connect");
    late.sessions.cutAll();
    t.match(late.client.take(), /^421 upstream-unavailable/);
    t.strictSame(told(late), ["gone", 0]);
    t.match(late.session, { outcome: "failed", detail: "draining" });
    late.pass(2000);
    t.equal(late.records.length, 1, "it has no longer to read that than at other cuts");
  }
});

t.test("Session waits no more when its client is banned meanwhile", async (t) => {
  let isBanned = false;
  const bans = { areMissingFor: () => false, judge: () => (isBanned ? aBan : null) };
  const found = parked(parkingPool(), bans);
  isBanned = true;
  found.sessions.recheckAll(bans);
  t.match(found.client.take(), /^421 banned/);
  t.strictSame(told(found), ["gone", 0]);
});

t.test("Session waits no more when its client says so much that its end would not be heard", async (t) => {
  const found = parked();
  found.client.hear("x".repeat(16 * 1024 - 1));
  t.equal(found.session.phase, "parked");
  found.client.hear("x");
  t.match(found.client.take(), /^421 upstream-unavailable/);
  t.match(found.session, { outcome: "failed", detail: "said too much to be parked" });
  t.strictSame(told(found), ["gone", 0]);
  const early = coming(parkingPool());
  early.client.hear("x".repeat(16 * 1024));
  t.strictSame(
    [early.session.phase, early.client.take()],
    ["connect", ""],
    "a server may have an answer for it",
  );
  refuse(early);
  t.match(early.client.take(), /^421 upstream-unavailable/);
  t.strictSame(told(early), ["gone", 0]);
});

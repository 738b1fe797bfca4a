/** A session's way from server to server: what is tried next, what a client hears of it, and slots that are given back. */
import fc from "fast-check";
import t from "tap";
import { Address } from "../../src/address.ts";
import { bytesOf } from "../../src/lines.ts";
import type { HealthOptions, Identity } from "../../src/pools/options.ts";
import { greetingOf } from "../../src/smtp/greeting.ts";
import { defaultHealth, serverAt } from "../config/fixtures.ts";
import { poolOf, refusal, type Scene, scene } from "./fakes.ts";

const hello = "220 hi\r\n";
const busy = "421 busy\r\n";

/** As many servers with a slot each; none of them has answered yet. */
function among(count: number, identity: Identity = "none", health: Partial<HealthOptions> = {}): Scene {
  const servers = Array.from({ length: count }, (_, index) => ({
    ...serverAt("192.0.2.1", index + 1),
    maxConnections: 1,
  }));
  const introduce = () => ({ feed: (reply: Uint8Array) => ({ kind: "unwilling" as const, reply }) });
  return scene(
    {},
    "off",
    {},
    {
      pool: poolOf({ servers, identity, health: { ...defaultHealth, ...health } }),
      connects: false,
      dialogue: { greeting: greetingOf, introduce },
    },
  );
}

function sessions({ pool }: Scene): number[] {
  return pool.servers.map((server) => pool.sessionsOn(server));
}

/** The server that is tried now takes the connection. */
function accept({ upstreams }: Scene): void {
  const last = upstreams.at(-1)!;
  last.owner.onConnect(last);
}

type Failure = (found: Scene) => void;

const failures: Readonly<Record<string, Failure>> = {
  refuses: ({ upstreams }) => upstreams.at(-1)!.owner.onError(upstreams.at(-1)!, "ECONNREFUSED"),
  "does not answer": (found) => found.pass(1000),
  "goes before its greeting": (found) => {
    accept(found);
    found.upstreams.at(-1)!.hangUp();
  },
  "resets before its greeting": (found) => {
    accept(found);
    found.upstreams.at(-1)!.owner.onError(found.upstreams.at(-1)!, "ECONNRESET");
  },
  "does not greet": (found) => {
    accept(found);
    found.pass(1000);
  },
  "refuses in its greeting": (found) => {
    accept(found);
    found.upstreams.at(-1)!.hear(busy);
  },
};

for (const [name, fail] of Object.entries(failures)) {
  t.test(`Search goes on to the next server when one ${name}, and loses nothing`, async (t) => {
    const found = among(2);
    const { client, upstreams, watch, session, pool } = found;
    const seen: string[] = [];
    watch.onServer = (text) => void seen.push(text);
    client.hear("EHLO early\r\n");
    t.strictSame(sessions(found), [1, 0]);
    fail(found);
    t.strictSame(sessions(found), [0, 1]);
    t.strictSame([upstreams.length, upstreams[0]!.closed, upstreams[0]!.take()], [2, true, ""]);
    t.equal(pool.isUp(pool.servers[0]!, 3), false);
    t.equal(client.take(), "", "the client has not heard of it");
    accept(found);
    upstreams[1]!.hear(hello);
    t.strictSame([seen, client.take(), upstreams[1]!.take()], [[hello], hello, "EHLO early\r\n"]);
    t.match(session, { server: "192.0.2.1:2" });
    session.stop();
    t.strictSame(sessions(found), [0, 0]);
  });
}

t.test("Search does not take a server from all clients that fails for one it was told of", async (t) => {
  for (const [name, fail] of Object.entries(failures)) {
    const isToo = name === "refuses" || name === "does not answer";
    for (const identity of ["proxy-v2", "xclient"] as const) {
      const found = among(2, identity);
      const [first] = found.pool.servers;
      fail(found);
      t.equal(found.pool.isUp(first!, 3), !isToo, `${name}, ${identity}: before it could be told`);
      t.equal(found.upstreams.length, 2, "the next is tried in either case");
      found.pool.failedWith(first!, Address.v4(1), 3);
      t.equal(found.pool.isUp(first!, 3), false, `${name}, ${identity}: another client`);
    }
  }
});

t.test(
  "Search takes a server's refusal for the client's affair where it says so, or checks find it well",
  async (t) => {
    for (const identity of ["none", "proxy-v2"] as const) {
      for (const [reply, last, intervalMs, isUp] of [
        ["554 5.7.1 blocked\r\n", null, 10_000, true],
        ["554 5.7.1 blocked\r\n", false, 10_000, true],
        ["554 5.7.1 blocked\r\n", null, 0, true],
        ["421 4.7.0 too many\r\n", true, 10_000, true],
        ["421 4.7.0 too many\r\n", false, 10_000, false],
        ["421 4.7.0 too many\r\n", null, 10_000, false],
        // Checked once, and by nobody since a reload.
        ["421 4.7.0 too many\r\n", true, 0, false],
      ] as const) {
        const found = among(2, identity, { intervalMs });
        const { pool, upstreams } = found;
        const [first] = pool.servers;
        if (last !== null) pool.found(first!, last);
        if (identity === "proxy-v2") pool.failedWith(first!, Address.v4(1), 1);
        accept(found);
        upstreams[0]!.hear(reply);
        t.equal(
          pool.isUp(first!, 3),
          isUp,
          `${reply.slice(0, 3)} to ${identity}, last check ${last}, ${intervalMs}`,
        );
        t.equal(upstreams.length, 2, "the next is tried in any case");
      }
    }
  },
);

t.test("Search gives each server its own deadlines", async (t) => {
  const found = among(3);
  found.pass(900);
  accept(found);
  found.pass(900);
  t.equal(found.upstreams.length, 1);
  found.pass(100);
  t.equal(found.upstreams.length, 2);
  found.pass(900);
  t.equal(found.upstreams.length, 2);
  found.pass(100);
  t.equal(found.upstreams.length, 3);
  found.pass(1000);
  t.match(found.client.take(), /^421 upstream-timeout/);
});

t.test("Search leaves the last server's refusal to the client, and no other's", async (t) => {
  const found = among(2);
  failures["refuses in its greeting"]!(found);
  accept(found);
  found.upstreams[1]!.hear("450 me too\r\n");
  t.equal(found.client.take(), "450 me too\r\n");
  found.upstreams[1]!.hear("221 bye\r\n");
  t.equal(found.client.take(), "221 bye\r\n", "and whatever it says behind it");
  t.equal(found.pool.isUp(found.pool.servers[1]!, 3), false, "it is down all the same");
});

t.test("Search says that servers are full when the others have failed, and connects to none", async (t) => {
  const found = among(2);
  found.pool.pick(found.session.client!.address, new Set([found.pool.servers[0]!]), 1);
  t.strictSame(sessions(found), [1, 1]);
  failures.refuses!(found);
  t.equal(found.upstreams.length, 1);
  t.match(found.session, {
    outcome: "failed",
    reason: "upstream-unavailable",
    detail: "all servers are full",
  });
  t.match(found.client.take(), /^421 upstream-unavailable/);
  t.strictSame(sessions(found), [0, 1]);
});

t.test("Search gives the slot back as soon as the server has ended, or is severed", async (t) => {
  const ended = among(1);
  accept(ended);
  ended.upstream.hear(hello);
  ended.upstream.hangUp();
  t.strictSame([sessions(ended), ended.client.closed], [[0], false]);
  ended.client.hangUp();
  t.strictSame([sessions(ended), ended.client.closed], [[0], true]);
  const severed = among(1);
  accept(severed);
  severed.upstream.hear(hello);
  severed.watch.stage = "severed";
  severed.watch.conclusion = refusal("550 no\r\n");
  severed.client.hear("bare\n");
  t.strictSame([sessions(severed), severed.upstream.closed, severed.client.closed], [[0], true, false]);
  severed.session.stop();
  t.strictSame(sessions(severed), [0]);
});

/** What may happen at any time; to whom it makes no sense any more, it does nothing. */
const events: readonly Failure[] = [
  ...Object.values(failures),
  accept,
  ({ upstreams }) => upstreams.at(-1)!.hear(hello),
  ({ upstreams }) => upstreams[0]!.hear(busy),
  ({ client }) => client.hear("NOOP\r\n"),
  ({ client }) => client.hangUp(),
  ({ client }) => client.owner.onError(client, "ECONNRESET"),
  ({ session }) => session.cut(),
  ({ session }) => session.refuse("banned"),
  ({ session }) => session.broken(bytesOf("421 gone\r\n")),
];

t.test("Search holds a slot for each connection that is open, and none after the end", async () => {
  const event = fc.nat(events.length - 1);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3 }), fc.array(event, { maxLength: 12 }), (count, list) => {
      const found = among(count);
      for (const each of list) {
        if (found.records.length === 0) events[each]!(found);
        const open = found.upstreams.filter(({ closed, hasEnded }) => !closed && !hasEnded).length;
        const held = sessions(found).reduce((sum, one) => sum + one, 0);
        if (held !== open || open > 1) return false;
      }
      found.session.stop();
      return sessions(found).every((one) => one === 0);
    }),
    { numRuns: 500 },
  );
});

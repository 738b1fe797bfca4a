/** A banned client: what it gets when it comes, and what becomes of it where it is there already. */
import t from "tap";
import { Address } from "../../src/address.ts";
import type { Bans } from "../../src/proxy/gate.ts";
import type { ListenerOptions } from "../../src/proxy/options.ts";
import type { Ban } from "../../src/record.ts";
import { aBan } from "../observe/fixtures.ts";
import { type Scene, scene } from "./fakes.ts";

/** Who is banned is in the test's hands. */
class FakeBans implements Bans {
  areMissing = false;
  ban: Ban | null;
  constructor(ban: Ban | null) {
    this.ban = ban;
  }
  areMissingFor(): boolean {
    return this.areMissing;
  }
  judge(client: Address): Ban | null {
    return client.equals(Address.parse("203.0.113.7")!) ? this.ban : null;
  }
}

/** A session whose client comes while it is banned. */
function turnedAway(
  action: ListenerOptions["ban"]["action"],
  ban: Ban = aBan,
  room: { readonly places?: number; readonly tarpits?: number } = {},
): Scene {
  return scene({}, "off", { ban: { action, text: null } }, { bans: new FakeBans(ban), ...room });
}

/** A session in flow, whose client is banned later. */
function inFlow(options: Partial<ListenerOptions> = {}): Scene & { readonly bans: FakeBans } {
  const bans = new FakeBans(null);
  const found = scene({}, "off", options, { bans });
  found.upstream.hear("220 hi\r\n");
  found.client.take();
  return Object.assign(found, { bans });
}

t.test("Session refuses a banned client, before it is counted anywhere", async (t) => {
  const { client, upstream, table, records, pass } = turnedAway("reply");
  t.equal(client.take(), "421 banned\r\n");
  t.equal(upstream.owner.constructor.name, "Object", "no server is looked for");
  t.equal([...table.entries()].length, 0);
  client.hangUp();
  pass(0);
  t.match(records, [{ outcome: "refused", reason: "banned", ban: { id: 7 }, smtp: null }]);
  t.equal(records.length, 1);
});

t.test("Session drops a banned client without a word", async (t) => {
  const { client, records } = turnedAway("drop");
  t.same([client.take(), client.closed], ["", true]);
  t.match(records, [{ outcome: "refused", reason: "banned", bytesOut: 0 }]);
});

t.test("Session lets nobody in while there is no list and one is needed", async (t) => {
  const bans = Object.assign(new FakeBans(null), { areMissing: true });
  const { client, records } = scene({}, "off", {}, { bans });
  t.equal(client.take(), "421 ban-list-missing\r\n");
  client.hangUp();
  t.match(records, [{ outcome: "refused", reason: "ban-list-missing", ban: null }]);
});

for (const [how, action, ban] of [
  ["by its listener", "tarpit", aBan],
  ["by its decision", "drop", { ...aBan, tarpits: true }],
] as const) {
  t.test(`Session keeps a banned client waiting for its refusal, ${how}`, async (t) => {
    const { client, sessions, records, pass } = turnedAway(action, ban);
    t.equal(sessions.tarpits, 1);
    client.hear("EHLO there\r\n");
    pass(59_999);
    t.same([client.take(), client.closed, records.length], ["", false, 0]);
    pass(1);
    t.equal(client.take(), "421 banned\r\n");
    t.equal(sessions.tarpits, 0);
    client.hangUp();
    t.match(records, [{ reason: "banned", bytesIn: 12 }]);
  });
}

t.test("Session gives a place in the tarpit back when its client goes, or will not be quiet", async (t) => {
  for (const end of [
    ({ client }: Scene) => client.hangUp(),
    ({ client }: Scene) => client.owner.onError(client, "ECONNRESET"),
    ({ client }: Scene) => client.hear("x".repeat(16 * 1024 + 1)),
  ]) {
    const found = turnedAway("tarpit");
    end(found);
    t.same([found.sessions.tarpits, found.client.closed, found.client.take()], [0, true, ""]);
    t.match(found.records, [{ outcome: "refused", reason: "banned" }]);
  }
});

t.test("Session refuses at once when the tarpit is full", async (t) => {
  const { client, sessions } = turnedAway("tarpit", aBan, { tarpits: 100 });
  t.same([client.take(), sessions.tarpits], ["421 banned\r\n", 100]);
});

t.test("Session leaves nine places in ten to those who are not banned", async (t) => {
  for (const [places, tarpits, isKept] of [
    [60, 5, true],
    [60, 6, false],
    [9, 0, false],
  ] as const) {
    const { client } = turnedAway("tarpit", aBan, { places, tarpits });
    t.equal(client.take(), isKept ? "" : "421 banned\r\n", `${tarpits} of ${places}`);
  }
});

t.test("Session asks who is banned now, not who was when it began", async (t) => {
  const { upstream, sessions, bans } = inFlow();
  bans.ban = aBan;
  sessions.recheckAll(new FakeBans(null));
  t.equal(upstream.closed, false);
  bans.ban = null;
  sessions.recheckAll(new FakeBans(aBan));
  t.equal(upstream.closed, true);
});

t.test("Session ends between commands when its client becomes banned", async (t) => {
  const { client, upstream, watch, sessions, bans, records, pass } = inFlow();
  watch.farewell = "421 later\r\n";
  sessions.recheckAll(bans);
  t.equal(upstream.closed, false);
  bans.ban = aBan;
  sessions.recheckAll(bans);
  t.same([client.take(), upstream.closed], ["421 later\r\n", true]);
  client.hangUp();
  pass(0);
  t.match(records, [{ outcome: "refused", reason: "banned", ban: { id: 7 } }]);
});

t.test("Session closes where there are no words for a client that becomes banned", async (t) => {
  const { client, upstream, sessions, bans, records } = inFlow();
  bans.ban = aBan;
  sessions.recheckAll(bans);
  t.same([client.take(), client.ended, upstream.closed], ["", true, true]);
  client.hangUp();
  t.match(records, [{ outcome: "refused", reason: "banned" }]);
});

t.test("Session refuses a client that becomes banned before it is greeted", async (t) => {
  const bans = new FakeBans(null);
  const { client, upstream, sessions, records } = scene({}, "off", {}, { bans });
  bans.ban = aBan;
  sessions.recheckAll(bans);
  t.same([client.take(), upstream.closed], ["421 banned\r\n", true]);
  client.hangUp();
  t.match(records, [{ outcome: "refused", reason: "banned" }]);
});

t.test(
  "Session waits for what becomes of a message, and hears nothing else of a banned client",
  async (t) => {
    const { client, upstream, watch, sessions, bans, records, pass } = inFlow({ idleTimeoutMs: 5000 });
    watch.farewell = "421 later\r\n";
    watch.isCommitted = true;
    bans.ban = aBan;
    sessions.recheckAll(bans);
    t.same([client.take(), client.reading, upstream.closed], ["", false, false]);
    pass(250);
    t.same([client.reading, upstream.closed], [false, false]);
    watch.isCommitted = false;
    upstream.hear("250 queued\r\n");
    pass(250);
    t.same([client.take(), upstream.closed], ["250 queued\r\n421 later\r\n", true]);
    client.hangUp();
    t.match(records, [{ outcome: "refused", reason: "banned" }]);
  },
);

t.test("Session waits no longer than its idle time for what becomes of a message", async (t) => {
  const { client, upstream, watch, sessions, bans, pass } = inFlow({ idleTimeoutMs: 5000 });
  watch.farewell = "421 later\r\n";
  watch.isCommitted = true;
  bans.ban = aBan;
  sessions.recheckAll(bans);
  for (let ms = 0; ms < 4750; ms += 250) pass(250);
  t.equal(upstream.closed, false);
  pass(250);
  t.same([client.take(), upstream.closed], ["421 later\r\n", true]);
});

t.test("Session goes on when its client is unbanned while it waits", async (t) => {
  const { client, upstream, watch, sessions, bans, records, pass } = inFlow({ idleTimeoutMs: 5000 });
  watch.isCommitted = true;
  bans.ban = aBan;
  sessions.recheckAll(bans);
  bans.ban = null;
  t.equal(client.reading, false);
  pass(250);
  pass(250);
  t.same([client.reading, upstream.closed], [true, false]);
  client.hear("QUIT\r\n");
  t.equal(upstream.take(), "QUIT\r\n");
  watch.isCommitted = false;
  upstream.hear("250 queued\r\n");
  pass(250);
  t.same([client.take(), upstream.closed], ["250 queued\r\n", false]);
  t.same(records, []);
});

t.test("Session is not ended by a decision that only keeps clients waiting", async (t) => {
  const { upstream, sessions, bans } = inFlow();
  bans.ban = { ...aBan, tarpits: true };
  sessions.recheckAll(bans);
  t.equal(upstream.closed, false);
});

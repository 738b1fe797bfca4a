/** Who is banned, as a data thread asks: without a list, with one, with the next one, and with networks that are spared. */
import t from "tap";
import { Address, Network, Networks } from "../../src/address.ts";
import { BanList } from "../../src/crowdsec/banlist.ts";
import { ThreadBans } from "../../src/crowdsec/bans.ts";
import { Shelf } from "../../src/crowdsec/shelf.ts";
import type { Bans } from "../../src/proxy/gate.ts";
import { applied } from "./model.ts";

const NOW = 1000;
const client = Address.v4(0xcb007107);
const neighbour = Address.v4(0xcb007108);

const list = applied(BanList.EMPTY, {
  added: [
    {
      id: 7,
      scope: "ip",
      network: new Network(client, 32),
      type: "ban",
      origin: "cscli",
      scenario: "by hand",
      tarpits: false,
      endsSeconds: 1060,
    },
  ],
});

const open = { onFailure: "open", closeSessions: true } as const;
const closed = { onFailure: "closed", closeSessions: true } as const;

function bansOf(options: { onFailure: "open" | "closed"; closeSessions: boolean }, spared: string[] = []) {
  const memory = Shelf.allocate();
  const bans: Bans & ThreadBans = new ThreadBans(options, new Shelf(memory), new Networks(spared));
  return { bans, shelf: new Shelf(memory) };
}

t.test("ThreadBans.judge finds the decision when a list has one for the client", async (t) => {
  const { bans, shelf } = bansOf(open);
  t.equal(bans.judge(client, NOW), null, "there is no list yet");
  shelf.publish(list);
  t.match(bans.judge(client, NOW), { id: 7, origin: "cscli", remainingSeconds: 60 });
  t.equal(bans.judge(client, 1060), null, "it has ended");
  t.equal(bans.judge(neighbour, NOW), null);
  shelf.publish(BanList.EMPTY);
  t.equal(bans.judge(client, NOW), null, "the next list has none");
});

t.test("ThreadBans.judge finds none when the client is in a network that is spared", async (t) => {
  const { bans, shelf } = bansOf(open, ["203.0.113.0/28"]);
  shelf.publish(list);
  t.equal(bans.judge(client, NOW), null);
});

t.test(
  "ThreadBans.areMissingFor those who are not spared, when nobody is let in without a list",
  async (t) => {
    const { bans, shelf } = bansOf(closed, ["203.0.113.8"]);
    t.ok(bans.areMissingFor(client));
    t.notOk(bans.areMissingFor(neighbour));
    shelf.publish(BanList.EMPTY);
    t.notOk(bans.areMissingFor(client), "an empty list is one");
    t.notOk(bansOf(open).bans.areMissingFor(client));
  },
);

t.test("ThreadBans.concernSessions is true once for each list, where open sessions are to end", async (t) => {
  for (const closeSessions of [true, false]) {
    const { bans, shelf } = bansOf({ onFailure: "open", closeSessions });
    t.equal(bans.concernSessions(), false);
    shelf.publish(list);
    shelf.publish(list);
    t.equal(bans.concernSessions(), closeSessions);
    t.equal(bans.concernSessions(), false);
  }
});

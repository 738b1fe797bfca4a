/** Who is banned, as a data thread asks: without a list, with one, with the next one, and with networks that are spared. */
import t from "tap";
import { Address, Network, Networks } from "../../src/address.ts";
import { BanList } from "../../src/crowdsec/banlist.ts";
import { ThreadBans } from "../../src/crowdsec/bans.ts";
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

t.test("ThreadBans.judge finds the decision when a list has one for the client", async (t) => {
  const bans: Bans & ThreadBans = new ThreadBans({ spared: new Networks([]), isClosedWithoutList: false });
  t.equal(bans.judge(client, NOW), null, "there is no list yet");
  bans.replace(list.memory);
  t.match(bans.judge(client, NOW), { id: 7, origin: "cscli", remainingSeconds: 60 });
  t.equal(bans.judge(client, 1060), null, "it has ended");
  t.equal(bans.judge(neighbour, NOW), null);
  bans.replace(BanList.EMPTY.memory);
  t.equal(bans.judge(client, NOW), null, "the next list has none");
});

t.test("ThreadBans.judge finds none when the client is in a network that is spared", async (t) => {
  const bans = new ThreadBans({ spared: new Networks(["203.0.113.0/28"]), isClosedWithoutList: true });
  bans.replace(list.memory);
  t.equal(bans.judge(client, NOW), null);
});

t.test("ThreadBans.areMissing is true when nobody is let in without a list and there was none", async (t) => {
  const closed = new ThreadBans({ spared: new Networks([]), isClosedWithoutList: true });
  t.ok(closed.areMissing);
  closed.replace(BanList.EMPTY.memory);
  t.notOk(closed.areMissing, "an empty list is one");
  t.notOk(new ThreadBans({ spared: new Networks([]), isClosedWithoutList: false }).areMissing);
});

/** The list on its shelf: what readers see, and how a list goes on after its thread, or its process, has died. */
import t from "tap";
import { Address, Network } from "../../src/address.ts";
import { BanList } from "../../src/crowdsec/banlist.ts";
import type { Decision } from "../../src/crowdsec/decision.ts";
import { LiveList } from "../../src/crowdsec/live.ts";
import { Shelf } from "../../src/crowdsec/shelf.ts";

const clock = { seconds: () => 1000, milliseconds: () => 1_000_000 };

function decision(text: string, own: Partial<Decision> = {}): Decision {
  const terms = { scope: "ip", type: "ban", origin: "cscli", scenario: "by hand", tarpits: false } as const;
  return { id: 1, network: Network.parse(text)!, endsSeconds: 1060, ...terms, ...own };
}

function make(memory = Shelf.allocate()) {
  return {
    memory,
    reader: new Shelf(memory),
    live: new LiveList({ shelf: new Shelf(memory), clock, byId: false }),
  };
}

function add(live: LiveList, ...decisions: Decision[]): boolean {
  const changes = live.changes(false);
  for (const one of decisions) changes.add(one);
  return live.apply(changes);
}

const banOf = (shelf: Shelf, text: string) =>
  shelf.read((list) => {
    const entry = list.find(Address.parse(text)!, 1000);
    return entry < 0 ? null : list.ban(entry, 1000);
  });

t.test("LiveList puts each list on the shelf", async (t) => {
  const { reader, live } = make();
  t.same([live.isReceived, live.size], [false, 0]);
  t.ok(live.apply(live.changes(true)));
  t.same([live.isReceived, reader.version], [true, 1], "a full answer makes a list though it is empty");
  add(live, decision("203.0.113.7"), decision("2001:db8::/32", { id: 2, scope: "range" }));
  t.same([live.size, reader.version], [2, 2]);
  t.match(banOf(reader, "2001:db8::7"), { id: 2, remainingSeconds: 60 });
  const changes = live.changes(false);
  changes.remove(decision("203.0.113.7"));
  live.apply(changes);
  t.same([reader.version, banOf(reader, "203.0.113.7")], [3, null]);
});

t.test("Shelf.read gives the newest list each time, from whichever of its places", async (t) => {
  const { reader, live } = make();
  for (let round = 1; round <= 5; round++) {
    add(live, decision(`203.0.113.${round}`, { id: round }));
    t.equal(reader.version, round);
    t.equal(
      reader.read((list) => list.size),
      round,
    );
    t.match(banOf(reader, `203.0.113.${round}`), { id: round });
  }
});

t.test("Shelf.read reads again when a list was published meanwhile", async (t) => {
  const { reader, live } = make();
  add(live, decision("203.0.113.1"));
  const sizes: number[] = [];
  reader.read((list) => {
    sizes.push(list.size);
    if (sizes.length === 1) add(live, decision("203.0.113.2"));
  });
  t.same(sizes, [1, 2]);
});

t.test(
  "Shelf.read reads again when what it read makes no sense, but not when that is the list's fault",
  async (t) => {
    const { reader, live } = make();
    add(live, decision("203.0.113.1"));
    let calls = 0;
    const size = reader.read((list) => {
      calls++;
      if (calls > 1) return list.size;
      add(live, decision("203.0.113.2"));
      throw new RangeError("half a list");
    });
    t.same([calls, size], [2, 2]);
    t.throws(() =>
      reader.read(() => {
        throw new RangeError("the list's own");
      }),
    );
  },
);

t.test(
  "LiveList goes on with the list and the origins' numbers that a thread before it has left",
  async (t) => {
    const { memory, live } = make();
    add(live, decision("203.0.113.1", { origin: "CAPI" }), decision("203.0.113.2", { id: 2 }));
    const { live: next, reader } = make(memory);
    t.equal(next.isReceived, true);
    add(next, decision("203.0.113.3", { id: 3, origin: "lists:tor" }));
    t.same(next.list.origins, ["other", "CAPI", "cscli", "lists:tor"]);
    t.match(banOf(reader, "203.0.113.1"), { id: 1, origin: "CAPI", originIndex: 1 });
    t.equal(next.size, 3);
  },
);

t.test("LiveList.restore takes another process's list over, with its times moved", async (t) => {
  const { live: old } = make();
  add(
    old,
    decision("203.0.113.1", { endsSeconds: 1010 }),
    decision("203.0.113.2", { id: 2, endsSeconds: 1001 }),
  );
  const { live, reader } = make();
  live.restore(new BanList(old.list.bytes.slice().buffer), -5);
  t.match(banOf(reader, "203.0.113.1"), { remainingSeconds: 5 });
  t.equal(banOf(reader, "203.0.113.2"), null, "it has ended meanwhile");
});

t.test("LiveList.restore takes no list of which nothing holds any more", async (t) => {
  const { live: old } = make();
  add(old, decision("203.0.113.1"));
  const { live } = make();
  live.restore(new BanList(old.list.bytes.slice().buffer), -60);
  t.equal(live.isReceived, false);
});

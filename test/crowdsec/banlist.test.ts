/** The ban list by example: what nests, what weighs more, what comes and goes, and what a list's memory is. */
import t from "tap";
import { Address, Network } from "../../src/address.ts";
import { BanList, DECISIONS_MAX } from "../../src/crowdsec/banlist.ts";
import { Changes } from "../../src/crowdsec/changes.ts";
import type { Decision } from "../../src/crowdsec/decision.ts";
import { merge } from "../../src/crowdsec/merge.ts";
import { Names, SCENARIOS_MAX, TYPES_MAX } from "../../src/crowdsec/names.ts";
import { ORIGINS_MAX } from "../../src/record.ts";
import { applied } from "./model.ts";

const NOW = 1000;

t.test("BanList.find finds the narrowest network when several contain the address", async (t) => {
  const list = listOf({ 1: "203.0.113.0/24", 2: "203.0.113.7", 3: "203.0.0.0/16", 4: "203.0.113.128/25" });
  t.equal(idFor(list, "203.0.113.7"), 2);
  t.equal(idFor(list, "::ffff:203.0.113.7"), 2);
  t.equal(idFor(list, "203.0.113.8"), 1);
  t.equal(idFor(list, "203.0.113.255"), 4);
  t.equal(idFor(list, "203.0.114.0"), 3);
  t.equal(idFor(list, "203.1.0.0"), null);
  t.equal(idFor(list, "202.255.255.255"), null);
});

t.test("BanList.find keeps to the family when a network is all of one", async (t) => {
  const list4 = listOf({ 1: "0.0.0.0/0" });
  for (const text of ["0.0.0.0", "203.0.113.7", "255.255.255.255"]) t.equal(idFor(list4, text), 1, text);
  t.equal(idFor(list4, "2001:db8::1"), null);
  const list6 = listOf({ 1: "::/0" });
  for (const text of ["::", "2001:db8::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]) {
    t.equal(idFor(list6, text), 1, text);
  }
  t.equal(idFor(list6, "203.0.113.7"), null);
  t.equal(idFor(listOf({ 1: "0.0.0.0/0", 2: "::/0" }), "::1"), 2);
});

t.test("BanList.find tells addresses apart when one's text is within the other's", async (t) => {
  const list = listOf({ 1: "1.2.3.4" });
  t.equal(idFor(list, "1.2.3.4"), 1);
  for (const text of ["11.2.3.45", "1.2.3.45", "11.2.3.4", "1.2.3.5"]) t.equal(idFor(list, text), null, text);
});

t.test("BanList.find finds the wider network when the narrower one's decision has ended", async (t) => {
  const list = applied(BanList.EMPTY, {
    added: [
      decision("203.0.113.0/24", { id: 1, endsSeconds: 2000 }),
      decision("203.0.113.7", { id: 2, endsSeconds: 1500 }),
    ],
  });
  t.equal(idFor(list, "203.0.113.7", 1499), 2);
  t.equal(idFor(list, "203.0.113.7", 1500), 1);
  t.equal(idFor(list, "203.0.113.7", 2000), null);
});

t.test("BanList.find comes to an end when its memory is being written to", async (t) => {
  const list = listOf({ 1: "203.0.113.0/24", 2: "203.0.113.7", 3: "203.0.0.0/16", 4: "198.51.100.1" });
  const words = new Uint32Array(list.bytes.buffer, 0, list.bytes.length >>> 2);
  const addresses = ["203.0.113.7", "203.0.113.255", "255.255.255.255"].map((text) => Address.parse(text)!);
  for (const [index, before] of words.entries()) {
    for (const wrong of [0, 1, 2, 3, list.size, 0x7fffffff, 0x80000000, 0xffffffff]) {
      words[index] = wrong;
      for (const address of addresses) {
        list.find(address, NOW);
        list.covering(address, NOW);
      }
    }
    words[index] = before;
  }
  t.equal(idFor(list, "203.0.113.7"), 2);
});

t.test("BanList.find finds a ban when a narrower network is to be held", async (t) => {
  const list = applied(BanList.EMPTY, {
    added: [
      decision("203.0.0.0/16", { id: 1 }),
      decision("203.0.113.0/24", { id: 2, type: "captcha", tarpits: true }),
      decision("203.0.113.7", { id: 3, type: "captcha", tarpits: true }),
      decision("192.0.2.7", { id: 4, type: "captcha", tarpits: true }),
    ],
  });
  t.equal(idFor(list, "203.0.113.7"), 1);
  t.equal(idFor(list, "192.0.2.7"), 4);
});

t.test("BanList.find finds what lasts longest when a network is decided upon several times", async (t) => {
  const network = "203.0.113.7/32";
  for (const ends of [
    [3000, 2000],
    [2000, 3000],
  ] as const) {
    const added = [
      decision(network, { id: 1, scope: "ip", endsSeconds: ends[0] }),
      decision(network, { id: 2, scope: "range", endsSeconds: ends[1] }),
    ];
    t.equal(idFor(applied(BanList.EMPTY, { added }), "203.0.113.7"), ends[0] > ends[1] ? 1 : 2);
  }
});

t.test("BanList.ban tells all of a decision when the id is a large one", async (t) => {
  const raw = { id: 2 ** 40 - 1, origin: "lists:f\u00fcr", scenario: "x/\u{1f4e8}", endsSeconds: 1600 };
  const list = applied(BanList.EMPTY, { added: [decision("2001:db8::7", raw)] });
  const entry = list.find(address("2001:db8::7"), NOW);
  t.strictSame(list.ban(entry, NOW), {
    id: 2 ** 40 - 1,
    origin: "lists:f\u00fcr",
    originIndex: 1,
    scenario: "x/\u{1f4e8}",
    type: "ban",
    tarpits: false,
    remainingSeconds: 600,
  });
});

t.test("merge adds anew when one answer takes back and decides again", async (t) => {
  const first = applied(BanList.EMPTY, { added: [decision("203.0.113.7", { id: 1 })] });
  const again = decision("203.0.113.7", { id: 2, endsSeconds: 1500 });
  const second = applied(first, { removed: [decision("203.0.113.7", { id: 1 })], added: [again] });
  t.equal(idFor(second, "203.0.113.7"), 2);
  t.equal(second.size, 1);
  t.equal(idFor(first, "203.0.113.7"), 1, "the list before is as it was");
});

t.test("merge leaves other keys alone when one is taken back", async (t) => {
  const scopes = ["ip", "range"] as const;
  const kinds = scopes.flatMap((scope) => ["ban", "captcha"].map((type) => ({ scope, type })));
  const added = kinds.map((kind, index) => decision("203.0.113.7", { ...kind, id: index + 1 }));
  const full = applied(BanList.EMPTY, { added });
  t.equal(full.size, 4);
  for (const [index, gone] of added.entries()) {
    const list = applied(full, { removed: [{ ...gone, id: 99 }, gone] });
    const left = Array.from(list.decisions(), ({ id }) => id);
    t.strictSame(
      left.sort(),
      [1, 2, 3, 4].filter((id) => id !== index + 1),
    );
  }
  t.equal(applied(full, { removed: [decision("203.0.113.6"), decision("2001:db8::1")] }).size, 4);
  t.equal(applied(BanList.EMPTY, { removed: added }).size, 0);
});

t.test("merge keeps decisions of one key side by side when they are told apart by id", async (t) => {
  const added = [1, 2, 3].map((id) => decision("203.0.113.7", { id, endsSeconds: 2000 + id }));
  t.equal(applied(BanList.EMPTY, { added }).size, 1);
  const list = applied(BanList.EMPTY, { added }, { byId: true });
  t.equal(list.size, 3);
  t.equal(idFor(list, "203.0.113.7"), 3);
  const fewer = applied(list, { removed: [added[2]!] }, { byId: true });
  t.equal(fewer.size, 2);
  t.equal(idFor(fewer, "203.0.113.7"), 2);
});

t.test("merge refuses the list when there would be too many decisions", async (t) => {
  const terms = { origins: new Names(ORIGINS_MAX), byId: false };
  const changes = new Changes(BanList.EMPTY, terms);
  const one = decision("0.0.0.0");
  const fill = (from: Changes, first: number, count: number) => {
    let taken = 0;
    for (let word = first; word < first + count; word++) {
      if (from.add({ ...one, network: new Network(Address.v4(word), 32) })) taken++;
    }
    return taken;
  };
  t.equal(fill(changes, 0, DECISIONS_MAX + 1), DECISIONS_MAX);
  const full = merge(changes, NOW);
  t.equal(full?.size, DECISIONS_MAX);
  const more = new Changes(full ?? BanList.EMPTY, terms);
  more.add(decision("203.0.113.7"));
  t.equal(merge(more, NOW), null);
  more.remove(decision("0.0.0.0"));
  t.equal(merge(more, NOW)?.size, DECISIONS_MAX);
});

t.test("merge keeps to its names' bounds when LAPI has more of them", async (t) => {
  const added = Array.from({ length: SCENARIOS_MAX + 10 }, (_, id) =>
    decision(Address.v4(id).text, {
      id,
      type: `type-${id}`,
      origin: `origin-${id}`,
      scenario: `scenario-${id}`,
    }),
  );
  const list = applied(BanList.EMPTY, { added: [...added, decision("203.0.113.7", { origin: "late" })] });
  t.equal(list.origins.length, ORIGINS_MAX);
  t.equal(list.types.length, TYPES_MAX);
  t.equal(list.scenarios.length, SCENARIOS_MAX);
  const last = list.ban(list.find(Address.v4(SCENARIOS_MAX + 9), NOW), NOW);
  t.match(last, { type: "other", origin: "other", originIndex: 0, scenario: "other" });
  const late = list.ban(list.find(address("203.0.113.7"), NOW), NOW);
  t.match(late, { type: "ban", origin: "other" }, "a ban stays one");
});

t.test("merge drops the names that nobody uses when the answer is a full one", async (t) => {
  const first = applied(BanList.EMPTY, {
    added: [decision("203.0.113.7", { scenario: "old", type: "captcha" })],
  });
  const added = [decision("203.0.113.8", { scenario: "new" })];
  t.strictSame(applied(first, { added }).scenarios, ["other", "old", "new"]);
  const full = applied(first, { added, isFull: true });
  t.strictSame(full.scenarios, ["other", "new"]);
  t.strictSame(full.types, ["other", "ban"]);
});

t.test("merge keeps a decision's end within the column when it is far away", async (t) => {
  const list = applied(BanList.EMPTY, { added: [decision("203.0.113.7", { endsSeconds: 1e12 })] });
  t.equal(idFor(list, "203.0.113.7", 2 ** 32 - 2), 1);
});

t.test("BanList.isSound is false when the memory is no list of this layout", async (t) => {
  const { bytes } = listOf({ 1: "203.0.113.7", 2: "2001:db8::/32" });
  const copy = (length: number) => {
    const copied = new ArrayBuffer(length);
    new Uint8Array(copied).set(bytes.subarray(0, length));
    return copied;
  };
  t.ok(BanList.isSound(copy(bytes.length)));
  t.ok(BanList.isSound(BanList.EMPTY.bytes.slice().buffer));
  for (const length of [0, 3, 4, 31, 32, bytes.length - 1, bytes.length + 1]) {
    t.notOk(BanList.isSound(copy(length)), `${length} bytes`);
  }
  for (let at = 0; at < 28; at++) {
    const changed = copy(bytes.length);
    new Uint8Array(changed)[at]! ^= 0x81;
    t.notOk(BanList.isSound(changed), `byte ${at}`);
  }
});

t.test("BanList stays within its budget when the list is a large one", async (t) => {
  const bytesFor = (texts: readonly string[]) => listOf(texts).bytes.length;
  const count = 50_000;
  const four = Array.from({ length: count }, (_, index) => Address.v4(index * 80_021).text);
  const six = four.map((_, index) => new Address(0x20010db8 + index, index, 0, 1).text);
  // At 500,000 decisions, of which a fifth are IPv6, that is within 12 MB.
  t.ok(bytesFor(four) < 22 * count);
  t.ok(bytesFor(six) < 34 * count);
});

function decision(text: string, rest: Partial<Decision> = {}): Decision {
  const network = Network.parse(text);
  if (network === null) throw new RangeError(text);
  return {
    id: 1,
    scope: network.isSingle ? "ip" : "range",
    network,
    type: "ban",
    origin: "cscli",
    scenario: "by hand",
    tarpits: false,
    endsSeconds: 4600,
    ...rest,
  };
}

/** Bans, by their ids. */
function listOf(networks: Readonly<Record<number, string>> | readonly string[]): BanList {
  const added = Object.entries(networks).map(([id, text]) => decision(text, { id: Number(id) }));
  return applied(BanList.EMPTY, { added });
}

function address(text: string): Address {
  const address = Address.parse(text);
  if (address === null) throw new RangeError(text);
  return address;
}

function idFor(list: BanList, text: string, nowSeconds = NOW): number | null {
  const entry = list.find(address(text), nowSeconds);
  return entry === -1 ? null : list.ban(entry, nowSeconds).id;
}

/** Any sequence of LAPI's answers, against the model: who is banned, by what, and what the list then holds. */
import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { Address, Network } from "../../src/address.ts";
import { BanList } from "../../src/crowdsec/banlist.ts";
import { Changes } from "../../src/crowdsec/changes.ts";
import type { Decision } from "../../src/crowdsec/decision.ts";
import { merge } from "../../src/crowdsec/merge.ts";
import { Names } from "../../src/crowdsec/names.ts";
import { ORIGINS_MAX } from "../../src/record.ts";
import { applied, Model } from "./model.ts";

/** Few bits differ, and at both ends of words, so that networks nest, meet and coincide. */
const word = fc.constantFrom(0, 1, 2, 3, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff);
const network4 = fc
  .tuple(word, fc.constantFrom(0, 1, 2, 16, 30, 31, 32))
  .map(([word, length]) => new Network(Address.v4(word), length));
const network6 = fc
  .tuple(
    fc.array(word, { minLength: 4, maxLength: 4 }),
    fc.constantFrom(0, 1, 31, 32, 33, 64, 96, 126, 127, 128),
  )
  .map(([[a, b, c, d], length]) => new Network(new Address(a!, b!, c!, d!), length))
  .filter(({ address }) => address.family === 6);

const START = 1000;

const decision: fc.Arbitrary<Decision> = fc
  .record({
    network: fc.oneof(network4, network6),
    id: fc.oneof(fc.nat(3), fc.constantFrom(2 ** 32, 2 ** 40 - 1)),
    scope: fc.constantFrom("ip" as const, "range" as const),
    type: fc.constantFrom("ban", "captcha", "throttle"),
    tarpits: fc.boolean(),
    origin: fc.constantFrom("CAPI", "cscli", "lists:tor"),
    scenario: fc.constantFrom("a/b", "", "\u00e4\u{1f4e8}"),
    endsSeconds: fc.integer({ min: START - 2, max: START + 20 }),
  })
  // An address's decision is on that address alone, and a ban is a ban.
  .map((raw) => ({
    ...raw,
    scope: raw.network.isSingle ? raw.scope : "range",
    tarpits: raw.type !== "ban" && raw.tarpits,
  }));

/** Each answer comes some seconds after the one before. */
const answers = fc.array(
  fc.record({
    isFull: fc.boolean(),
    removed: fc.array(decision, { maxLength: 10 }),
    added: fc.array(decision, { maxLength: 30 }),
    pauseSeconds: fc.nat(5),
  }),
  { minLength: 1, maxLength: 5 },
);

/** Both ends of each network, and what lies just outside. */
function boundaries(decisions: readonly Decision[]): Address[] {
  const found = new Map<string, Address>();
  for (const { network } of decisions) {
    const { family } = network.address;
    const first = bigOf(network.address);
    const last = first + (1n << BigInt((family === 4 ? 32 : 128) - network.length)) - 1n;
    for (const at of [first - 1n, first, last, last + 1n]) {
      const address = addressOf(at);
      found.set(address.text, address);
    }
  }
  return [...found.values()];
}

function bigOf({ a, b, c, d }: Address): bigint {
  return [a, b, c, d].reduce((sum, word) => (sum << 32n) | BigInt(word), 0n);
}

/** Wraps around at the ends of the address space. */
function addressOf(value: bigint): Address {
  const word = (shift: bigint) => Number((value >> shift) & 0xffffffffn);
  return new Address(word(96n), word(64n), word(32n), word(0n));
}

function told({ network, ...rest }: Decision) {
  return { ...rest, network: `${network.address.text}/${network.length}` };
}

function inOrder(decisions: Iterable<Decision>): string[] {
  return Array.from(decisions, (decision) =>
    JSON.stringify(told(decision), Object.keys(told(decision)).sort()),
  ).sort();
}

function check(list: BanList, model: Model, address: Address, nowSeconds: number): void {
  const covering = list.covering(address, nowSeconds);
  assert.deepEqual(inOrder(covering), inOrder(model.covering(address, nowSeconds)));
  const lengths = covering.map(({ network }) => network.length);
  assert.deepEqual(
    lengths,
    lengths.toSorted((a, b) => b - a),
    "the narrowest comes first",
  );
  const entry = list.find(address, nowSeconds);
  const heaviest = model.heaviest(address, nowSeconds);
  assert.equal(entry === -1, heaviest.length === 0, `${address.text}: entry ${entry}`);
  if (entry === -1) return;
  const { originIndex, ...ban } = list.ban(entry, nowSeconds);
  assert.equal(list.origins[originIndex], ban.origin);
  const candidates = heaviest.map(({ id, origin, scenario, type, tarpits, endsSeconds }) =>
    JSON.stringify({ id, origin, scenario, type, tarpits, remainingSeconds: endsSeconds - nowSeconds }),
  );
  assert(
    candidates.includes(JSON.stringify(ban)),
    `${address.text}: ${JSON.stringify(ban)} of ${candidates}`,
  );
}

for (const byId of [false, true]) {
  t.test(
    `BanList tells what the model tells when answers are any, ${byId ? "by id" : "by key"}`,
    async () => {
      fc.assert(
        fc.property(answers, (answers) => {
          const origins = new Names(ORIGINS_MAX);
          const model = new Model(byId);
          let list = BanList.EMPTY;
          let nowSeconds = START;
          for (const answer of answers) {
            nowSeconds += answer.pauseSeconds;
            model.apply(answer, nowSeconds);
            list = applied(list, answer, { nowSeconds, byId, origins });
            assert.equal(list.size, model.decisions.length);
            assert.deepEqual(inOrder(list.decisions()), inOrder(model.decisions));
            // What is known of a list stands in its memory alone.
            const seen = new BanList(list.bytes.slice().buffer);
            for (const address of boundaries([...answer.added, ...answer.removed])) {
              for (const later of [0, 1, 7]) check(seen, model, address, nowSeconds + later);
            }
          }
        }),
        { numRuns: 150 },
      );
    },
  );
}

t.test("BanList.counts counts what has not ended when origins and families are mixed", async () => {
  fc.assert(
    fc.property(fc.array(decision, { maxLength: 60 }), fc.nat(20), (added, later) => {
      const list = applied(BanList.EMPTY, { added }, { nowSeconds: START });
      const held = Array.from(list.decisions()).filter(({ endsSeconds }) => endsSeconds > START + later);
      const counts = list.counts(START + later);
      assert.deepEqual(
        counts.map(({ origin }) => origin),
        list.origins,
      );
      for (const { origin, ipv4, ipv6 } of counts) {
        const families = held
          .filter((each) => each.origin === origin)
          .map((each) => each.network.address.family);
        assert.equal(ipv4, families.filter((family) => family === 4).length);
        assert.equal(ipv6, families.filter((family) => family === 6).length);
      }
    }),
  );
});

t.test("Changes.from gives the same decisions when another process made the list", async () => {
  fc.assert(
    fc.property(fc.array(decision, { maxLength: 60 }), (added) => {
      const theirs = applied(BanList.EMPTY, { added }, { nowSeconds: START });
      // Here the origins have other numbers, and the clock began later.
      const origins = new Names(ORIGINS_MAX, ["lists:tor", "mine", "CAPI"]);
      const ours = merge(Changes.from(theirs, { origins, byId: false, shiftSeconds: -990 }), START - 990);
      assert(ours !== null);
      const shifted = Array.from(theirs.decisions(), (each) => ({
        ...each,
        endsSeconds: each.endsSeconds - 990,
      }));
      assert.deepEqual(inOrder(ours.decisions()), inOrder(shifted));
      assert.deepEqual(ours.origins.slice(0, 4), ["other", "lists:tor", "mine", "CAPI"]);
    }),
    { numRuns: 50 },
  );
});

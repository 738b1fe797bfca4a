/** The explanation of an address, and that whoever reads it takes nothing else for one. */
import t from "tap";
import { Address } from "../../src/address.ts";
import { isClientAnswer } from "../../src/observe/answer.ts";
import { explain, type Grounds } from "../../src/observe/explain.ts";
import { banSource, clientEntry, clientSource, standingBan } from "./fixtures.ts";

const NOW_MS = Date.UTC(2026, 0, 31, 8, 0, 0);
const CLIENT = Address.parse("203.0.113.7")!;

const grounds: Grounds = {
  clients: clientSource([clientEntry("203.0.113.0", { prefixLength: 24 })]),
  bans: banSource([standingBan("203.0.113.0/24"), standingBan("203.0.113.7", { id: 43 })]),
  prospects: () => [
    { listener: "smtp", refusal: "banned", action: "tarpit", notes: ["decision 42"] },
    { listener: "imap", refusal: null, action: null, notes: ["one", "two"] },
    { listener: "tcp", refusal: null, action: null, notes: [] },
  ],
};

t.test("explain gives the first decision, each listener and what is counted", async (t) => {
  const answer = explain(CLIENT, grounds, NOW_MS);
  t.same(answer.ban, {
    id: 42,
    origin: "crowdsec",
    scenario: "postern/auth-bf",
    type: "ban",
    scope: "range",
    value: "203.0.113.0/24",
    endsAt: "2026-01-31T11:59:50.000Z",
    remainingSeconds: 14_390,
  });
  t.same(answer.listeners, [
    { listener: "smtp", outcome: "refused", reason: "banned", action: "tarpit", detail: "decision 42" },
    { listener: "imap", outcome: "accepted", reason: null, detail: "one; two" },
    { listener: "tcp", outcome: "accepted", reason: null, detail: null },
  ]);
  t.match(answer.counters, [{ address: "203.0.113.0", prefixLength: 24, window: { connections: 1 } }]);
  t.equal(answer.counters.length, 1);
});

t.test("explain says so when a decision is not obeyed, and when there is none", async (t) => {
  const bans = banSource([standingBan("203.0.113.7", { isProtected: true })]);
  t.match(explain(CLIENT, { ...grounds, bans }, NOW_MS).ban, {
    value: "203.0.113.7",
    scope: "ip",
    protected: true,
  });
  t.equal(explain(CLIENT, { ...grounds, bans: null }, NOW_MS).ban, null);
});

t.test("explain says so when there should be a list, and there never was one", async (t) => {
  const missing = (bans: Grounds["bans"]) => explain(CLIENT, { ...grounds, bans }, NOW_MS).listMissing;
  t.strictSame([banSource([]), grounds.bans, null].map(missing), [true, undefined, undefined]);
});

/** Every value in `value`, replaced by `by` in a copy of the whole. */
function* spoilt(value: unknown, by: unknown): Generator<unknown> {
  yield by;
  if (typeof value !== "object" || value === null) return;
  for (const [key, field] of Object.entries(value)) {
    for (const other of spoilt(field, by)) {
      yield Array.isArray(value) ? value.with(Number(key), other) : { ...value, [key]: other };
    }
  }
}

t.test("isClientAnswer takes what explain gives, and nothing with a field of another kind", async (t) => {
  const answer: unknown = JSON.parse(JSON.stringify(explain(CLIENT, grounds, NOW_MS)));
  t.ok(isClientAnswer(answer));
  t.ok(isClientAnswer({ ...Object(answer), ban: null, more: 1 }));
  let count = 0;
  for (const wrong of spoilt(answer, true)) {
    count++;
    t.notOk(isClientAnswer(wrong), JSON.stringify(wrong));
  }
  t.ok(count > 40, `${count}`);
  for (const wrong of [null, [], {}, "x", 1]) t.notOk(isClientAnswer(wrong));
});

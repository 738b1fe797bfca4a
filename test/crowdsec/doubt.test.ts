/** Answers that are well-formed and not to be believed at once, and decisions that are not to be obeyed. */
import t from "tap";
import { Address } from "../../src/address.ts";
import { systemClock } from "../../src/clock.ts";
import { readDecision, readKey } from "../../src/crowdsec/decision.ts";
import { LiveList } from "../../src/crowdsec/live.ts";
import { Shelf } from "../../src/crowdsec/shelf.ts";
import type { StreamTerms } from "../../src/crowdsec/stream.ts";
import { Book } from "../servers/book.ts";
import * as fake from "../servers/lapi.ts";
import { startRig } from "./rig.ts";

/** So many decisions, always the same ones first. */
const decisions = (count: number) =>
  Array.from({ length: count }, (_, index) =>
    fake.decision(index + 1, `192.0.${2 + (index >> 8)}.${index & 255}`),
  );

/** A full answer with so many of them. */
const answerWith = (count: number) => fake.text(fake.changes(decisions(count)));

async function startFull(t: Parameters<typeof startRig>[0], others: Partial<StreamTerms> = {}) {
  const rig = await startRig(t, others);
  rig.server.next(answerWith(8));
  await rig.poll();
  rig.lines();
  rig.asked();
  return rig;
}

t.test("DecisionStream takes a full answer of less than half when a second one says so too", async (t) => {
  const { server, list, lines, poll, asked, time } = await startFull(t);
  server.next(answerWith(3), answerWith(3));
  time.pass(3_700_000);
  await poll();
  t.equal(list.size, 8);
  t.strictSame(lines(), [["warn", "decisions-shrunk", { decisions: 3, before: 8 }]]);
  t.equal(await poll(), 10, "an interval later");
  t.equal(list.size, 3);
  t.strictSame(asked(), ["full", "full"]);
  t.strictSame(lines(), [["info", "decisions-loaded", { decisions: 3 }]]);
});

t.test(
  "DecisionStream believes no short answers that differ: a LAPI breaks off where it happens to",
  async (t) => {
    const { server, list, lines, poll, time } = await startFull(t);
    server.next(...[3, 0, 2, 0, 0].map(answerWith));
    time.pass(3_700_000);
    for (const count of [3, 0, 2, 0]) {
      await poll();
      t.equal(list.size, 8);
      t.strictSame(lines(), [["warn", "decisions-shrunk", { decisions: count, before: 8 }]]);
    }
    await poll();
    t.equal(list.size, 0, "two in a row that agree");
  },
);

t.test("DecisionStream takes numbers for the same that are a tenth apart", async (t) => {
  for (const [first, second, taken] of [
    [100, 90, true],
    [90, 100, true],
    [100, 89, false],
    [89, 100, false],
  ] as const) {
    const { server, list, poll, time } = await startRig(t);
    server.next(...[300, first, second].map(answerWith));
    await poll();
    time.pass(3_700_000);
    await poll();
    await poll();
    t.equal(list.size, taken ? second : 300, `${first}, ${second}`);
  }
});

t.test("DecisionStream asks for everything again within minutes when it took a short answer", async (t) => {
  const { server, list, poll, asked, time } = await startFull(t);
  server.next(answerWith(1), answerWith(1));
  server.answer = (response, question) =>
    question.path.includes("startup=true")
      ? answerWith(8)(response, question)
      : fake.json(fake.unchanged)(response, question);
  time.pass(3_700_000);
  await poll();
  await poll();
  t.equal(list.size, 1);
  t.strictSame(asked(), ["full", "full"]);
  for (let polls = 0; polls < 60; polls++) await poll();
  t.equal(list.size, 8);
  t.equal(asked().filter((kind) => kind === "full").length, 1, "and then not for an hour");
});

t.test(
  "DecisionStream asks for everything once when doubt is cast on it, and again when it was while it asked",
  async (t) => {
    const { server, stream, poll, asked } = await startFull(t);
    server.next(
      fake.json(fake.unchanged),
      answerWith(8),
      (response, question) => {
        stream.doubt();
        answerWith(8)(response, question);
      },
      answerWith(8),
      fake.json(fake.unchanged),
    );
    await poll();
    stream.doubt();
    await poll();
    stream.doubt();
    await poll();
    await poll();
    await poll();
    t.strictSame(asked(), ["delta", "full", "full", "full", "delta"]);
  },
);

t.test("DecisionStream takes the second full answer when it is a longer one again", async (t) => {
  const { server, list, lines, poll, time, asked } = await startFull(t);
  server.next(answerWith(0), answerWith(7), fake.json(fake.unchanged));
  time.pass(3_700_000);
  await poll();
  await poll();
  t.equal(list.size, 7);
  await poll();
  t.strictSame(asked(), ["full", "full", "delta"]);
  t.strictSame(
    lines().map(([, event]) => event),
    ["decisions-shrunk", "decisions-loaded"],
  );
});

t.test(
  "DecisionStream wants two short answers in a row: a LAPI that fails between them is in trouble",
  async (t) => {
    const { server, list, poll, time, asked } = await startFull(t);
    server.next(answerWith(1), fake.text("", 500), answerWith(1), answerWith(1));
    time.pass(3_700_000);
    await poll();
    await poll();
    await poll();
    t.equal(list.size, 8);
    await poll();
    t.equal(list.size, 1);
    t.strictSame(asked(), ["full", "full", "full", "full"]);
  },
);

t.test("DecisionStream asks twice for each fall when the list falls twice", async (t) => {
  const { server, list, poll, time } = await startFull(t);
  server.next(answerWith(3), answerWith(3));
  time.pass(3_700_000);
  await poll();
  await poll();
  t.equal(list.size, 3);
  server.next(answerWith(1), answerWith(1));
  time.pass(3_700_000);
  await poll();
  t.equal(list.size, 3);
  await poll();
  t.equal(list.size, 1);
});

t.test(
  "DecisionStream takes a full answer at once when it has half, or when the old list has expired",
  async (t) => {
    const { server, list, lines, poll, time } = await startFull(t);
    server.next(answerWith(4));
    time.pass(3_700_000);
    await poll();
    t.equal(list.size, 4);
    server.next(answerWith(1));
    time.pass(4 * 3_600_000);
    await poll();
    t.equal(list.size, 1);
    t.strictSame(
      lines().map(([, event]) => event),
      ["decisions-loaded", "decisions-loaded"],
    );
  },
);

t.test("DecisionStream lets a delta take everything away", async (t) => {
  const { server, list, poll } = await startFull(t);
  server.next(fake.text(fake.changes([], decisions(8))));
  await poll();
  t.equal(list.size, 0);
});

t.test("DecisionStream is right again within the hour when another bouncer has its key", async (t) => {
  const { server, list, poll, time } = await startFull(t);
  // The other one was told of 192.0.2.7's end: here nothing is ever new.
  server.answer = (response, asked) =>
    (asked.path.includes("startup=true") ? answerWith(7) : fake.json(fake.unchanged))(response, asked);
  await poll();
  t.equal(list.size, 8);
  const end = time.nowMs + 1.1 * 3_600_000;
  while (time.nowMs < end) await poll();
  t.equal(list.size, 7);
});

t.test("DecisionStream says once for each kind when decisions cannot be obeyed", async (t) => {
  const { server, stream, list, lines, poll } = await startRig(t);
  const answer = fake.changes([
    fake.decision(1, "300.1.2.3"),
    fake.decision(2, "::/129"),
    fake.decision(3, "AS\n[15169]", { scope: "AS" }),
    fake.decision(4, "192.0.2.1"),
    fake.decision(5, "192.0.2.2", { duration: "-3s" }),
    fake.decision(6, "x".repeat(1000), { scope: "Country" }),
  ]);
  server.next(fake.text(answer), fake.text(answer));
  await poll();
  t.strictSame(list.values, ["192.0.2.1"]);
  t.strictSame(lines(), [
    ["info", "decisions-loaded", { decisions: 1 }],
    ["warn", "decision-ignored", { kind: "value", example: "300.1.2.3", count: 2 }],
    ["warn", "decision-ignored", { kind: "scope-as", example: "AS??15169?", count: 1 }],
    ["warn", "decision-ignored", { kind: "scope-country", example: "x".repeat(64), count: 1 }],
  ]);
  await poll();
  t.strictSame(lines(), []);
  t.strictSame(stream.status.ignored, { value: 4, "scope-as": 2, expired: 2, "scope-country": 2 });
});

t.test("DecisionStream takes elements for malformed decisions when they are none", async (t) => {
  const { server, list, lines, poll } = await startRig(t);
  server.next(
    fake.json({ new: [null, 5, "x", []], deleted: null }),
    fake.json({ new: [], deleted: [null, 1] }),
  );
  await poll();
  await poll();
  t.equal(list.size, 0);
  t.match(lines()[1], ["warn", "decision-ignored", { kind: "malformed", example: "", count: 4 }]);
});

t.test("DecisionStream says once for each decision when it touches who is protected", async (t) => {
  const { server, list, lines, poll } = await startRig(t, {
    isProtected: ({ address }) => address.text.startsWith("10."),
  });
  const scenario = "lost connection after x from unknown[192.0.2.9]";
  server.answer = fake.text(
    fake.changes([fake.decision(1, "10.0.0.0/8", { scenario }), fake.decision(2, "192.0.2.1")]),
  );
  await poll();
  const said = "lost?connection?after?x?from?unknown?192.0.2.9?";
  t.strictSame(lines()[1], [
    "warn",
    "decision-overruled",
    { id: 1, origin: "cscli", scenario: said, network: "10.0.0.0/8" },
  ]);
  t.equal(list.size, 2, "whoever asks the list leaves the protected ones out");
  await poll();
  t.strictSame(lines(), []);
});

t.test("DecisionStream says no more than a hundred at a time when many are overruled", async (t) => {
  const { server, lines, poll } = await startRig(t, { isProtected: () => true });
  server.answer = (response, asked) => fake.pieces(fake.manyChanges(250))(response, asked);
  const counts: number[] = [];
  for (let round = 0; round < 4; round++) {
    await poll();
    counts.push(lines().filter(([, event]) => event === "decision-overruled").length);
  }
  t.strictSame(counts, [100, 100, 50, 0]);
});

t.test(
  "DecisionStream keeps its list when an answer is more than one can hold, or makes it that",
  async (t) => {
    const { server, stream, list, lines, poll, asked } = await startFull(t);
    const failed = ["warn", "lapi-failed", { kind: "too-large", detail: "decisions" }];
    for (const count of [993, 1001]) {
      server.next(fake.pieces(fake.manyChanges(count)), answerWith(8));
      await poll();
      t.equal(list.size, 8);
      t.strictSame(lines(), [failed], `${count}`);
      await poll();
      t.strictSame(asked(), ["delta", "full"]);
      lines();
    }
    t.strictSame(stream.status.errors, { "too-large": 2 });
  },
);

t.test(
  "DecisionStream makes a list of half a million decisions, and of what comes and goes then",
  async (t) => {
    const shelf = new Shelf(Shelf.allocate());
    const live = new LiveList({ shelf, clock: systemClock, byId: false });
    const { server, poll } = await startRig(t, {
      live,
      clock: systemClock,
      wallMs: Date.now,
      reader: {
        decision: (raw, nowSeconds) => readDecision(raw, { nowSeconds, otherTypes: "ignore" }),
        key: readKey,
      },
    });
    const [first, last] = [fake.spread(0), fake.spread(499_999)];
    server.next(
      fake.pieces(fake.manyChanges(500_000)),
      fake.json({ new: [fake.decision(500_001, "2001:db8::/32", { scope: "Range" })], deleted: [last] }),
    );
    await poll();
    t.equal(live.size, 500_000);
    const judged = (value: string) => {
      const now = systemClock.seconds();
      return shelf.read((list) => list.find(Address.parse(value)!, now) >= 0);
    };
    t.same([first.value, last.value, "2001:db8::7"].map(judged), [true, true, false]);
    await poll();
    t.equal(live.size, 500_000);
    t.same([first.value, last.value, "2001:db8::7"].map(judged), [true, false, true]);
  },
);

t.test(
  "DecisionStream misses for an hour at most what LAPI told another replica with the same key",
  async (t) => {
    // One book, as LAPI keeps one mark for each key: what one of the two has read the other is not told.
    const book = new Book();
    const [one, other] = [await startRig(t), await startRig(t)];
    for (const { server } of [one, other]) server.answer = book.answer;
    const lasting = book.ban("192.0.2.1");
    await one.poll();
    await other.poll();
    book.ban("192.0.2.2");
    book.lift(lasting);
    await one.poll();
    await other.poll();
    t.strictSame([one.list.values, other.list.values], [["192.0.2.2"], ["192.0.2.1"]]);
    other.time.pass(3_700_000);
    await other.poll();
    t.strictSame(other.list.values, ["192.0.2.2"]);
    t.strictSame(other.asked(), ["full", "delta", "full"]);
  },
);

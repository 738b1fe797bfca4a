/** What comes of LAPI's answers, sound and otherwise; and what is asked for next. */
import t from "tap";
import * as fake from "../servers/lapi.ts";
import { startRig } from "./rig.ts";

const [one, two, three] = ["192.0.2.1", "192.0.2.2", "2001:db8::/32"];
const first = fake.json({ new: [fake.decision(1, one), fake.decision(2, two)], deleted: null });
const unchanged = fake.json(fake.unchanged);

const answerOf = (...parts: Parameters<typeof fake.changes>) => fake.text(fake.changes(...parts));

t.test("DecisionStream asks for everything, then for what is new", async (t) => {
  const { server, stream, list, lines, poll, time } = await startRig(t);
  server.next(first, unchanged, answerOf([fake.decision(3, three)], [fake.decision(1, one)]));
  t.equal(stream.status.lastUpdateMs, null);
  await poll();
  t.strictSame(list.values, [one, two]);
  t.equal(stream.status.lastUpdateMs, time.nowMs);
  t.strictSame(lines(), [["info", "decisions-loaded", { decisions: 2 }]]);
  t.equal(await poll(), 10);
  t.equal(list.applied, 1, "no list is made where nothing is new");
  t.equal(await poll(), 10);
  t.strictSame(list.values, [two, three]);
  t.equal(stream.status.lastUpdateMs, time.nowMs);
  const scopes = "scopes=ip,range,as,country";
  t.strictSame(
    server.asked.map(({ method, path }) => `${method} ${path}`),
    [
      `GET /v1/decisions/stream?startup=true&${scopes}`,
      `GET /v1/decisions/stream?startup=false&${scopes}`,
      `GET /v1/decisions/stream?startup=false&${scopes}`,
    ],
  );
  t.strictSame(lines(), []);
});

t.test("DecisionStream asks LAPI to hide nothing when only some origins count", async (t) => {
  const options = { updateFrequencyMs: 60_000, origins: ["crowdsec", "a&b"] };
  const { server, poll } = await startRig(t, { options });
  await poll();
  t.equal(await poll(), 60);
  t.match(server.asked[1]?.path, /&origins=crowdsec,a%26b&dedup=false$/);
});

t.test("DecisionStream waits a tenth less or more when chance will have it", async (t) => {
  for (const [chance, seconds] of [
    [0, 9],
    [0.75, 10.5],
  ] as const) {
    const { poll } = await startRig(t, { random: () => chance });
    await poll();
    t.equal(await poll(), seconds);
  }
});

t.test("DecisionStream takes an answer when it comes in odd cuts, with lists in any order", async (t) => {
  const { server, list, poll } = await startRig(t);
  const body = fake.changes([fake.decision(1, one), fake.decision(2, three)]);
  const turned = JSON.stringify({ deleted: [fake.decision(1, one)], new: [fake.decision(3, two)] });
  server.next(fake.chunked(body, 7), fake.chunked(turned, 1));
  await poll();
  t.strictSame(list.values, [one, three]);
  await poll();
  t.strictSame(list.values, [two, three]);
});

t.test("DecisionStream keeps who was banned, freed and banned again when it is all one answer", async (t) => {
  const { server, list, poll } = await startRig(t);
  const again = fake.decision(7, one);
  server.next(first, answerOf([again], [fake.decision(1, one), fake.decision(6, one)]));
  await poll();
  await poll();
  t.strictSame(list.values, [one, two]);
});

t.test("DecisionStream begins with nothing when an answer is full", async (t) => {
  const { server, list, poll, time, asked } = await startRig(t);
  server.next(first, answerOf([fake.decision(8, three), fake.decision(9, one)], [fake.decision(9, one)]));
  await poll();
  time.pass(3_600_001);
  await poll();
  t.strictSame(list.values, [one, three], "what expired long ago takes nothing away");
  t.equal(list.removed, 0, "and is not even kept until the answer's end");
  t.strictSame(asked(), ["full", "full"]);
});

t.test("DecisionStream keeps its list when an answer is none", async (t) => {
  const body = fake.changes([fake.decision(3, three)]);
  const bad: readonly (readonly [string, fake.Answer, string])[] = [
    ["forbidden", fake.forbidden, "delta"],
    ["status", fake.text("oops", 504), "full"],
    ["truncated", fake.truncated(body, 60), "full"],
    ["truncated", fake.hungUp, "full"],
    ["truncated", fake.text(body.slice(0, -1)), "full"],
    ["malformed", fake.text(body.replace("]", "}")), "full"],
    ["malformed", fake.text('{"message":"hello"}'), "full"],
    ["malformed", fake.garbage, "full"],
  ];
  for (const [kind, answer, next] of bad) {
    const { server, stream, list, lines, poll, asked } = await startRig(t);
    server.answer = first;
    server.next(first, answer);
    await poll();
    lines();
    const updated = stream.status.lastUpdateMs;
    await poll();
    t.strictSame(list.values, [one, two], kind);
    t.equal(list.applied, 1);
    t.match(lines(), [["warn", "lapi-failed", { kind }]]);
    t.strictSame(stream.status, { lastUpdateMs: updated, errors: { [kind]: 1 }, ignored: {} });
    t.equal(await poll(), 1, "asks again soon");
    t.strictSame(asked(), ["full", "delta", next], kind);
    t.match(lines()[0], ["info", "lapi-recovered", { missed: 1 }]);
    t.equal(await poll(), 10);
  }
});

t.test("DecisionStream keeps its list when LAPI falls silent, before an answer and within", async (t) => {
  const { server, list, lines, poll, asked } = await startRig(t, {}, 100);
  server.answer = first;
  await poll();
  server.next(fake.silent, fake.stalled(fake.changes([]), 8));
  await poll();
  await poll();
  await poll();
  t.strictSame(list.values, [one, two]);
  t.strictSame(asked(), ["full", "delta", "full", "full"]);
  t.strictSame(
    lines().map(([, event]) => event),
    ["decisions-loaded", "lapi-failed", "lapi-recovered", "decisions-loaded"],
  );
});

t.test(
  "DecisionStream asks less and less often when LAPI is down, and for everything when it is up",
  async (t) => {
    const { server, list, lines, poll, asked } = await startRig(t);
    server.answer = fake.text("", 503);
    const waits: number[] = [];
    for (let round = 0; round < 9; round++) waits.push(await poll());
    t.strictSame(waits, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
    server.next(fake.forbidden);
    await poll();
    server.answer = first;
    await poll();
    t.strictSame(list.values, [one, two]);
    t.strictSame(lines(), [
      ["warn", "lapi-failed", { kind: "status", detail: "503" }],
      ["warn", "lapi-failed", { kind: "forbidden", detail: "403" }],
      ["info", "lapi-recovered", { missed: 10 }],
      ["info", "decisions-loaded", { decisions: 2 }],
    ]);
    t.ok(asked().every((kind) => kind === "full"));
    t.equal(await poll(), 10);
  },
);

t.test("DecisionStream goes on when LAPI is not there at first, and an hour long later", async (t) => {
  const { server, list, stream, lines, poll, asked, time } = await startRig(t);
  const { port } = server;
  await server.stop();
  await poll();
  t.match(lines(), [["warn", "lapi-failed", { kind: "unreachable", detail: "ECONNREFUSED" }]]);
  const second = await fake.startLapi(t, port);
  second.answer = first;
  await poll();
  t.strictSame(list.values, [one, two]);
  await second.stop();
  const until = time.nowMs + 3_600_000;
  while (time.nowMs < until) await poll();
  t.strictSame(list.values, [one, two]);
  t.ok(time.nowMs - (stream.status.lastUpdateMs ?? 0) >= 3_600_000);
  const events = lines().map(([, event, { kind }]) => (kind === undefined ? event : `${event}: ${kind}`));
  // Whether the first poll still finds the old connection is for the kernel to say.
  t.strictSame(
    events.filter((event) => event !== "lapi-failed: truncated"),
    ["lapi-recovered", "decisions-loaded", "lapi-failed: unreachable"],
  );
  const third = await fake.startLapi(t, port);
  third.answer = answerOf([fake.decision(2, two)]);
  await poll();
  t.match(third.asked[0]?.path, /startup=true/);
  t.strictSame(list.values, [two]);
  t.strictSame(asked(), []);
});

t.test("DecisionStream asks for everything when one poll more was missed", async (t) => {
  const { server, poll, asked } = await startRig(t);
  server.answer = first;
  await poll();
  server.next(fake.forbidden, fake.forbidden);
  await poll();
  await poll();
  await poll();
  t.strictSame(asked(), ["full", "delta", "delta", "full"]);
});

t.test(
  "DecisionStream asks for everything again minutes after the first time, and then every hour",
  async (t) => {
    const { server, poll, asked, time } = await startRig(t);
    server.answer = first;
    const beganMs = time.nowMs;
    const fullMinutes: number[] = [];
    while (time.nowMs < beganMs + 3 * 3_600_000) {
      await poll();
      if (asked()[0] === "full") fullMinutes.push(Math.floor((time.nowMs - beganMs) / 60_000));
    }
    t.strictSame(fullMinutes, [0, 5, 65, 125]);
  },
);

t.test("DecisionStream asks for everything when time has jumped", async (t) => {
  const jumps: readonly (readonly [string, number, number, string])[] = [
    ["the time of day ahead", 0, 5001, "full"],
    ["the time of day back", 0, -5001, "full"],
    ["the time of day a little", 0, 4999, "delta"],
    ["both: the poll is late", 60_001, 60_001, "full"],
    ["both, a little", 59_999, 59_999, "delta"],
  ];
  for (const [what, clockMs, wallMs, next] of jumps) {
    const { server, poll, asked, time } = await startRig(t);
    server.answer = first;
    await poll();
    time.nowMs += clockMs;
    time.wallMs += wallMs;
    await poll();
    await poll();
    t.strictSame(asked(), ["full", next, "delta"], what);
  }
});

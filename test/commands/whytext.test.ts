/** What an operator reads about an address. */
import t from "tap";
import { whyText } from "../../src/commands/whytext.ts";
import type { BanAnswer, ClientAnswer, CounterAnswer } from "../../src/observe/answer.ts";

/** Times are said in the zone of whoever asks: here half an hour off the usual, and to the west. */
process.env.TZ = "America/St_Johns";
const NOW_MS = Date.UTC(2026, 0, 31, 8, 0, 0);

const ban: BanAnswer = {
  id: 42,
  origin: "crowdsec",
  scenario: "postern/auth-bf",
  type: "ban",
  scope: "range",
  value: "203.0.113.0/24",
  endsAt: "2026-01-31T11:59:50.000Z",
  remainingSeconds: 14_390,
};

const counter: CounterAnswer = {
  address: "203.0.113.7",
  scope: "smtp",
  connections: 9,
  concurrency: 2,
  refused: 4,
  messages: 5,
  bytes: 77,
  lastSeenSecondsAgo: 5,
  window: {
    startedSecondsAgo: 61,
    connections: 3,
    messages: 2,
    recipients: 7,
    auths: 6,
    tlsSessions: 1,
    authFailures: 4,
  },
};

const answer: ClientAnswer = {
  address: "203.0.113.7",
  ban,
  listeners: [
    {
      listener: "smtp",
      outcome: "refused",
      reason: "banned",
      action: "reply",
      detail: "decision 42 of crowdsec",
    },
    { listener: "submission", outcome: "accepted", reason: null, detail: null },
  ],
  counters: [counter],
};

const text = (change: Partial<ClientAnswer>) => whyText({ ...answer, ...change }, NOW_MS);

t.test("whyText says the decision, each listener and the counters when there are any", async (t) => {
  t.equal(
    text({}),
    `203.0.113.7 is banned until 2026-01-31 08:29:50 -03:30, 3 h 59 min more.
  decision 42 of crowdsec: ban 203.0.113.0/24, for postern/auth-bf

A connection that it made now:
  smtp        refused, banned (reply): decision 42 of crowdsec
  submission  accepted

What is counted of it:
  smtp        connections: 2 now, 9 so far, 4 refused; messages 5, bytes 77; last seen 5 s ago
              in the last window, begun 1 min 1 s ago: connections 3, messages 2, recipients 7, logins tried 6, logins failed 4, new TLS sessions 1
`,
  );
});

t.test("whyText says so when nothing is known of an address", async (t) => {
  const stranger = text({ ban: null, counters: [] });
  t.match(stranger, /^203\.0\.113\.7 is not banned\.\n\n/);
  t.match(stranger, /\nNothing is counted of it\.\n$/);
});

t.test("whyText says so when there is no list that an address could be on", async (t) => {
  t.match(
    text({ ban: null, listMissing: true }),
    /^203\.0\.113\.7 is on no list: CrowdSec has not given one yet\.\n\n/,
  );
});

t.test("whyText says that a decision is not obeyed when the address is protected", async (t) => {
  const lines = text({ ban: { ...ban, protected: true } }).split("\n");
  t.match(lines[0], "203.0.113.7 is not banned: there is a decision");
  t.equal(
    lines[1],
    "  decision 42 of crowdsec: ban 203.0.113.0/24, for postern/auth-bf, until 2026-01-31 08:29:50 -03:30, 3 h 59 min more",
  );
});

t.test("whyText names the network when that is what is counted", async (t) => {
  const network = { ...counter, address: "203.0.113.0", prefixLength: 24 };
  t.match(text({ counters: [network] }), "  as part of 203.0.113.0/24: connections: 2 now");
});

t.test("whyText says how long in one unit or two", async (t) => {
  const spans: readonly [number, string][] = [
    [0, "0 s"],
    [-3, "0 s"],
    [59, "59 s"],
    [60, "1 min"],
    [3600, "1 h"],
    [3601, "1 h"],
    [86_399, "23 h 59 min"],
    [90_000, "1 d 1 h"],
    [700_000, "8 d 2 h"],
  ];
  for (const [remainingSeconds, span] of spans) {
    t.match(text({ ban: { ...ban, remainingSeconds } }), `, ${span} more.\n`, `${remainingSeconds}`);
  }
});

t.test("whyText lets nobody steer a terminal when what others chose holds control characters", async (t) => {
  const hostile = "\u001b[2J\u009b31m\r\nnot banned\u202e";
  const said = text({ ban: { ...ban, scenario: hostile, origin: hostile } });
  t.notMatch(said.replaceAll("\n", ""), /\p{C}/u);
  t.equal(said.split("\n").length, text({}).split("\n").length);
});

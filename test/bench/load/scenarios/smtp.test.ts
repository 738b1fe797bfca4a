/** Whole sessions that hand in mails, with everything that a plan can ask for. */
import t from "tap";
import type { MailPlan } from "../../../../bench/load/plan.ts";
import { recipes } from "../../../../bench/load/scenario.ts";
import { makePair } from "../../../wire/secure.ts";
import { faultsOf, loaded, planOf, repliesOf } from "../plans.ts";
import { startSmtp } from "../server.ts";

const { mail } = planOf(1);

function plan(port: number, asked: Partial<MailPlan> = {}) {
  return planOf(port, { scenario: "smtp", sessionsMax: 4, mail: { ...mail, ...asked } });
}

const envelope = [
  "MAIL FROM:<a@example.org>",
  "RCPT TO:<b1@example.test>",
  "RCPT TO:<b2@example.test>",
  "RCPT TO:<b3@example.test>",
];

t.test("smtp hands in its mails when nothing is in the way", async (t) => {
  const server = await startSmtp(t);
  const tally = await loaded(plan(server.port, { messages: 2, recipients: 3 }));
  t.match(tally.counts, { begun: 4, done: 4, failed: 0, messages: 8 });
  for (const { commands, messages, pipelined } of server.sessions) {
    t.match(commands[0], /^EHLO \[203\.0\.113\.\d+\]$/);
    t.strictSame(commands.slice(1), [...envelope, "DATA", ...envelope, "DATA", "QUIT"]);
    t.strictSame(
      messages.map(({ length }) => length),
      [1000, 1000],
    );
    t.equal(pipelined, 0);
  }
  t.strictSame(repliesOf(tally), [
    "data 354 Go × 8",
    "final 250 2.0.0 Ok: queued as # × 8",
    "greeting 220 mx.example.test ESMTP × 4",
    "hello 250 mx.example.test × 4",
    "mail 250 2.1.0 Ok × 8",
    "quit 221 2.0.0 Bye × 4",
    "rcpt 250 2.1.0 Ok × 24",
  ]);
  t.equal(tally.latencies.rcpt!.count, 24);
  t.equal(tally.latencies.final!.count, 8);
});

t.test("smtp says the envelope in one flight when that is asked for and offered", async (t) => {
  for (const [extensions, pipelined] of [
    [["PIPELINING"], 4],
    [[], 0],
  ] as const) {
    const server = await startSmtp(t, { extensions });
    const tally = await loaded(plan(server.port, { pipelining: true, recipients: 3 }));
    t.match(tally.counts, { done: 4, messages: 4 });
    for (const session of server.sessions) {
      t.strictSame(session.commands.slice(1), [...envelope, "DATA", "QUIT"]);
      t.equal(session.pipelined, pipelined);
      t.equal(session.messages[0]!.length, 1000);
    }
  }
});

t.test("smtp hands in by BDAT when that is asked for and offered", async (t) => {
  for (const [extensions, command] of [
    [["CHUNKING", "PIPELINING"], "BDAT 1000 LAST"],
    [["PIPELINING"], "DATA"],
  ] as const) {
    for (const pipelining of [true, false]) {
      const server = await startSmtp(t, { extensions });
      const tally = await loaded(plan(server.port, { chunking: true, pipelining, recipients: 3 }));
      t.match(tally.counts, { done: 4, messages: 4 });
      for (const { commands, messages } of server.sessions) {
        t.strictSame(commands.slice(1), [...envelope, command, "QUIT"]);
        t.equal(messages[0]!.length, 1000);
      }
    }
  }
});

t.test("smtp logs in inside TLS when the plan has both", async (t) => {
  const pair = makePair(t, "mx.example.test");
  const login = { user: "u", password: "p\u00e4" };
  for (const tls of ["starttls", "implicit"] as const) {
    const server = await startSmtp(t, { pair, proxy: true, implicitTls: tls === "implicit" });
    const tally = await loaded({ ...plan(server.port), tls, login, proxy: "v2" });
    t.match(tally.counts, { done: 4, messages: 4 }, tls);
    t.equal(tally.latencies.tls!.count, 4);
    const [heard] = server.sessions;
    const auth = `AUTH PLAIN ${Buffer.from("\0u\0p\u00e4").toString("base64")}`;
    const hello = `EHLO [${heard!.source}]`;
    const begin = tls === "starttls" ? [hello, "STARTTLS", hello, auth] : [hello, auth];
    t.strictSame(heard!.commands.slice(0, begin.length), begin);
  }
});

t.test("smtp goes on with the others when a recipient is refused", async (t) => {
  for (const pipelining of [false, true]) {
    const answer = (command: string) =>
      command.includes("b2@") ? "550 5.1.1 <b2@example.test>: unknown\r\n" : undefined;
    const server = await startSmtp(t, { extensions: ["PIPELINING"], answer });
    const tally = await loaded(plan(server.port, { recipients: 3, pipelining }));
    t.match(tally.counts, { done: 4, failed: 0, messages: 4 });
    t.ok(repliesOf(tally).includes("rcpt 550 5.1.1 <b#@example.test>: unknown × 4"));
  }
});

t.test("smtp ends in a reply when the mail is refused in any phase", async (t) => {
  const cases = [
    ["EHLO", "hello"],
    ["MAIL", "mail"],
    ["RCPT", "rcpt"],
    ["DATA", "data"],
    [".", "final"],
    ["QUIT", "quit"],
  ] as const;
  for (const [refused, phase] of cases) {
    for (const pipelining of [false, true]) {
      const answer = (command: string) => (command.startsWith(refused) ? "451 4.3.0 later\r\n" : undefined);
      const server = await startSmtp(t, { extensions: ["PIPELINING"], answer });
      const tally = await loaded(plan(server.port, { recipients: 2, pipelining }));
      t.match(tally.counts, { done: 0, failed: 4, messages: phase === "quit" ? 4 : 0 });
      t.strictSame(faultsOf(tally), [`${phase} reply × 4`]);
      const count = phase === "rcpt" ? 8 : 4;
      t.ok(repliesOf(tally).includes(`${phase} 451 4.3.0 later × ${count}`), `${phase}: ${repliesOf(tally)}`);
    }
  }
});

t.test(
  "smtp says what it did in place of what was asked for when the target does not offer it",
  async (t) => {
    const asked = { chunking: true, pipelining: true };
    const table: readonly [readonly string[], string[]][] = [
      [
        [],
        [
          "--chunking, which was not offered: DATA in its place, in 4 sessions",
          "--pipelining, which was not offered: one command after the other in its place, in 4 sessions",
        ],
      ],
      [["PIPELINING"], ["--chunking, which was not offered: DATA in its place, in 4 sessions"]],
      [["CHUNKING", "PIPELINING"], []],
    ];
    for (const [extensions, expected] of table) {
      const server = await startSmtp(t, { extensions });
      const asks = plan(server.port, asked);
      const tally = await loaded(asks);
      t.match(tally.counts, { done: 4 });
      for (const scenario of ["smtp", "bulk"] as const) {
        const findings = recipes[scenario].findings?.(asks, tally, 1) ?? [];
        t.strictSame(
          findings.map(({ what, outcome }) => `${what}: ${outcome}`),
          expected,
        );
      }
    }
  },
);

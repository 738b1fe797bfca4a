/** The shortest sessions, and what they count when they go wrong. */
import t from "tap";
import { startUpstream } from "../../../live/upstream.ts";
import { freePort } from "../../../servers/ports.ts";
import { faultsOf, loaded, planOf, repliesOf } from "../plans.ts";
import { startSmtp } from "../server.ts";

t.test("churn hears greeting and goodbye when the target speaks SMTP", async (t) => {
  const server = await startSmtp(t, { proxy: true });
  const tally = await loaded(planOf(server.port, { proxy: "v2", sessionsMax: 40 }));
  t.match(tally.counts, { begun: 40, done: 40, messages: 0, bytesOut: 40 * 6 });
  t.strictSame(repliesOf(tally), ["greeting 220 mx.example.test ESMTP × 40", "quit 221 2.0.0 Bye × 40"]);
  t.strictSame(Object.keys(tally.latencies), ["connect", "greeting", "quit", "close", "session"]);
  for (const { source, commands } of server.sessions) {
    t.match(source, /^203\.0\.113\.\d+$/);
    t.strictSame(commands, ["QUIT"]);
  }
  t.ok(new Set(server.sessions.map(({ source }) => source)).size > 30);
});

t.test("churn hears greeting and goodbye when the target speaks IMAP", async (t) => {
  const upstream = await startUpstream(t, {
    script: async (end) => {
      end.send("* OK [CAPABILITY IMAP4rev1] ready\r\n");
      t.equal(await end.line(), "a LOGOUT\r\n");
      end.send("* BYE see you\r\na OK done\r\n");
      end.end();
    },
  });
  const tally = await loaded(planOf(upstream.port, { protocol: "imap" }));
  t.match(tally.counts, { begun: 10, done: 10 });
  t.strictSame(repliesOf(tally), ["greeting OK [CAPABILITY IMAP4rev1] ready × 10", "quit OK done × 10"]);
});

t.test("churn counts whom the target turns away when it greets with a refusal", async (t) => {
  const cases = [
    ["smtp", "421 4.7.0 too many\r\n", "greeting 421 4.7.0 too many × 10"],
    ["smtp", "554 go\r\n", "greeting 554 go × 10"],
    ["imap", "* BYE too many\r\n", "greeting BYE too many × 10"],
  ] as const;
  for (const [protocol, greeting, reply] of cases) {
    const upstream = await startUpstream(t, { script: (end) => end.send(greeting) });
    const tally = await loaded(planOf(upstream.port, { protocol }));
    t.match(tally.counts, { begun: 10, done: 0, turnedAway: 10, failed: 0 });
    t.strictSame(repliesOf(tally), [reply]);
    t.strictSame(faultsOf(tally), []);
  }
});

t.test("churn counts why sessions fail when the target is no mail server", async (t) => {
  const cases = [
    ["greeting protocol × 10", "SSH-2.0-x\r\n", false],
    ["greeting closed × 10", "", true],
    ["quit closed × 10", "220 mx\r\n", true],
    ["greeting timeout × 10", "", false],
    ["quit reply × 10", "220 mx\r\n500 what\r\n", false],
    ["close protocol × 10", "220 mx\r\n221 bye\r\nmore\r\n", false],
  ] as const;
  for (const [fault, words, ends] of cases) {
    const upstream = await startUpstream(t, {
      script: (end) => {
        if (words !== "") end.send(words);
        if (ends) end.end();
      },
    });
    const timeoutMs = fault.includes("timeout") ? 40 : 10_000;
    const tally = await loaded(planOf(upstream.port, { timeoutMs }));
    t.match(tally.counts, { begun: 10, done: 0, turnedAway: 0, failed: 10 });
    t.strictSame(faultsOf(tally), [fault]);
  }
});

t.test("churn counts each connection when nobody listens", async (t) => {
  const tally = await loaded(planOf(await freePort(), { sessionsMax: 30 }));
  t.match(tally.counts, { begun: 30, failed: 30 });
  t.strictSame(faultsOf(tally), ["connect refused × 30"]);
});

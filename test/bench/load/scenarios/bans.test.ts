/** A population of which some are banned, against a live gateway that a LAPI tells of it. */
import t from "tap";
import type { Plan } from "../../../../bench/load/plan.ts";
import type { Result } from "../../../../bench/load/result.ts";
import { run } from "../../../../bench/load/run.ts";
import { crowdsecAt, eventsAre } from "../../../live/banned.ts";
import { startUpstream } from "../../../live/upstream.ts";
import { startBook } from "../../../servers/book.ts";
import { planOf, unwatched } from "../plans.ts";
import { outcomesOf, startGuarded } from "./gateway.ts";

/** Each range gives as many clients, so that about half of the sessions are a banned one's. */
const population: Partial<Plan> = {
  scenario: "bans",
  proxy: "v2",
  clients: { ranges: ["203.0.113.0/26", "2001:db8::/122"], distribution: "uniform", seed: 3 },
  sessionsMax: 120,
  threads: 2,
};

const { lapi, book } = await startBook(t);
book.ban("203.0.113.0/26");
const crowdsec = crowdsecAt(lapi.url);
const { gateway, sinks } = await startGuarded(t, { crowdsec, limits: { default: { connectionCount: 0 } } });
await eventsAre(gateway, "decisions-loaded", 1);

function bans(listener: string, asked: Partial<Plan>): Promise<Result> {
  return run(planOf(gateway.port(listener), { ...population, ...asked }), unwatched());
}

for (const [protocol, words] of [
  ["smtp", "554 5.7.1 gateway.example.test Error: access denied for #"],
  ["imap", "BYE [NOPERM] Access denied"],
] as const) {
  t.test(`bans counts who is turned away when the gateway says so in ${protocol}`, async (t) => {
    const { counts, findings, seconds } = await bans(protocol, { protocol, banned: ["203.0.113.0/24"] });
    const { begun, done, turnedAway } = counts;
    t.equal(begun, 120);
    t.equal(done + turnedAway, 120);
    t.ok(turnedAway > 20 && done > 20);
    t.strictSame(outcomesOf(findings), {
      "banned, turned away": [`${turnedAway} of ${turnedAway}`, true],
      "others, wrongly turned away": [`0 of ${done}`, true],
      "banned, turned away each second": [(turnedAway / seconds).toFixed(1), null],
      "the banned, refused by": [`${words} × ${turnedAway}`, null],
    });
    t.equal((await sinks[protocol].counts()).connections, done);
    const sources = (await sinks[protocol].identities()).map(({ proxy }) => proxy);
    t.ok(sources.every((source) => source?.startsWith("[2001:db8::")));
  });
}

t.test("bans finds fault when the banned get in, and others do not", async (t) => {
  const { counts, findings } = await bans("smtp", { banned: ["2001:db8::/32"] });
  t.match(outcomesOf(findings), {
    "banned, turned away": [`0 of ${counts.done}`, false],
    "others, wrongly turned away": [`${counts.turnedAway} of ${counts.turnedAway}`, false],
    "others, refused by": [/^554 /, null],
  });
});

t.test("bans counts the banned as turned away when they hear no word", async (t) => {
  const { counts, findings } = await bans("drop", { banned: ["203.0.113.0/24"] });
  t.equal(counts.turnedAway, 0);
  t.match(outcomesOf(findings), {
    "banned, turned away": [`${counts.failed} of ${counts.failed}`, true],
    "others, wrongly turned away": [`0 of ${counts.done}`, true],
    "the banned, refused by": [/^(?:an end without a word|a reset) /, null],
  });
});

t.test("bans counts the banned as turned away when they wait in vain for a greeting", async (t) => {
  const upstream = await startUpstream(t, {
    script: async (end) => {
      // The address of a PROXY header of version 2, behind its first sixteen bytes.
      const header = await end.bytes(28);
      if (header.subarray(16, 19).equals(Buffer.from([203, 0, 113]))) return;
      end.send("220 mx\r\n");
      await end.line();
      end.send("221 bye\r\n");
      end.end();
    },
  });
  const clients = { ranges: ["203.0.113.0/26", "192.0.2.0/26"], distribution: "uniform", seed: 3 } as const;
  const banned = ["203.0.113.0/24"];
  const pace = { kind: "closed", concurrency: 20, rampMs: 0 } as const;
  const asked = { ...population, clients, banned, pace, timeoutMs: 300, sessionsMax: 40 };
  const { counts, findings } = await run(planOf(upstream.port, asked), unwatched());
  t.match(outcomesOf(findings), {
    "banned, turned away": [`${counts.failed} of ${counts.failed}`, true],
    "others, wrongly turned away": [`0 of ${counts.done}`, true],
    "the banned, refused by": [`silence × ${counts.failed}`, null],
  });
});

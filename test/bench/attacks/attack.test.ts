/** The attacks against a server that falls for whatever it can: what it does wrong is found, by the name of the trick. */
import t from "tap";
import { makeCertificate } from "../../../bench/harness/certificate.ts";
import type { Plan } from "../../../bench/load/plan.ts";
import type { Finding } from "../../../bench/load/result.ts";
import { run } from "../../../bench/load/run.ts";
import { startSink } from "../../../bench/sink/sink.ts";
import { startUpstream } from "../../live/upstream.ts";
import { freePort } from "../../servers/ports.ts";
import { loaded, planOf, unwatched } from "../load/plans.ts";
import { startServer } from "./servers.ts";

t.setTimeout(60_000);

function attackPlan(port: number, more: Partial<Plan> = {}): Plan {
  return planOf(port, { scenario: "attack", proxy: "v2", sessionsMax: 0, timeoutMs: 400, ...more });
}

async function played(plan: Plan): Promise<readonly Finding[]> {
  return (await loaded(plan)).findings;
}

function namesOf(findings: readonly Finding[], isWell: boolean | null): string[] {
  return findings.filter((finding) => finding.isWell === isWell).map(({ what }) => what);
}

t.test("attack finds the second mail and the missing header when a server falls for them", async (t) => {
  const server = await startServer(t, "naive", "smtp");
  const findings = await played(attackPlan(server.port));
  const faults = namesOf(findings, false);
  for (const what of [
    "smuggling: a mail behind LF . LF",
    "smuggling: a mail behind LF . CR LF",
    "smuggling: a mail behind CR LF . LF",
    "smuggling: a mail behind CR . CR",
    "BDAT: a chunk of -1 bytes",
    "BDAT: DATA in the midst of chunks",
    "PROXY v1: a port of 65536",
    "PROXY v2: version 1",
    "no PROXY header: nothing at all",
    "slow header: byte by byte, and never whole",
    "second header: of version 1, behind the greeting",
  ])
    t.ok(faults.includes(what), what);
  t.ok(
    server.mails.some((mail) => mail.includes("inside")),
    "it has been smuggled in",
  );
  t.match(findings.at(-1), { what: "an ordinary session, after all others", isWell: true });
});

t.test("attack finds the headers alone when an IMAP server takes none", async (t) => {
  const server = await startServer(t, "naive", "imap");
  const findings = await played(attackPlan(server.port, { protocol: "imap" }));
  const faults = namesOf(findings, false);
  t.ok(faults.includes("no PROXY header: a command"));
  t.ok(faults.includes("second header: of version 1, behind the greeting"));
  t.ok(namesOf(findings, null).includes("literal: {99999999+} of a login"));
});

t.test("attack plays no trick with headers when the target expects none", async (t) => {
  const server = await startServer(t, "strict", "smtp");
  const findings = await played(attackPlan(server.port, { proxy: "off" }));
  t.same(namesOf(findings, false), []);
  t.notOk(findings.some(({ what }) => /header|PROXY/.test(what)));
});

t.test("attack says that it has nothing to attack when nobody listens, or nobody answers", async (t) => {
  const port = await freePort();
  t.same(await played(attackPlan(port)), [
    {
      what: "an ordinary session, before all others",
      outcome: `not let in: 127.0.0.1:${port} cannot be reached`,
      isWell: false,
    },
  ]);
  const mute = await startUpstream(t);
  t.match(await played(attackPlan(mute.port)), [
    { outcome: /^not let in: still open after \d+ ms, nothing said$/, isWell: false },
  ]);
});

t.test("attack ends with what it has when the run is over", async (t) => {
  const server = await startServer(t, "naive", "smtp");
  const plan = attackPlan(server.port, { timeoutMs: 5000, durationMs: 500 });
  const { findings, counts } = await run({ ...plan, sessionsMax: 1000 }, unwatched());
  const outcomes = findings.map(({ outcome }) => outcome);
  t.ok(outcomes.includes("not played, as the run was over"));
  t.notOk(outcomes[0]?.startsWith("not played"));
  t.equal(counts.begun, 0);
  const none = await run(plan, unwatched({ signal: AbortSignal.abort() }));
  t.same([...new Set(none.findings.map(({ outcome }) => outcome))], ["not played, as the run was over"]);
});

t.test("attack tells how many of its tricks are over while it plays", async (t) => {
  const server = await startServer(t, "strict", "smtp");
  const { samples, findings } = await run(attackPlan(server.port), unwatched());
  const { tricks } = samples.at(-1)!;
  // The last of all is no trick.
  t.strictSame(tricks, { played: findings.length - 1, of: findings.length - 1 });
});

t.test("attack begins TLS by STARTTLS in IMAP when it is asked to, and says where it cannot", async (t) => {
  const asked = { protocol: "imap", proxy: "off", tls: "starttls" } as const;
  const server = await startServer(t, "strict", "imap");
  t.match(await played(attackPlan(server.port, asked)), [
    {
      what: "an ordinary session, before all others",
      outcome: /^not played, as STARTTLS was not taken: still open after \d+ ms, “a BAD what\?”$/,
      isWell: false,
    },
  ]);
  const sink = await startSink({ protocol: "imap", certificate: makeCertificate("ECDSA P-256") });
  t.teardown(() => sink.stop());
  const findings = await played(attackPlan(sink.port, asked));
  t.match(findings.at(-1), { what: "an ordinary session, after all others", isWell: true });
});

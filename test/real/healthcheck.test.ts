/**
 * A load balancer's health checks, every way that HAProxy has, for minutes and by the hundred, and monitors that connect
 * through it or past it. They have to be content, and neither Postfix nor Dovecot may hear of a single one: a LOCAL header with a reset behind it ends an smtpd, and its
 * port is deaf for the minute after.
 */
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { Client } from "../servers/client.ts";
import { startDovecot } from "../servers/dovecot.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { startHaproxy } from "../servers/haproxy.ts";
import { localHeader, proxyHeader } from "../servers/header.ts";
import { startPostfix } from "../servers/postfix.ts";
import { until } from "../servers/process.ts";
import { sendMail } from "../servers/talk.ts";

const watchMs = 125_000;
t.setTimeout(watchMs * 3);

/** HAProxy gives its address to whoever comes to its `watched…` ports. */
const monitor = "198.51.100.99";
const watched = { monitors: [monitor] };
const direct = { proxy: { mode: "off" }, monitors: ["127.0.0.1"] };

const dovecot = await startDovecot(t);
const postfix = await startPostfix(t, { dovecot });
const gateway = await startGateway(t, {
  listeners: {
    smtp: behindProxy("smtp", "smtp"),
    submissions: behindProxy("smtp", "submissions", "passthrough"),
    imap: behindProxy("imap", "imap"),
    imaps: behindProxy("imap", "imaps", "passthrough"),
    watched: { ...behindProxy("smtp", "smtp"), ...watched },
    watchedImap: { ...behindProxy("imap", "imap"), ...watched },
    direct: { ...behindProxy("smtp", "submission"), ...direct },
    directImap: { ...behindProxy("imap", "imap"), ...direct },
  },
  pools: {
    smtp: poolOf(postfix.port("smtpProxy"), "proxy-v2"),
    submission: poolOf(postfix.port("submissionProxy"), "proxy-v2"),
    submissions: poolOf(postfix.port("submissionsProxy"), "proxy-v2"),
    imap: poolOf(dovecot.port("imapProxy"), "proxy-v2"),
    imaps: poolOf(dovecot.port("imapsProxy"), "proxy-v2"),
  },
});
const checks = {
  connected: { to: gateway.port("smtp"), check: "local" },
  asked: { to: gateway.port("smtp"), check: "smtpchk" },
  scripted: { to: gateway.port("smtp"), check: "smtp" },
  imap: { to: gateway.port("imap"), check: "imap" },
  submissions: { to: gateway.port("submissions"), check: "local" },
  imaps: { to: gateway.port("imaps"), check: "local" },
  watched: { to: gateway.port("watched"), client: monitor },
  watchedImap: { to: gateway.port("watchedImap"), client: monitor },
} as const;
const haproxy = await startHaproxy(t, checks);
postfix.log.mark();
dovecot.log.mark();

/** What the gateway has counted at a listener. */
async function checksAt(listener: string): Promise<number> {
  const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  const pattern = new RegExp(`^postern_healthchecks_total\\{listener="${listener}"\\} (\\d+)$`, "m");
  return Number(pattern.exec(metrics)?.[1] ?? 0);
}

const header = localHeader;
t.test("200 checkers are answered when each speaks SMTP", async (t) => {
  for (let index = 0; index < 200; index++) {
    const client = await Client.connect(t, { port: gateway.port("smtp"), header });
    if (!(await client.reply()).startsWith("220 ")) t.fail("a checker was not greeted");
    if (!(await client.smtp("EHLO checker.example")).startsWith("250")) t.fail("a checker was not answered");
    if (!(await client.smtp("QUIT")).startsWith("221 ")) t.fail("a checker was not seen off");
    client.close();
  }
  t.ok((await checksAt("smtp")) >= 200, "each was counted as a check");
});

t.test("200 checkers are harmless when each resets its connection", async (t) => {
  for (const port of [gateway.port("smtp"), gateway.port("submissions")]) {
    for (let index = 0; index < 100; index++) {
      const client = await Client.connect(t, { port, header });
      client.reset();
    }
  }
  const client = await Client.connect(t, { port: gateway.port("smtp"), header });
  t.match(await client.reply(), /^220 /);
});

/** How a monitor leaves; each is the client's whole conversation. */
const visits: readonly ((client: Client, protocol: "smtp" | "imap") => Promise<void>)[] = [
  async () => {},
  async (client) => void (await client.line()),
  async (client, protocol) => {
    const [last, bye] = protocol === "imap" ? ["x LOGOUT", "* BYE "] : ["QUIT", "221 "];
    await client.line();
    client.send(`${last}\r\n`);
    if (!(await client.line()).startsWith(bye)) throw new Error("a monitor was not seen off");
  },
];

t.test("60 monitors are answered at each listener, through HAProxy and directly", async (t) => {
  for (const [listener, port, protocol] of [
    ["watched", haproxy.port("watched"), "smtp"],
    ["watchedImap", haproxy.port("watchedImap"), "imap"],
    ["direct", gateway.port("direct"), "smtp"],
    ["directImap", gateway.port("directImap"), "imap"],
  ] as const) {
    for (let index = 0; index < 60; index++) {
      const client = await Client.connect(t, { port });
      await visits[index % visits.length]!(client, protocol);
      client.close();
    }
    await until(`60 checks at ${listener}`, async () => (await checksAt(listener)) === 60);
    t.pass(listener);
  }
});

t.test("HAProxy sees every server up when it has checked them for two minutes", async (t) => {
  await sleep(watchMs);
  // A star before the last check's result says that another is under way.
  for (const name of ["connected", "asked", "scripted", "imap", "submissions", "imaps"] as const) {
    const state = await haproxy.state(name);
    t.match(state, { status: "UP", failedChecks: 0, downs: 0, checkStatus: /^(\* )?L[467]OK$/ }, name);
  }
  for (const [listener, least] of [
    ["smtp", 600],
    ["imap", 100],
    ["submissions", 100],
    ["imaps", 100],
  ] as const) {
    const counted = await checksAt(listener);
    t.ok(counted >= least, `${counted} checks at ${listener}`);
  }
});

t.test("no server has heard of any check, and no log line tells of one", async (t) => {
  t.same(postfix.log.lines(), []);
  t.same(dovecot.log.lines(), []);
  t.same(
    gateway.lines().filter((line) => line.event === "session"),
    [],
  );
});

t.test("a client is served when the checks are over", async (t) => {
  const client = await Client.connect(t, {
    port: haproxy.port("asked"),
    header: proxyHeader("203.0.113.7"),
  });
  const id = await sendMail(client, "after the checks");
  await postfix.log.waitFor(new RegExp(`${id}: client=unknown\\[203\\.0\\.113\\.7\\]`));
  t.notMatch(postfix.log.lines().join("\n"), /fatal|throttling|warning/);
});

/**
 * Postern's own checks, 200 of them on each kind of port that Postfix and Dovecot have. They say who they are, and
 * nothing else in the logs tells of them: no warning, no lost connection, no early talk, no hang-up.
 */
import t from "tap";
import { startDovecot } from "../servers/dovecot.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { startPostfix } from "../servers/postfix.ts";

const CHECKS = 200;
t.setTimeout(240_000);

const dovecot = await startDovecot(t, { trustId: true });
const postfix = await startPostfix(t, { dovecot, xclient: true });
postfix.log.mark();
dovecot.log.mark();

/** As often as can be, for a while: each check is told to another port. */
const health = { interval: "100ms", logIdentity: "198.51.100.77" };
const tls = (mode: string) => ({ tls: { mode, verify: "none" } });
const checked = (port: number, identity: string, more: object = {}) => ({
  ...poolOf(port, identity),
  health,
  ...more,
});
const smtp = {
  stock: checked(postfix.port("smtp"), "xclient"),
  secured: checked(postfix.port("smtp"), "xclient", tls("starttls")),
  submission: checked(postfix.port("submission"), "none", tls("starttls")),
  wrapped: checked(postfix.port("submissions"), "xclient", tls("implicit")),
  proxied: checked(postfix.port("smtpProxy"), "proxy-v2"),
  older: checked(postfix.port("submissionProxy"), "proxy-v1"),
  elsewhere: {
    ...poolOf(postfix.port("smtpProxy"), "proxy-v2"),
    health: { ...health, address: `:${postfix.port("smtp")}`, identity: "none" },
  },
  postscreen: checked(postfix.port("postscreenProxy"), "proxy-v2"),
};
const imap = {
  imap: checked(dovecot.port("imap"), "id"),
  imapSecured: checked(dovecot.port("imap"), "id", tls("starttls")),
  imapWrapped: checked(dovecot.port("imaps"), "id", tls("implicit")),
  imapProxied: checked(dovecot.port("imapProxy"), "proxy-v2"),
};
const through = {
  submissionsThrough: checked(postfix.port("submissionsProxy"), "proxy-v2"),
  imapsThrough: checked(dovecot.port("imapsProxy"), "proxy-v2"),
};
const imapPools = Object.keys(imap).length + 1;
const listeners = {
  ...Object.fromEntries(Object.keys(smtp).map((pool) => [pool, behindProxy("smtp", pool)])),
  ...Object.fromEntries(Object.keys(imap).map((pool) => [pool, behindProxy("imap", pool)])),
  submissionsThrough: behindProxy("smtp", "submissionsThrough", "passthrough"),
  imapsThrough: behindProxy("imap", "imapsThrough", "passthrough"),
};
const pools = { ...smtp, ...imap, ...through };
const gateway = await startGateway(t, { listeners, pools });

async function checksOf(pool: string, text: string): Promise<number> {
  const found = new RegExp(`^postern_server_check_seconds_count\\{pool="${pool}"\\} (\\d+)$`, "m").exec(text);
  return Number(found?.[1] ?? 0);
}

t.test(`every server is up when it has been checked ${CHECKS} times`, async (t) => {
  for (;;) {
    const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    const counts = await Promise.all(Object.keys(pools).map((pool) => checksOf(pool, text)));
    if (Math.min(...counts) >= CHECKS) break;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  const servers: unknown = await (await fetch(`${gateway.adminUrl}/api/servers`)).json();
  for (const server of Array.isArray(servers) ? servers : []) {
    t.match(server, { up: true, fault: null, downBy: null }, server.pool);
  }
  t.notOk(gateway.lines().some(({ event }) => event === "server-down"));
});

/** What no log may say while it is only checked. */
const amiss = /warning|fatal|panic|error|PREGREET|HANGUP|lost connection|improper|throttling|timeout/i;

t.test("the servers' logs tell of checks by their client, and of nothing amiss", async (t) => {
  await gateway.stop();
  const mail = postfix.log.lines();
  t.same(
    mail.filter((line) => amiss.test(line)),
    [],
  );
  for (const told of [
    /disconnect from unknown\[198\.51\.100\.77\] .*xclient=0\/1 .*quit=1/,
    /PASS NEW \[198\.51\.100\.77\]/,
    /PASS OLD \[198\.51\.100\.77\]/,
  ]) {
    t.ok(
      mail.some((line) => told.test(line)),
      String(told),
    );
  }
  const visits = dovecot.log.lines().filter((line) => /imap-login/.test(line));
  t.ok(visits.length >= imapPools * CHECKS);
  const usual = /Info: Disconnected: Aborted login by logging out .*rip=198\.51\.100\.77,/;
  t.same(
    visits.filter((line) => !usual.test(line)),
    [],
  );
});

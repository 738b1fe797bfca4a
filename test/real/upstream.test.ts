/** What the servers themselves refuse reaches the client as it is; what they cannot say any more, the gateway says. */
import t, { type Test } from "tap";
import { Client } from "../servers/client.ts";
import { startDovecot } from "../servers/dovecot.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { startHaproxy } from "../servers/haproxy.ts";
import { localHeader, proxyHeader } from "../servers/header.ts";
import { freePort } from "../servers/ports.ts";
import { startPostfix } from "../servers/postfix.ts";
import { until } from "../servers/process.ts";
import { tryRelay } from "../servers/talk.ts";

const dovecot = await startDovecot(t);
const postfix = await startPostfix(t, {
  dovecot,
  settings: {
    smtpd_client_connection_rate_limit: "3",
    smtpd_client_message_rate_limit: "2",
    smtpd_client_recipient_rate_limit: "2",
    message_size_limit: "5000",
  },
});
const open = await startPostfix(t, {
  dovecot,
  xclient: true,
  settings: { smtpd_client_connection_rate_limit: "1" },
});
const gateway = await startGateway(t, {
  listeners: {
    smtp: behindProxy("smtp", "smtp"),
    xclient: behindProxy("smtp", "xclient"),
    unauthorised: behindProxy("smtp", "unauthorised"),
    unbelieved: behindProxy("imap", "unbelieved"),
    submissions: behindProxy("smtp", "submissions", "passthrough"),
    imap: behindProxy("imap", "imap"),
  },
  pools: {
    smtp: poolOf(postfix.port("smtpProxy"), "proxy-v2"),
    xclient: poolOf(open.port("smtp"), "xclient"),
    unauthorised: poolOf(postfix.port("smtp"), "xclient"),
    unbelieved: poolOf(postfix.port("smtp"), "id"),
    submissions: poolOf(postfix.port("submissionsProxy"), "proxy-v2"),
    imap: poolOf(await freePort(), "proxy-v2"),
  },
});
const haproxy = await startHaproxy(t, {
  smtp: { to: gateway.port("smtp") },
  checked: { to: gateway.port("smtp"), check: "smtpchk" },
});

const unavailable = "421 4.3.2 gateway.example.test Service not available, try again later\r\n";
const connect = (test: Test, ip: string) =>
  Client.connect(test, { port: haproxy.port("smtp"), header: proxyHeader(ip) });

t.test("Postfix's 421 is what the client sees when anvil refuses its fourth connection", async (t) => {
  const ip = "203.0.113.7";
  for (let index = 0; index < 3; index++) {
    const client = await connect(t, ip);
    t.equal(await client.reply(), "220 mail.example.test ESMTP Postfix");
    await client.smtp("QUIT");
  }
  const client = await connect(t, ip);
  const text = `421 4.7.0 mail.example.test Error: too many connections from ${ip}\r\n`;
  t.equal(await client.rest(), text);
  await postfix.log.waitFor(/Connection rate limit exceeded: 4 from unknown\[203\.0\.113\.7\]/);
});

t.test("Postfix's 421 to XCLIENT is what the client sees when it comes too often", async (t) => {
  const ip = "2001:db8::8";
  const header = proxyHeader(ip);
  const first = await Client.connect(t, { port: gateway.port("xclient"), header });
  t.equal(await first.reply(), "220 mail.example.test ESMTP Postfix");
  const second = await Client.connect(t, { port: gateway.port("xclient"), header });
  const text = `421 4.7.0 mail.example.test Error: too many connections from ${ip}\r\n`;
  t.equal(await second.rest(), text);
});

t.test("Postfix's replies pass unchanged when it refuses a message, a recipient, a size", async (t) => {
  const client = await connect(t, "203.0.113.9");
  await client.reply();
  await client.smtp("EHLO client.example.org");
  t.equal(
    await client.smtp("MAIL FROM:<carol@example.org> SIZE=6000"),
    "552 5.3.4 Message size exceeds fixed limit",
  );
  await client.smtp("RSET");
  t.equal(await client.smtp("MAIL FROM:<carol@example.org>"), "250 2.1.0 Ok");
  const unknown =
    "550 5.1.1 <nobody@example.test>: Recipient address rejected: User unknown in virtual mailbox table";
  t.equal(await client.smtp("RCPT TO:<nobody@example.test>"), unknown);
  await client.smtp("RCPT TO:<alice@example.test>");
  const tooMany = "450 4.7.1 Error: too many recipients from 203.0.113.9";
  t.equal(await client.smtp("RCPT TO:<bob@example.test>"), tooMany);
  await client.smtp("RSET");
  const tooMuch = "450 4.7.1 Error: too much mail from 203.0.113.9";
  t.equal(await client.smtp("MAIL FROM:<carol@example.org>"), tooMuch);
  t.equal(await client.smtp("QUIT"), "221 2.0.0 Bye");
});

t.test("the client is refused when Postfix does not take XCLIENT from the gateway", async (t) => {
  const ip = "203.0.113.10";
  const client = await Client.connect(t, { port: gateway.port("unauthorised"), header: proxyHeader(ip) });
  t.equal(await client.rest(), unavailable, "and has no session under the gateway's own address");
  const line = await gateway.session("unauthorised", ip);
  t.match(line, { outcome: "failed", reason: "identity-refused" });
});

t.test("the client is refused when the server behind an IMAP listener does not speak IMAP", async (t) => {
  const ip = "203.0.113.11";
  const client = await Client.connect(t, { port: gateway.port("unbelieved"), header: proxyHeader(ip) });
  t.match(await client.rest(), /^\* BYE \[UNAVAILABLE\] .*\r\n$/);
  const line = await gateway.session("unbelieved", ip);
  t.match(line, { outcome: "failed", reason: "identity-refused" });
});

t.test("a relay attempt is still refused by Postfix when the gateway has refused others", async (t) => {
  t.match(await tryRelay(await connect(t, "203.0.113.12"), "plain"), "Relay access denied");
});

t.test("the client is told to come back when no server is there", async (t) => {
  t.match(await haproxy.state("checked"), { status: "UP", downs: 0 });
  await postfix.stop();
  const failed = { outcome: "failed", reason: "upstream-unavailable" };
  const mail = await connect(t, "203.0.113.13");
  t.equal(await mail.rest(), unavailable);
  t.match(await gateway.session("smtp", "203.0.113.13"), failed);
  const reader = await Client.connect(t, { port: gateway.port("imap"), header: proxyHeader("203.0.113.14") });
  t.match(await reader.rest(), /^\* BYE \[UNAVAILABLE\] .*\r\n$/);
  t.match(await gateway.session("imap", "203.0.113.14"), failed);
  const header = proxyHeader("203.0.113.15");
  const opaque = await Client.connect(t, { port: gateway.port("submissions"), header });
  t.equal(await opaque.rest(), "", "inside TLS there are no words for it");
  t.match(await gateway.session("submissions", "203.0.113.15"), failed);
});

t.test("checkers are told so when no server is there", async (t) => {
  const checker = await Client.connect(t, { port: gateway.port("smtp"), header: localHeader });
  t.match(await checker.rest(), /^421 4\.3\.2 .*\r\n$/);
  const tls = await Client.connect(t, { port: gateway.port("submissions"), header: localHeader });
  t.equal(await tls.rest(), "");
  const status = await until("HAProxy to see it", async () => {
    const state = await haproxy.state("checked");
    return state.status === "DOWN" && state.status;
  });
  t.equal(status, "DOWN");
  t.equal((await fetch(`${gateway.adminUrl}/readyz`)).status, 503);
  t.equal((await fetch(`${gateway.adminUrl}/healthz`)).status, 200);
});

/**
 * A mail's whole way: client → HAProxy → gateway → Postfix → LMTP → Dovecot, and back by IMAPS through the gateway. Every
 * server on it has to know the client by its own address.
 */
import { ImapFlow } from "imapflow";
import { createTransport } from "nodemailer";
import t, { type Test } from "tap";
import { Client } from "../servers/client.ts";
import { password, startDovecot } from "../servers/dovecot.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { startHaproxy } from "../servers/haproxy.ts";
import { proxyHeader } from "../servers/header.ts";
import { startPostfix } from "../servers/postfix.ts";
import { fetchMail, sendMail } from "../servers/talk.ts";

const dovecot = await startDovecot(t);
const postfix = await startPostfix(t, { dovecot, xclient: true });
const gateway = await startGateway(t, {
  listeners: {
    "proxy-v2": behindProxy("smtp", "proxy-v2"),
    "proxy-v1": behindProxy("smtp", "proxy-v1"),
    xclient: behindProxy("smtp", "xclient"),
    submissions: behindProxy("smtp", "submissions", "passthrough"),
    imaps: behindProxy("imap", "imaps", "passthrough"),
    ipv6: {
      listen: "[::1]:0",
      protocol: "smtp",
      proxy: { mode: "required", from: ["::1"] },
      pool: "ipv6",
    },
  },
  pools: {
    "proxy-v2": poolOf(postfix.port("smtpProxy"), "proxy-v2"),
    "proxy-v1": poolOf(postfix.port("smtpProxy"), "proxy-v1"),
    xclient: poolOf(postfix.port("smtp"), "xclient"),
    submissions: poolOf(postfix.port("submissionsProxy"), "proxy-v2"),
    imaps: poolOf(dovecot.port("imapsProxy"), "proxy-v2"),
    ipv6: { servers: [`[::1]:${postfix.port("smtpProxy")}`], identity: "proxy-v2" },
  },
});
const haproxy = await startHaproxy(t, {
  "proxy-v2": { to: gateway.port("proxy-v2") },
  "proxy-v1": { to: gateway.port("proxy-v1") },
  xclient: { to: gateway.port("xclient") },
  imaps: { to: gateway.port("imaps") },
  fixedSubmissions: { to: gateway.port("submissions"), client: "203.0.113.90" },
  fixedImaps: { to: gateway.port("imaps"), client: "203.0.113.91" },
});

/** What has to name the client: Postfix's log, the message itself, and Dovecot's log. */
async function checkTrail(t: Test, ip: string, trail: { id: string; subject: string }): Promise<void> {
  await postfix.log.waitFor(new RegExp(`${trail.id}: client=unknown\\[${ip}\\]`));
  await postfix.log.waitFor(new RegExp(`${trail.id}: to=<alice@example.test>.* status=sent`));
  const reader = await Client.connect(t, {
    port: haproxy.port("imaps"),
    header: proxyHeader(ip),
    tls: true,
  });
  const message = await fetchMail(reader, trail.subject);
  const literal = ip.includes(":") ? `IPv6:${ip}` : ip;
  t.match(
    message,
    `Received: from client.example.org (unknown [${literal}])`,
    "the message names the client",
  );
  t.match(message, "\nHello.\n.\n", "the text is whole");
  await dovecot.log.waitFor(new RegExp(`Login: user=<alice>, .* rip=${ip}, lip=.* TLS`));
}

const ways = [
  ["proxy-v2", "203.0.113.7"],
  ["proxy-v2", "2001:db8::7"],
  ["proxy-v1", "203.0.113.8"],
  ["proxy-v1", "2001:db8::8"],
  ["xclient", "203.0.113.9"],
  ["xclient", "2001:db8::9"],
] as const;
for (const [identity, ip] of ways) {
  t.test(`a mail names its client when ${ip} sends it and the identity is ${identity}`, async (t) => {
    const subject = `${identity} from ${ip}`;
    const client = await Client.connect(t, { port: haproxy.port(identity), header: proxyHeader(ip) });
    const id = await sendMail(client, subject);
    t.equal(await client.rest(), "", "nothing follows the goodbye");
    await checkTrail(t, ip, { id, subject });
    const line = await gateway.session(identity, ip);
    t.match(line, { outcome: "closed", reason: null, client: { ip, port: 40_123 } });
    t.match(line, { server: /^127\.0\.0\.1:\d+$/, peer: { ip: "127.0.0.1" } });
  });
}

t.test("a mail names its client when both sides of the gateway are IPv6", async (t) => {
  const ip = "2001:db8::66";
  const client = await Client.connect(t, {
    host: "::1",
    port: gateway.port("ipv6"),
    header: proxyHeader(ip),
  });
  const id = await sendMail(client, "all IPv6");
  await checkTrail(t, ip, { id, subject: "all IPv6" });
  t.match(await gateway.session("ipv6", ip), { outcome: "closed", peer: { ip: "::1" } });
});

t.test("a mail arrives when real mail programs send and fetch it", async (t) => {
  const transport = createTransport({
    host: "127.0.0.1",
    port: haproxy.port("fixedSubmissions"),
    secure: true,
    tls: { rejectUnauthorized: false },
    auth: { user: "alice", pass: password },
  });
  const lines = Array.from({ length: 20_000 }, (_, index) => `.line ${index}`);
  const sent = await transport.sendMail({
    from: "alice@example.test",
    to: "bob@example.test",
    subject: "from a real program",
    text: lines.join("\n"),
  });
  transport.close();
  await postfix.log.waitFor(/client=unknown\[203\.0\.113\.90\], sasl_method=PLAIN, sasl_username=alice/);
  await postfix.log.waitFor(/to=<bob@example\.test>.* status=sent/);
  const imap = new ImapFlow({
    host: "127.0.0.1",
    port: haproxy.port("fixedImaps"),
    secure: true,
    tls: { rejectUnauthorized: false },
    auth: { user: "bob", pass: password },
    logger: false,
  });
  await imap.connect();
  await imap.mailboxOpen("INBOX");
  const message = await imap.fetchOne("*", { envelope: true, source: true });
  await imap.logout();
  t.match(message, { envelope: { messageId: sent.messageId } });
  const source = message === false ? "" : String(message.source);
  t.match(source, ".line 19999", "a mail of a quarter of a megabyte is whole");
  await dovecot.log.waitFor(/Login: user=<bob>, .* rip=203\.0\.113\.91/);
});

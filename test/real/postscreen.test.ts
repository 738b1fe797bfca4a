/**
 * postscreen behind the gateway. It tells early talkers from real clients by their patience with its first `220-` line:
 * the gateway must neither make a patient client look early, nor hide an early one, nor lose what it said.
 */
import t, { type Test } from "tap";
import { Client } from "../servers/client.ts";
import { startDovecot } from "../servers/dovecot.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { startHaproxy } from "../servers/haproxy.ts";
import { proxyHeader } from "../servers/header.ts";
import { greetWaitSeconds, startPostfix } from "../servers/postfix.ts";
import { sendMail } from "../servers/talk.ts";

const dovecot = await startDovecot(t);
const postfix = await startPostfix(t, { dovecot });
const gateway = await startGateway(t, {
  listeners: { smtp: behindProxy("smtp", "postscreen") },
  pools: { postscreen: poolOf(postfix.port("postscreenProxy"), "proxy-v2") },
});
const haproxy = await startHaproxy(t, { smtp: { to: gateway.port("smtp") } });

const connect = (test: Test, ip: string, behind = "") =>
  Client.connect(test, {
    port: haproxy.port("smtp"),
    header: Buffer.concat([proxyHeader(ip), Buffer.from(behind)]),
  });

for (const ip of ["203.0.113.7", "2001:db8::7"]) {
  t.test(`postscreen passes ${ip} on when it waits for the whole greeting`, async (t) => {
    const client = await connect(t, ip);
    t.equal(await client.line(), "220-mail.example.test ESMTP Postfix", "the teaser comes at once");
    t.equal(client.unread, "", "and the greeting only later");
    const started = performance.now();
    const id = await sendMail(client, "patience");
    t.ok(performance.now() - started > greetWaitSeconds * 500, "postscreen has listened for a while");
    await postfix.log.waitFor(new RegExp(`PASS NEW \\[${ip}\\]:40123`));
    await postfix.log.waitFor(new RegExp(`${id}: client=unknown\\[${ip}\\]`));
  });
}

t.test("postscreen hears every byte of an early talker when the talk comes with the header", async (t) => {
  const ip = "203.0.113.8";
  const client = await connect(t, ip, "EHLO early.example\r\nMAIL FROM:<spam@example.org>\r\n");
  t.equal(await client.line(), "220-mail.example.test ESMTP Postfix");
  t.match(
    await client.reply(),
    /^250-mail\.example\.test\n/,
    "the EHLO is answered, as there is no 220 line",
  );
  t.equal(await client.reply(), "250 2.1.0 Ok", "and so is the MAIL behind it");
  t.equal(await client.smtp("RCPT TO:<alice@example.test>"), "550 5.5.1 Protocol error");
  t.equal(await client.smtp("QUIT"), "221 2.0.0 Bye");
  t.equal(await client.rest(), "");
  const early = await postfix.log.waitFor(/PREGREET/);
  t.match(early, `from [${ip}]:40123: EHLO early.example\\r\\nMAIL FROM:<spam@example.org>\\r\\n`);
  await postfix.log.waitFor(new RegExp(`reject: RCPT from \\[${ip}\\]:40123: 550 5\\.5\\.1`));
});

t.test("postscreen hears an early talker when the talk comes between the two lines", async (t) => {
  const ip = "203.0.113.9";
  const client = await connect(t, ip);
  await client.line();
  t.match(await client.smtp("EHLO soon.example"), /^250-mail\.example\.test\n/);
  t.equal(await client.smtp("QUIT"), "221 2.0.0 Bye");
  const early = await postfix.log.waitFor(/PREGREET \d+ after .* from \[203\.0\.113\.9\]/);
  t.match(early, "EHLO soon.example\\r\\n");
});

t.test("postscreen takes nobody for the gateway", async (t) => {
  t.notMatch(postfix.log.lines().join("\n"), /127\.0\.0\.1|fatal|warning/);
});

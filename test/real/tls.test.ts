/** TLS that passes through: the certificate that a client meets is the server's own, and its login works as without us. */
import t, { type Test } from "tap";
import { Client } from "../servers/client.ts";
import { password, startDovecot } from "../servers/dovecot.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { startHaproxy } from "../servers/haproxy.ts";
import { proxyHeader } from "../servers/header.ts";
import { startPostfix } from "../servers/postfix.ts";
import { beginTls, plainLogin } from "../servers/talk.ts";

const dovecot = await startDovecot(t, { trustId: true });
const postfix = await startPostfix(t, { dovecot, xclient: true });
const gateway = await startGateway(t, {
  listeners: {
    submission: behindProxy("smtp", "submission"),
    submissionXclient: behindProxy("smtp", "submissionXclient"),
    submissions: behindProxy("smtp", "submissions", "passthrough"),
    opaque: behindProxy("tcp", "submissions"),
    imap: behindProxy("imap", "imap"),
    imapId: behindProxy("imap", "imapId"),
    imaps: behindProxy("imap", "imaps", "passthrough"),
  },
  pools: {
    submission: poolOf(postfix.port("submissionProxy"), "proxy-v2"),
    submissionXclient: poolOf(postfix.port("submission"), "xclient"),
    submissions: poolOf(postfix.port("submissionsProxy"), "proxy-v2"),
    imap: poolOf(dovecot.port("imapProxy"), "proxy-v2"),
    imapId: poolOf(dovecot.port("imap"), "id"),
    imaps: poolOf(dovecot.port("imapsProxy"), "proxy-v2"),
  },
});
const names = [
  "submission",
  "submissionXclient",
  "submissions",
  "opaque",
  "imap",
  "imapId",
  "imaps",
] as const;
const haproxy = await startHaproxy(
  t,
  Object.fromEntries(names.map((name) => [name, { to: gateway.port(name) }])),
);

const connect = (test: Test, name: (typeof names)[number], ip: string) =>
  Client.connect(test, { port: haproxy.port(name), header: proxyHeader(ip) });

for (const name of ["submission", "submissionXclient"] as const) {
  t.test(`STARTTLS passes through when the listener is ${name}`, async (t) => {
    const ip = name === "submission" ? "203.0.113.31" : "203.0.113.32";
    const client = await connect(t, name, ip);
    t.equal(await client.reply(), "220 mail.example.test ESMTP Postfix");
    const capabilities = await client.smtp("EHLO client.example.org");
    t.match(capabilities, /^250-STARTTLS$/m);
    t.notMatch(capabilities, /AUTH/, "no login is offered in the clear");
    t.equal(await beginTls(client), postfix.fingerprint256, "the certificate is Postfix's own");
    t.equal(await client.smtp(`AUTH PLAIN ${plainLogin}`), "235 2.7.0 Authentication successful");
    t.equal(await client.smtp("MAIL FROM:<alice@example.test>"), "250 2.1.0 Ok");
    t.equal(
      await client.smtp("RCPT TO:<outside@example.org>"),
      "250 2.1.5 Ok",
      "who has logged in may relay",
    );
    t.equal(await client.smtp("QUIT"), "221 2.0.0 Bye");
    await postfix.log.waitFor(new RegExp(`client=unknown\\[${ip.replaceAll(".", "\\.")}\\], .*=alice`));
  });
}

for (const name of ["submissions", "opaque"] as const) {
  t.test(`implicit TLS passes through when the listener is ${name}`, async (t) => {
    const ip = name === "submissions" ? "203.0.113.33" : "203.0.113.34";
    const client = await connect(t, name, ip);
    const { fingerprint256 } = await client.startTls();
    t.equal(fingerprint256, postfix.fingerprint256, "the certificate is Postfix's own");
    t.equal(await client.reply(), "220 mail.example.test ESMTP Postfix");
    await client.smtp("EHLO client.example.org");
    t.equal(await client.smtp(`AUTH PLAIN ${plainLogin}`), "235 2.7.0 Authentication successful");
    t.equal(await client.smtp("QUIT"), "221 2.0.0 Bye");
    await postfix.log.waitFor(new RegExp(`disconnect from unknown\\[${ip}\\] ehlo=1 auth=1 quit=1`));
  });
}

for (const name of ["imap", "imapId"] as const) {
  t.test(`STARTTLS of IMAP passes through when the listener is ${name}`, async (t) => {
    const ip = name === "imap" ? "203.0.113.35" : "203.0.113.36";
    const client = await connect(t, name, ip);
    t.match(await client.line(), /^\* OK \[CAPABILITY .*STARTTLS/);
    t.match(await client.imap("STARTTLS"), /^a1 OK/);
    const { fingerprint256 } = await client.startTls();
    t.equal(fingerprint256, dovecot.fingerprint256, "the certificate is Dovecot's own");
    t.match(await client.imap(`LOGIN alice ${password}`), /^a2 OK/m);
    t.match(await client.imap("LOGOUT"), /^\* BYE/);
    await dovecot.log.waitFor(new RegExp(`Login: user=<alice>, .* rip=${ip}, lip=192\\.0\\.2\\.25, .*TLS`));
  });
}

t.test("implicit TLS of IMAP passes through", async (t) => {
  const client = await connect(t, "imaps", "203.0.113.37");
  const { fingerprint256 } = await client.startTls();
  t.equal(fingerprint256, dovecot.fingerprint256, "the certificate is Dovecot's own");
  t.match(await client.line(), /^\* OK/);
  t.match(await client.imap(`LOGIN alice ${password}`), /^a1 OK/m);
  await dovecot.log.waitFor(/Login: user=<alice>, .* rip=203\.0\.113\.37, lip=192\.0\.2\.25, .*TLS/);
});

/**
 * Mail in IMAP after the login, when postern looks no more: 50 MB in either direction, mail that arrives while a client is
 * idle, and a mail program that others wrote, wherever TLS ends.
 */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { ImapFlow } from "imapflow";
import t, { type Test } from "tap";
import { End } from "../live/end.ts";
import { makeCertificate } from "../servers/certificate.ts";
import { password, startDovecot } from "../servers/dovecot.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { startHaproxy } from "../servers/haproxy.ts";
import { proxyHeader } from "../servers/header.ts";
import { deliver } from "../servers/lmtp.ts";
import { makeDirectory } from "../servers/process.ts";

t.setTimeout(240_000);

const dovecot = await startDovecot(t, { trustId: true });
const { certFile, keyFile } = makeCertificate(makeDirectory(t, "certificate"), "mail.example.test");
const gateway = await startGateway(t, {
  listeners: {
    imap: { ...behindProxy("imap", "id"), tls: "starttls" },
    imaps: { ...behindProxy("imap", "proxy"), tls: "implicit" },
    through: behindProxy("imap", "proxy"),
  },
  pools: {
    proxy: poolOf(dovecot.port("imapProxy"), "proxy-v2"),
    id: { ...poolOf(dovecot.port("imap"), "id"), tls: "starttls" },
  },
  tls: { certificates: [{ cert: certFile, key: keyFile }] },
});
const names = ["imap", "imaps", "through"] as const;
type Name = (typeof names)[number];

const LINES = 819_200;
/** 50 MB of lines that are all different, each of 64 bytes with its end: what is lost, doubled or moved is seen. */
const text = randomBytes((LINES * 62 * 3) / 4).toString("base64");
const body = Buffer.from(text.replace(/.{62}/g, "$&\r\n"), "latin1");
const mail = Buffer.concat([Buffer.from("Subject: large\r\n\r\n"), body]);
const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** In TLS and logged in as bob. */
async function enter(t: Test, name: Name, ip: string): Promise<End> {
  const client = await End.connect(t, { port: gateway.port(name) }, proxyHeader(ip));
  if (name === "imaps") await client.secure();
  await client.line();
  if (name !== "imaps") {
    client.send("a0 STARTTLS\r\n");
    t.match(await client.line(), /^a0 OK/);
    await client.secure();
  }
  client.send(`a1 LOGIN bob ${password}\r\n`);
  t.match(await client.line(), /^a1 OK/);
  return client;
}

for (const [index, name] of names.entries()) {
  t.test(`50 MB come whole out of the mailbox when they went in by ${name}`, async (t) => {
    const client = await enter(t, name, `203.0.113.${index + 1}`);
    client.send(`a2 CREATE ${name}\r\na3 APPEND ${name} {${mail.length}}\r\n`);
    await client.through("+ OK\r\n");
    client.send(mail);
    client.send("\r\n");
    t.match(await client.line(), /^a3 OK/);
    client.send(`a4 SELECT ${name}\r\n`);
    await client.through("a4 OK");
    client.send("a5 FETCH 1 BODY.PEEK[]\r\n");
    await client.through(`BODY[] {${mail.length}}\r\n`);
    t.equal(hashOf(await client.bytes(mail.length)), hashOf(mail));
    client.send("a6 LOGOUT\r\n");
    t.match(await client.rest(), /\r\na5 OK .*\r\n\* BYE .*\r\na6 OK .*\r\n$/);
    client.end();
    const line = await gateway.session(name, `203.0.113.${index + 1}`);
    t.match(line, { outcome: "closed", reason: null });
    t.ok((line.bytesIn ?? 0) > mail.length && (line.bytesOut ?? 0) > mail.length, "all of it is counted");
  });
}

t.test("IDLE tells of a mail that arrives after two minutes of silence, wherever TLS ends", async (t) => {
  const idle = [];
  for (const [index, name] of names.entries()) {
    const client = await enter(t, name, `203.0.113.${index + 11}`);
    client.send("a2 SELECT INBOX\r\n");
    const before = Number(/\* (\d+) EXISTS/.exec(await client.through("a2 OK"))?.[1]);
    await client.line();
    client.send("a3 IDLE\r\n");
    t.match(await client.line(), /^\+ /);
    idle.push({ client, before });
  }
  // Longer than a client may be silent that has not logged in. Dovecot says that it is still there every two minutes.
  for (const [arrived, silenceMs] of [
    [1, 0],
    [2, 125_000],
  ] as const) {
    await sleep(silenceMs);
    await deliver(dovecot.lmtpSocket, "bob", "arrives");
    for (const { client, before } of idle) await client.through(`* ${before + arrived} EXISTS\r\n`);
  }
  for (const { client } of idle) {
    client.send("DONE\r\n");
    await client.through("a3 OK Idle completed");
  }
});

const haproxy = await startHaproxy(t, {
  imap: { to: gateway.port("imap"), client: "203.0.113.31" },
  imaps: { to: gateway.port("imaps"), client: "203.0.113.32" },
  through: { to: gateway.port("through"), client: "203.0.113.33" },
});

for (const [index, name] of names.entries()) {
  t.test(`imapflow logs in, stores, fetches and is told of mail when it comes by ${name}`, async (t) => {
    const ip = `203.0.113.${31 + index}`;
    const imap = new ImapFlow({
      host: "127.0.0.1",
      port: haproxy.port(name),
      secure: name === "imaps",
      doSTARTTLS: name !== "imaps",
      tls: { rejectUnauthorized: false },
      auth: { user: "alice", pass: password },
      clientInfo: { name: "test" },
      logger: false,
    });
    await imap.connect();
    await dovecot.log.waitFor(new RegExp(`Login: user=<alice>, .* rip=${ip}, lip=`));
    const { exists } = await imap.mailboxOpen("INBOX");
    const grown = once(imap, "exists");
    const idle = imap.idle();
    await deliver(dovecot.lmtpSocket, "alice", "for imapflow");
    t.match(await grown, [{ count: exists + 1, prevCount: exists }]);
    const part = mail.subarray(0, 1_000_000);
    t.ok(await imap.append("INBOX", part));
    await idle;
    const message = await imap.fetchOne("*", { source: true });
    t.equal(message === false ? "" : hashOf(message.source!), hashOf(part));
    await imap.logout();
    const read = { outcome: "closed", inspected: "full", imap: { user: "alice", logins: 1, failures: 0 } };
    const isRead = name !== "through";
    t.match(await gateway.session(name, ip), isRead ? read : { inspected: "until-starttls" });
  });
}

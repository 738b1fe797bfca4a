/** Who Dovecot takes an IMAP client for: by PROXY v2 and by ID, on cleartext ports, after STARTTLS and inside TLS. */
import t from "tap";
import { Client } from "../servers/client.ts";
import { password, startDovecot } from "../servers/dovecot.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { startHaproxy } from "../servers/haproxy.ts";
import { proxyHeader } from "../servers/header.ts";

const dovecot = await startDovecot(t, { trustId: true });
const gateway = await startGateway(t, {
  listeners: {
    proxy: behindProxy("imap", "proxy"),
    id: behindProxy("imap", "id"),
    imaps: behindProxy("imap", "imaps", "passthrough"),
    imapsV1: behindProxy("imap", "imapsV1", "passthrough"),
  },
  pools: {
    proxy: poolOf(dovecot.port("imapProxy"), "proxy-v2"),
    id: poolOf(dovecot.port("imap"), "id"),
    imaps: poolOf(dovecot.port("imapsProxy"), "proxy-v2"),
    imapsV1: poolOf(dovecot.port("imapsProxy"), "proxy-v1"),
  },
});
const haproxy = await startHaproxy(t, {
  proxy: { to: gateway.port("proxy") },
  id: { to: gateway.port("id") },
  imaps: { to: gateway.port("imaps") },
  imapsV1: { to: gateway.port("imapsV1") },
});

const ways = [
  ["proxy", "starttls"],
  ["id", "starttls"],
  ["id", "plain"],
  ["imaps", "implicit"],
  ["imapsV1", "implicit"],
] as const;
for (const [index, [name, security]] of ways.entries()) {
  for (const ip of [`203.0.113.${100 + index}`, `2001:db8::${100 + index}`]) {
    t.test(`Dovecot knows ${ip} when it comes by ${name}, ${security}`, async (t) => {
      const tls = security === "implicit";
      const client = await Client.connect(t, { port: haproxy.port(name), header: proxyHeader(ip), tls });
      t.match(await client.line(), /^\* OK \[CAPABILITY IMAP4rev1 .*\] Dovecot/, "Dovecot's own greeting");
      if (security === "starttls") {
        t.match(await client.imap("STARTTLS"), /OK/);
        await client.startTls();
      }
      t.match(await client.imap(`LOGIN alice ${password}`), /^a\d OK/m);
      t.match(await client.imap("LOGOUT"), /^\* BYE/);
      const server = ip.includes(":") ? "2001:db8:ffff::25" : "192.0.2.25";
      await dovecot.log.waitFor(new RegExp(`Login: user=<alice>, .* rip=${ip}, lip=${server}, `));
      // Dovecot may end TLS by a reset, when its client's last words come late: the outcome is not asked for.
      t.match(await gateway.session(name, ip), { client: { ip }, server: /^127\.0\.0\.1:\d+$/ });
    });
  }
}

t.test("Dovecot tells the client's address when a login fails", async (t) => {
  const ip = "203.0.113.120";
  const client = await Client.connect(t, { port: haproxy.port("id"), header: proxyHeader(ip) });
  await client.line();
  t.match(await client.imap("LOGIN bob wrong"), /^a1 NO \[AUTHENTICATIONFAILED\]/m);
  t.match(await client.imap(`LOGIN alice ${password}`), /^a2 OK/m, "the session goes on");
  await dovecot.log.waitFor(new RegExp(`passwd-file\\(bob,${ip},.*: Password mismatch`));
});

t.test("IDLE passes through when mail is appended by another session", async (t) => {
  const connect = async (ip: string) => {
    const client = await Client.connect(t, { port: haproxy.port("id"), header: proxyHeader(ip) });
    await client.line();
    await client.imap(`LOGIN bob ${password}`);
    return client;
  };
  const watcher = await connect("203.0.113.121");
  await watcher.imap("SELECT INBOX");
  watcher.send("i1 IDLE\r\n");
  t.match(await watcher.line(), /^\+ /);
  const writer = await connect("203.0.113.122");
  t.match(await writer.imap("APPEND INBOX {14+}\r\nSubject: a\r\n\r\n"), /^a2 OK/m);
  t.equal(await watcher.line(), "* 1 EXISTS");
});

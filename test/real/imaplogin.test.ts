/**
 * Every login through every kind of listener to every kind of pool: Dovecot knows the client, takes it for encrypted where
 * it is, and believes nothing that the client says of itself; postern sees who it was wherever it can read it.
 */
import t, { type Test } from "tap";
import { makeCertificate } from "../servers/certificate.ts";
import { Client } from "../servers/client.ts";
import { password, startDovecot } from "../servers/dovecot.ts";
import { behindProxy, type LogLine, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { imapLogins, logIn } from "../servers/logins.ts";
import { makeDirectory } from "../servers/process.ts";

t.setTimeout(60_000);

const dovecot = await startDovecot(t, { trustId: true });
const { certFile, keyFile, fingerprint256 } = makeCertificate(
  makeDirectory(t, "certificate"),
  "mail.example.test",
);

/** How Dovecot has to call a session: in TLS with itself, or in TLS with whom it trusts to say so. */
interface Way {
  readonly tls: "off" | "starttls" | "implicit" | "passthrough";
  readonly pool: "proxy" | "proxyTls" | "proxyThrough" | "id" | "idTls" | "idStarttls";
  readonly logged: "TLS" | "secured";
}

const ways: Readonly<Record<string, Way>> = {
  starttls: { tls: "starttls", pool: "proxy", logged: "secured" },
  starttlsId: { tls: "starttls", pool: "id", logged: "secured" },
  starttlsIdTls: { tls: "starttls", pool: "idTls", logged: "TLS" },
  implicit: { tls: "implicit", pool: "proxy", logged: "secured" },
  implicitTls: { tls: "implicit", pool: "proxyTls", logged: "TLS" },
  implicitId: { tls: "implicit", pool: "id", logged: "secured" },
  implicitIdTls: { tls: "implicit", pool: "idTls", logged: "TLS" },
  implicitIdStarttls: { tls: "implicit", pool: "idStarttls", logged: "TLS" },
  through: { tls: "passthrough", pool: "proxyThrough", logged: "TLS" },
  starttlsThrough: { tls: "off", pool: "proxy", logged: "TLS" },
  starttlsThroughId: { tls: "off", pool: "id", logged: "TLS" },
};

const inTls = (pool: object, mode: string) => ({ ...pool, tls: mode });
const gateway = await startGateway(t, {
  listeners: Object.fromEntries(
    Object.entries(ways).map(([name, { tls, pool }]) => [name, { ...behindProxy("imap", pool), tls }]),
  ),
  pools: {
    proxy: poolOf(dovecot.port("imapProxy"), "proxy-v2"),
    proxyThrough: poolOf(dovecot.port("imapsProxy"), "proxy-v2"),
    proxyTls: inTls(poolOf(dovecot.port("imapsProxy"), "proxy-v2"), "implicit"),
    id: poolOf(dovecot.port("imap"), "id"),
    idTls: inTls(poolOf(dovecot.port("imaps"), "id"), "implicit"),
    idStarttls: inTls(poolOf(dovecot.port("imap"), "id"), "starttls"),
  },
  tls: { certificates: [{ cert: certFile, key: keyFile }] },
});

const isLoginOf = (ip: string) => (line: LogLine) => line.event === "sec.auth" && line.client?.ip === ip;

/** Past the greeting and TLS, whoever ends it. */
async function enter(t: Test, name: string, ip: string): Promise<Client> {
  const tls = ways[name]?.tls;
  const header = proxyHeader(ip);
  const client = await Client.connect(t, { port: gateway.port(name), header });
  const first = tls === "implicit" || tls === "passthrough";
  const met = first ? await client.startTls() : null;
  t.match(await client.line(), /^\* OK \[CAPABILITY .*\] Dovecot/, "Dovecot's own greeting");
  if (met === null) t.match(await client.imap("STARTTLS"), /^a1 OK/);
  const { fingerprint256: shown } = met ?? (await client.startTls());
  const isOurs = tls === "implicit" || tls === "starttls";
  t.equal(shown, isOurs ? fingerprint256 : dovecot.fingerprint256);
  return client;
}

for (const [index, [name, { tls, logged }]] of Object.entries(ways).entries()) {
  for (const [turn, [what, login]] of Object.entries(imapLogins).entries()) {
    const host = index * 10 + turn + 1;
    const ip = turn % 2 === 0 ? `203.0.113.${host}` : `2001:db8::${host}`;
    t.test(`${what} succeeds by ${name}, and Dovecot knows ${ip}`, async (t) => {
      const client = await enter(t, name, ip);
      const spoof = 'ID ("name" "mutt" "x-originating-ip" "198.51.100.1" "X-Connected-IP" "198.51.100.2")';
      t.match(await client.imap(spoof), /^a\d OK/m);
      t.match(await logIn(client, login.lines("alice", password)), /^login OK/);
      t.match(await client.imap("LOGOUT"), /^\* BYE/);
      const server = ip.includes(":") ? "2001:db8:ffff::25" : "192.0.2.25";
      const known = `rip=${ip}, lip=${server}, `;
      const line = await dovecot.log.waitFor(new RegExp(`Login: user=<alice>, .*${known}`));
      t.match(line, `method=${login.logged}, `);
      t.match(line, new RegExp(`mpid=\\d+, ${logged},`));
      const session = await gateway.session(name, ip);
      if (tls === "off") t.match(session, { inspected: "until-starttls", imap: { user: null, logins: 0 } });
      else if (tls === "passthrough") t.match(session, { inspected: "none", tls: undefined });
      else {
        const imap = { user: "alice", logins: 1, failures: 0 };
        t.match(session, { outcome: "closed", inspected: "full", imap, tls: { version: "TLSv1.3" } });
        const event = { service: name, ok: true, user: "alice", method: login.method, tls: true };
        t.match(await gateway.waitForLine("sec.auth", isLoginOf(ip)), event);
      }
    });
  }
}

t.test("no login passes ahead of TLS where that ends here, and none is offered", async (t) => {
  for (const [index, name] of ["starttls", "starttlsId", "starttlsIdTls"].entries()) {
    const ip = `203.0.113.${200 + index}`;
    const client = await Client.connect(t, { port: gateway.port(name), header: proxyHeader(ip) });
    for (const list of [await client.line(), await client.imap("CAPABILITY")]) {
      t.match(list, /\bLOGINDISABLED\b/);
      t.match(list, /\bSTARTTLS\b/);
      t.notMatch(list, /AUTH=|SASL-IR/);
    }
    for (const [what, login] of Object.entries(imapLogins)) {
      const [first] = login.lines("alice", password);
      t.match(await logIn(client, [first]), /^login NO \[PRIVACYREQUIRED\]/, what);
    }
    t.match(await client.imap("STARTTLS"), /^a2 OK/);
    await client.startTls();
    t.match(await client.imap("CAPABILITY"), /AUTH=PLAIN/);
    t.match(await logIn(client, imapLogins.LOGIN!.lines("alice", password)), /^login OK/);
    await dovecot.log.waitFor(new RegExp(`Login: user=<alice>, .* rip=${ip}, `));
    client.close();
    t.match(await gateway.session(name, ip), { imap: { user: "alice", logins: 1, failures: 0 } });
  }
});

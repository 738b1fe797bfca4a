/**
 * TLS with clients that ends at a live gateway, by STARTTLS and at once: what is told of it, what it offers and hides, and
 * handshakes that come to nothing.
 */
import type { ConnectionOptions, TLSSocket } from "node:tls";
import t, { type Test } from "tap";
import { makeCertificate } from "../servers/certificate.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { localHeader, proxyHeader } from "../servers/header.ts";
import { makeDirectory, until } from "../servers/process.ts";
import { End } from "./end.ts";
import { concurrency, metric, metricIs } from "./look.ts";
import { exchange, hello, ok, type Pair, pair, secure } from "./pair.ts";
import { startUpstream } from "./upstream.ts";

/** So many connections that each of two threads has some of them. */
const MANY = 16;

const versions = ["TLSv1.2", "TLSv1.3"] as const;
const ways = ["starttls", "implicit"] as const;
type Way = (typeof ways)[number];

const list =
  "250-upstream\r\n250-PIPELINING\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n250-AUTH=PLAIN\r\n250 XCLIENT NAME\r\n";
const plain = `AUTH PLAIN ${Buffer.from("\0alice\0secret").toString("base64")}`;
const begin = "220 2.0.0 Ready to start TLS\r\n";

const first = makeCertificate(makeDirectory(t, "tls"), "mx.example.test");
const second = makeCertificate(makeDirectory(t, "tls"), "imap.example.test");

async function start(t: Test, minVersion = "TLSv1.2") {
  const upstream = await startUpstream(t);
  const smtp = behindProxy("smtp", "servers");
  const gateway = await startGateway(t, {
    threads: 2,
    listeners: {
      starttls: { ...smtp, tls: "starttls" },
      lax: { ...smtp, tls: "starttls", smtp: { authOnlyOverTls: false } },
      implicit: { ...smtp, tls: "implicit" },
      imaps: { ...behindProxy("imap", "servers"), tls: "implicit" },
    },
    pools: { servers: poolOf(upstream.port, "none") },
    tls: {
      certificates: [first, second].map(({ certFile, keyFile }) => ({ cert: certFile, key: keyFile })),
      minVersion,
    },
    log: { level: "debug" },
  });
  return { gateway, upstream };
}

const { gateway, upstream } = await start(t);
let clients = 0;
const nextSource = () => `203.0.113.${++clients}`;

/** A client that has begun TLS, and its server, which has greeted. */
async function begun(
  t: Test,
  way: Way,
  options: ConnectionOptions = {},
  source = nextSource(),
): Promise<{ both: Pair; inside: TLSSocket; source: string }> {
  if (way === "starttls") {
    const both = await pair(t, gateway, upstream, { listener: way, source });
    return { both, inside: await secure(both, options), source };
  }
  const client = await End.connect(t, { port: gateway.port(way) }, proxyHeader(source));
  const inside = await client.secure(options);
  const server = await upstream.next();
  server.send(hello);
  t.equal(await client.line(), hello);
  return { both: { client, server }, inside, source };
}

t.test("a session's line tells the version and the cipher that the client has", async (t) => {
  for (const way of ways) {
    for (const version of versions) {
      const { both, inside, source } = await begun(t, way, { minVersion: version, maxVersion: version });
      await exchange(both, "EHLO a", "250 upstream\r\n");
      const facts = { version: inside.getProtocol(), cipher: inside.getCipher().name };
      t.equal(facts.version, version);
      both.client.end();
      t.equal(await both.server.ending(), "end");
      both.server.end();
      t.match(await gateway.session(way, source), { outcome: "closed", tls: facts, inspected: "full" });
    }
  }
  const source = nextSource();
  const { client } = await pair(t, gateway, upstream, { listener: "starttls", source });
  client.reset();
  t.notOk("tls" in (await gateway.session("starttls", source)), "none was begun");
});

t.test("the certificate is the one for the name that is asked for, else the first", async (t) => {
  for (const way of ways) {
    for (const [servername, { fingerprint256 }] of [
      ["mx.example.test", first],
      ["imap.example.test", second],
      ["other.example.test", first],
      ["", first],
    ] as const) {
      const { both, inside } = await begun(t, way, { servername });
      t.equal(inside.getPeerCertificate().fingerprint256, fingerprint256, `${way}, ${servername}`);
      both.client.reset();
    }
  }
});

t.test("a session is resumed in the other thread, in both versions", async (t) => {
  for (const version of versions) {
    const only = { minVersion: version, maxVersion: version };
    const { both, inside } = await begun(t, "implicit", only);
    // The ticket of TLS 1.3 has come ahead of the greeting.
    const session = inside.getSession();
    both.client.reset();
    const source = nextSource();
    for (let count = 0; count < MANY; count++) {
      const again = await begun(
        t,
        count % 2 === 0 ? "implicit" : "starttls",
        { ...only, ...(session && { session }) },
        source,
      );
      t.equal(again.inside.isSessionReused(), true, `${version}, ${count}`);
      again.both.client.reset();
    }
    const lines = await until("the sessions' lines", () => {
      const found = gateway
        .lines()
        .filter(({ event, client }) => event === "session" && client?.ip === source);
      return found.length === MANY && found;
    });
    t.equal(new Set(lines.map(({ id }) => id?.slice(0, 8))).size, 2, "each thread's ids begin differently");
  }
});

t.test(
  "a list of extensions shows what holds, before TLS and inside it, as often as it is asked for",
  async (t) => {
    const before = "250-upstream\r\n250-STARTTLS\r\n250 PIPELINING\r\n";
    const inside = "250-upstream\r\n250-PIPELINING\r\n250-AUTH PLAIN LOGIN\r\n250 AUTH=PLAIN\r\n";
    const ask = async ({ client, server }: Pair, shown: string, says: string) => {
      for (const name of ["a", "b"]) {
        client.send(`EHLO ${name}\r\n`);
        t.equal(await server.line(), `EHLO ${name}\r\n`);
        server.send(list);
        t.equal((await client.bytes(shown.length)).toString(), shown, says);
      }
    };
    const both = await pair(t, gateway, upstream, { listener: "starttls" });
    await ask(both, before, "in the clear");
    await secure(both);
    await ask(both, inside, "inside");
    const { both: implicit } = await begun(t, "implicit");
    await ask(implicit, inside, "from the start");
    for (const { client, server } of [both, implicit]) {
      client.send("STARTTLS\r\nNOOP\r\n");
      t.equal(await server.line(), "NOOP\r\n", "no second TLS");
      t.equal(await client.line(), "554 5.5.1 Error: TLS already active\r\n");
      server.send(ok);
      t.equal(await client.line(), ok);
      t.equal(client.unread + server.unread, "");
      client.reset();
    }
  },
);

t.test("no login passes before TLS, unless it may", async (t) => {
  const both = await pair(t, gateway, upstream, { listener: "starttls" });
  await exchange(both, "EHLO a", "250-upstream\r\n250 STARTTLS\r\n");
  both.client.send(`${plain}\r\nNOOP\r\n`);
  t.equal(await both.server.line(), "NOOP\r\n");
  both.server.send(ok);
  t.equal(
    await both.client.through(ok),
    `538 5.7.11 Encryption required for requested authentication mechanism\r\n${ok}`,
  );
  await secure(both);
  await exchange(both, "EHLO a", "250 upstream\r\n");
  t.equal(await exchange(both, plain, "235 2.7.0 yes\r\n"), "235 2.7.0 yes\r\n");
  const login = await gateway.waitForLine("the login", ({ event }) => event === "sec.auth");
  t.match(login, { service: "starttls", ok: true, user: "alice", tls: true });
  const lax = await pair(t, gateway, upstream, { listener: "lax" });
  t.match(await exchange(lax, "EHLO a", "250-upstream\r\n250 AUTH PLAIN\r\n"), /AUTH PLAIN/);
  t.equal(await exchange(lax, plain, "235 2.7.0 yes\r\n"), "235 2.7.0 yes\r\n");
  lax.client.send("STARTTLS\r\n");
  t.equal(await lax.client.line(), "503 5.5.1 Error: already authenticated\r\n");
  for (const { client } of [both, lax]) client.reset();
});

t.test("a handshake that fails is refused with its reason, and no server is kept for it", async (t) => {
  await until("the clients before to be gone", async () => (await concurrency(gateway)) === 0);
  const refused = (way: Way) => `postern_refused_total{listener="${way}",reason="tls-handshake"}`;
  const before = await Promise.all(ways.map((way) => metric(gateway, refused(way))));
  const hello = Buffer.from("16030100c8010000c40303", "hex");
  for (const [what, how, detail] of [
    ["an end", (client: End) => client.end(), "EOF"],
    ["a reset", (client: End) => client.reset(), "ECONNRESET"],
    ["half a hello, and an end", (client: End) => [client.send(hello), client.end()], "EOF"],
    ["HTTP", (client: End) => client.send("GET / HTTP/1.1\r\n\r\n"), "ERR_SSL_HTTP_REQUEST"],
    ["SMTP", (client: End) => client.send("EHLO a\r\n"), /^ERR_SSL_/],
    [
      "TLS 1.1",
      (client: End) =>
        client
          .secure({ minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" })
          .catch(() => {}),
      "ERR_SSL_UNSUPPORTED_PROTOCOL",
    ],
  ] as const) {
    for (const way of ways) {
      const source = nextSource();
      const { connections } = upstream;
      const client = await End.connect(t, { port: gateway.port(way) }, proxyHeader(source));
      if (way === "starttls") {
        const server = await upstream.next();
        server.send("220 upstream\r\n");
        client.send("STARTTLS\r\n");
        await server.line();
        server.send(ok);
        await client.through(begin);
        await how(client);
        t.equal(await server.rest(), "", "it sees its end");
      } else {
        await until("its header to be read", async () => (await concurrency(gateway)) === 1);
        await how(client);
      }
      await client.ending();
      t.notMatch(client.unread, /421|220/, "no word in the clear");
      const line = await gateway.session(way, source);
      t.match(line, { outcome: "refused", reason: "tls-handshake", detail }, `${way}: ${what}`);
      t.equal(upstream.connections, connections + (way === "starttls" ? 1 : 0));
    }
  }
  for (const [index, way] of ways.entries()) await metricIs(gateway, refused(way), before[index]! + 6);
});

t.test("only clients that can do what is demanded begin TLS", async (t) => {
  const { gateway, upstream } = await start(t, "TLSv1.3");
  const source = nextSource();
  const old = await End.connect(t, { port: gateway.port("implicit") }, proxyHeader(source));
  await t.rejects(old.secure({ maxVersion: "TLSv1.2" }), { code: "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION" });
  const line = await gateway.session("implicit", source);
  t.match(line, { reason: "tls-handshake", detail: "ERR_SSL_UNSUPPORTED_PROTOCOL" });
  const { client } = await pair(t, gateway, upstream, { listener: "implicit", tls: true });
  client.close();
});

t.test("a load balancer's check is answered where TLS comes first, and goes well without", async (t) => {
  const { connections } = upstream;
  const greetings = { implicit: "220 gateway.example.test ESMTP\r\n", imaps: "* OK [CAPABILITY IMAP4rev1] " };
  for (const [listener, greeting] of Object.entries(greetings)) {
    const port = gateway.port(listener);
    const inside = await End.connect(t, { port }, localHeader);
    await inside.secure();
    t.equal((await inside.bytes(greeting.length)).toString(), greeting);
    inside.send(listener === "imaps" ? "a LOGOUT\r\n" : "QUIT\r\n");
    t.match(await inside.rest(), listener === "imaps" ? /BYE Logging out/ : /^221 /);
    inside.end();
    const ended = await End.connect(t, { port }, localHeader);
    ended.end();
    await ended.rest();
    (await End.connect(t, { port }, localHeader)).reset();
    const clear = await End.connect(t, { port }, Buffer.concat([localHeader, Buffer.from("QUIT\r\n")]));
    t.notMatch(await clear.rest(), /221|BYE/);
    await metricIs(gateway, `postern_healthchecks_total{listener="${listener}"}`, 4);
  }
  t.equal(upstream.connections, connections, "no server hears of it");
});

t.test("nothing is left of all these sessions", async (t) => {
  for (const listener of ["starttls", "lax", "implicit", "imaps"])
    await metricIs(gateway, `postern_sessions_active{listener="${listener}"}`, 0);
  t.equal(await concurrency(gateway), 0);
});

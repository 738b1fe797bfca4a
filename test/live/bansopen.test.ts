/** Sessions that are open when their client becomes banned: they end within one update, and no message is lost by that. */
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { type Book, startBook } from "../servers/book.ts";
import { makeCertificate } from "../servers/certificate.ts";
import { behindProxy, type Gateway, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { makeDirectory, until } from "../servers/process.ts";
import { come, crowdsecAt, denied, firstLine, imapHello } from "./banned.ts";
import { End } from "./end.ts";
import { concurrency, metricIs } from "./look.ts";
import { exchange, hello, ok, type Pair, pair } from "./pair.ts";
import { startUpstream, type Upstream } from "./upstream.ts";

const away = "421 4.3.2 gateway.example.test Service not available, try again later\r\n";
const bye = "* BYE [UNAVAILABLE] Service not available, try again later\r\n";
const queued = "250 2.0.0 Ok: queued as 1\r\n";

interface Scene {
  readonly gateway: Gateway;
  readonly book: Book;
  readonly upstream: Upstream;
  readonly imap: Upstream;
}

async function start(
  t: Test,
  { threads = 2, ...others }: { threads?: number; closeSessions?: boolean } = {},
): Promise<Scene> {
  const { certFile, keyFile } = makeCertificate(makeDirectory(t, "tls"), "mx.example.test");
  const upstream = await startUpstream(t);
  const imap = await startUpstream(t);
  const { lapi, book } = await startBook(t);
  const smtp = behindProxy("smtp", "servers");
  const gateway = await startGateway(t, {
    threads,
    listeners: {
      smtp,
      implicit: { ...smtp, tls: "implicit" },
      passthrough: behindProxy("smtp", "servers", "passthrough"),
      tcp: behindProxy("tcp", "servers"),
      imap: behindProxy("imap", "imap"),
      direct: { listen: "127.0.0.1:0", protocol: "smtp", proxy: { mode: "off" }, pool: "servers" },
    },
    pools: { servers: poolOf(upstream.port, "none"), imap: poolOf(imap.port, "none") },
    tls: { certificates: [{ cert: certFile, key: keyFile }] },
    crowdsec: crowdsecAt(lapi.url, others),
    drain: "0s",
  });
  return { gateway, book, upstream, imap };
}

const scene = await start(t);
const { gateway, book, upstream, imap } = scene;
let clients = 0;
const nextSource = () => `203.0.113.${++clients}`;

/** A message that the server has heard up to `end`, by DATA or in chunks. */
async function message(both: Pair, end: string): Promise<void> {
  const { client, server } = both;
  const text = "Subject: a\r\n\r\nall of it\r\n";
  await exchange(both, "EHLO a", "250-upstream\r\n250 CHUNKING\r\n");
  for (const line of ["MAIL FROM:<a@example.org>", "RCPT TO:<b@example.test>"]) await exchange(both, line);
  if (end.startsWith("BDAT")) {
    client.send(`BDAT ${text.length}\r\n${text}`);
    await server.through(text);
    server.send(ok);
    await client.line();
    client.send(end);
    await server.through(end);
  } else {
    await exchange(both, "DATA", "354 go on\r\n");
    client.send(text + end);
    await server.through(text + end);
  }
}

async function recorded(t: Test, source: string, listener = "smtp"): Promise<void> {
  const line = await gateway.session(listener, source);
  t.match(line, { outcome: "refused", reason: "banned", decision: { origin: "cscli" } });
}

/** An IMAP session past its login. */
async function loggedIn(source: string, { gateway, imap }: Scene = scene): Promise<Pair> {
  const client = await come(t, gateway, source, "imap");
  const server = await imap.next();
  server.send(imapHello);
  await client.line();
  client.send("a LOGIN alice secret\r\n");
  await server.line();
  server.send("a OK in\r\n");
  await client.line();
  return { client, server };
}

t.test("an SMTP session between commands ends with 421, and its neighbours' go on", async (t) => {
  const source = nextSource();
  const neighbour = await pair(t, gateway, upstream, { source: nextSource() });
  const plain = await pair(t, gateway, upstream, { source });
  const secured = await pair(t, gateway, upstream, { source, listener: "implicit", tls: true });
  await exchange(plain, "EHLO a");
  book.ban(source);
  for (const { client, server } of [plain, secured]) {
    t.equal(await client.rest(), away);
    t.equal(await server.rest(), "");
    client.end();
  }
  await recorded(t, source);
  await recorded(t, source, "implicit");
  await exchange(neighbour, "NOOP");
  neighbour.client.reset();
});

t.test("every session of a banned network ends, whichever thread has it", async (t) => {
  const sources = Array.from({ length: 12 }, (_, index) => `2001:db8:bad:${index}::1`);
  const pairs: Pair[] = [];
  for (const source of sources) pairs.push(await pair(t, gateway, upstream, { source }));
  const beside = await pair(t, gateway, upstream, { source: "2001:db8:bae::1" });
  book.ban("2001:db8:bad::/48");
  for (const { client } of pairs) {
    t.equal(await client.rest(), away);
    client.end();
  }
  await exchange(beside, "NOOP");
  beside.client.reset();
});

t.test("a session that has no load balancer before it ends as well", async (t) => {
  const client = await End.connect(t, { port: gateway.port("direct"), from: "127.0.0.9" });
  const server = await upstream.next();
  server.send(hello);
  t.equal(await client.line(), hello);
  book.ban("127.0.0.9");
  t.equal(await client.rest(), away);
  client.end();
  await recorded(t, "127.0.0.9", "direct");
});

t.test("a client whose server has not answered yet gets the refusal", async (t) => {
  const source = nextSource();
  const client = await come(t, gateway, source);
  const server = await upstream.next();
  book.ban(source);
  t.equal(await client.rest(), denied(source));
  t.equal(await server.rest(), "");
  client.end();
  await recorded(t, source);
});

t.test("a message that has no end yet never gets one, and is never acknowledged", async (t) => {
  const source = nextSource();
  const both = await pair(t, gateway, upstream, { source });
  await message(both, "");
  book.ban(source);
  t.equal(await both.client.rest(), away);
  both.client.send("the other half\r\n.\r\n");
  both.client.end();
  t.equal(await both.server.rest(), "", "the server has heard no more");
  await recorded(t, source);
});

/** One thread looks at all its sessions at once: when this one of the client's has ended, the others have been judged. */
async function judged(t: Test, { gateway, book, upstream }: Scene, source: string) {
  const witness = await pair(t, gateway, upstream, { source });
  const ban = book.ban(source);
  t.equal(await witness.client.rest(), away);
  witness.client.end();
  return ban;
}

t.test(
  "a client that is owed the word on its message gets that, then 421, and is heard no more",
  async (t) => {
    const scene = await start(t, { threads: 1 });
    const { gateway, upstream } = scene;
    for (const verdict of [queued, "550-5.7.1 This is\r\n550 5.7.1 spam\r\n"]) {
      for (const end of [".\r\n", "BDAT 0 LAST\r\n"]) {
        const source = nextSource();
        const { client, server } = await pair(t, gateway, upstream, { source });
        await message({ client, server }, end);
        await judged(t, scene, source);
        client.send("MAIL FROM:<a@example.org>\r\n");
        // Time enough to be heard in, were it not for the ban.
        await sleep(300);
        t.equal(client.unread, "", "the server has all the time it wants");
        server.send(verdict);
        t.equal(await client.rest(), verdict + away);
        t.equal(await server.rest(), "", "what the client said is nobody's");
        client.end();
        const lines = await until("both lines", () => {
          const found = gateway.lines().filter((line) => line.client?.ip === source);
          return found.length === 2 && found;
        });
        t.match(lines, [{ outcome: "refused" }, { outcome: "refused", reason: "banned" }]);
        t.match(lines[1]?.smtp, verdict === queued ? { mails: 1, recipients: 1 } : { mails: 0, refused: 1 });
      }
    }
  },
);

t.test("a client whose ban is over before the word on its message comes is heard again", async (t) => {
  const scene = await start(t, { threads: 1 });
  const source = nextSource();
  const both = await pair(t, scene.gateway, scene.upstream, { source });
  await message(both, ".\r\n");
  const ban = await judged(t, scene, source);
  both.client.send("QUIT\r\n");
  await sleep(300);
  t.equal(both.server.unread, "");
  scene.book.lift(ban);
  t.equal(await both.server.line(), "QUIT\r\n");
  both.server.send(`${queued}221 bye\r\n`);
  both.server.end();
  t.equal(await both.client.rest(), `${queued}221 bye\r\n`);
  both.client.end();
  await scene.gateway.waitForLine("the session's end", ({ outcome }) => outcome === "closed");
});

t.test("an IMAP client that has not logged in is told BYE, one that has is not", async (t) => {
  const source = nextSource();
  const client = await come(t, gateway, source, "imap");
  const server = await imap.next();
  server.send(imapHello);
  t.equal(await client.line(), imapHello);
  const inside = await loggedIn(source);
  inside.client.send("b IDLE\r\n");
  await inside.server.line();
  inside.server.send("+ idling\r\n");
  await inside.client.line();
  book.ban(source);
  t.equal(await client.rest(), bye);
  t.equal(await inside.client.rest(), "", "nothing of ours within what nobody reads");
  for (const each of [server, inside.server]) t.equal(await each.rest(), "");
  client.end();
  inside.client.end();
  await metricIs(gateway, 'postern_refused_total{listener="imap",reason="banned"}', 2);
});

t.test("sessions that nobody can read end without a word, a TLS handshake among them", async (t) => {
  const source = nextSource();
  const opaque: Pair[] = [];
  for (const listener of ["passthrough", "tcp"]) {
    const client = await come(t, gateway, source, listener);
    const server = await upstream.next();
    client.send("\x16");
    await server.bytes(1);
    opaque.push({ client, server });
  }
  const shaking = await come(t, gateway, source, "implicit");
  await metricIs(gateway, 'postern_sessions_active{listener="implicit"}', 1);
  book.ban(source);
  for (const { client, server } of opaque) {
    t.equal(await client.rest(), "");
    t.equal(await server.rest(), "");
  }
  t.equal(await shaking.rest(), "");
  for (const listener of ["passthrough", "tcp", "implicit"]) await recorded(t, source, listener);
});

t.test("nothing is left of all these sessions", async (t) => {
  for (const listener of ["smtp", "implicit", "passthrough", "tcp", "imap", "direct"])
    await metricIs(gateway, `postern_sessions_active{listener="${listener}"}`, 0);
  t.equal(await concurrency(gateway), 0);
});

t.test("open sessions are left alone where the configuration says so", async (t) => {
  const scene = await start(t, { closeSessions: false });
  const { gateway, book, upstream } = scene;
  const source = nextSource();
  const both = await pair(t, gateway, upstream, { source });
  const reader = await loggedIn(source, scene);
  book.ban(source);
  await book.settled();
  t.equal(await firstLine(t, gateway, source), denied(source), "it may not come anew");
  await book.settled();
  await exchange(both, "NOOP", ok);
  reader.server.send("* 1 EXISTS\r\n");
  t.equal(await reader.client.line(), "* 1 EXISTS\r\n");
});

t.test("a list that bans nobody who is here ends nothing", async (t) => {
  const both = await pair(t, gateway, upstream, { source: "198.51.100.7" });
  for (const value of ["198.51.100.6", "198.51.100.8/29", "0.0.0.0/1"]) book.ban(value);
  await book.settled();
  await exchange(both, "NOOP");
  const client = await End.connect(t, { port: gateway.port("smtp") }, proxyHeader("198.51.100.7"));
  const server = await upstream.next();
  server.send(hello);
  t.equal(await client.line(), hello);
});

/**
 * Guessing at Dovecot's passwords: each failure is told as it happens, and a guesser is stopped, on whichever port it
 * goes on, while others are not held up. Dovecot's own delays are off, so that every wait is postern's.
 */
import t, { type Test } from "tap";
import { makeCertificate } from "../servers/certificate.ts";
import { Client } from "../servers/client.ts";
import { password, startDovecot } from "../servers/dovecot.ts";
import { behindProxy, type LogLine, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { imapLogins, logIn } from "../servers/logins.ts";
import { startPostfix } from "../servers/postfix.ts";
import { makeDirectory } from "../servers/process.ts";
import { plainLogin } from "../servers/talk.ts";

/** One test waits for seven seconds of delays, and all start servers. */
t.setTimeout(60_000);

const dovecot = await startDovecot(t, { trustId: true, quick: true });
const postfix = await startPostfix(t, { dovecot, settings: { smtpd_error_sleep_time: "0s" } });
const { certFile, keyFile } = makeCertificate(makeDirectory(t, "certificate"), "mail.example.test");

/** Long enough that nothing is forgotten while a test runs. */
const timeUnit = "24h";
const failures = 3;
const imaps = { ...behindProxy("imap", "dovecot"), tls: "implicit" };
const gateway = await startGateway(t, {
  listeners: {
    free: { ...imaps, limits: "free" },
    rated: { ...imaps, limits: "rated" },
    delayed: { ...imaps, limits: "delayed" },
    imaps,
    imap: { ...imaps, tls: "starttls" },
    submissions: { ...behindProxy("smtp", "postfix"), tls: "implicit" },
  },
  pools: {
    dovecot: poolOf(dovecot.port("imapProxy"), "proxy-v2"),
    postfix: { ...poolOf(postfix.port("submissionsProxy"), "proxy-v2"), tls: "implicit" },
  },
  limits: {
    default: { timeUnit, scope: "logins", authFailureRate: failures },
    free: { timeUnit },
    rated: { timeUnit, authRate: 2 },
    delayed: { timeUnit, authFailureDelay: "1s" },
  },
  tls: { certificates: [{ cert: certFile, key: keyFile }] },
});

/** In TLS, past the greeting. */
async function enter(t: Test, name: string, ip: string): Promise<Client> {
  const client = await Client.connect(t, { port: gateway.port(name), header: proxyHeader(ip) });
  if (name === "imap") {
    await client.line();
    await client.imap("STARTTLS");
  }
  await client.startTls();
  if (name === "submissions") {
    await client.reply();
    await client.smtp("EHLO client.example.org");
  } else if (name !== "imap") t.match(await client.line(), /^\* OK /, "whoever it is may connect");
  return client;
}

const ways = Object.values(imapLogins);
const rightly = ways[0]!.lines("alice", password);
const denied = /^login NO \[AUTHENTICATIONFAILED\]/;
const guessing = /^\* BYE \[LIMIT\] [^\r\n]*\r\n$/;
const loginEnds = /^login (?:OK|NO|BAD)/;

/** A wrong password, in another way each time. */
function guess(client: Client, index: number): Promise<string> {
  return logIn(client, ways[index % ways.length]!.lines("alice", `guess${index}`));
}

const eventsOf = (ip: string, event = "sec.auth") =>
  gateway.lines().filter((line) => line.event === event && line.client?.ip === ip);

/** The session's line is behind its events. */
async function left(client: Client, name: string, ip: string): Promise<LogLine> {
  client.close();
  return gateway.session(name, ip);
}

t.test("five wrong passwords are five events, as they happen, while Dovecot logs one line", async (t) => {
  const ip = "203.0.113.1";
  const client = await enter(t, "free", ip);
  for (let index = 0; index < 5; index++) {
    t.match(await guess(client, index), denied);
    await gateway.waitForLine(`event ${index + 1}`, () => eventsOf(ip).length === index + 1);
  }
  const wrong = { service: "free", ok: false, user: "alice", tls: true };
  const methods = ways.map(({ method }) => ({ ...wrong, method }));
  t.match(eventsOf(ip), methods);
  const imap = { user: "alice", logins: 0, failures: 5 };
  t.match(await left(client, "free", ip), { outcome: "closed", inspected: "full", imap });
  t.equal(eventsOf(ip).length, 5);
  await dovecot.log.waitFor(new RegExp(`imap-login: .*auth failed, 5 attempts.* rip=${ip}, `));
  const lines = dovecot.log.lines().filter((line) => line.includes("imap-login: ") && line.includes(ip));
  t.equal(lines.length, 1);
});

t.test("a failure before a success is told, although Dovecot never does", async (t) => {
  const ip = "203.0.113.2";
  const client = await enter(t, "free", ip);
  t.match(await guess(client, 0), denied);
  t.match(await logIn(client, rightly), /^login OK/);
  t.match(await left(client, "free", ip), { imap: { user: "alice", logins: 1, failures: 1 } });
  t.match(eventsOf(ip), [{ ok: false }, { ok: true }]);
  await dovecot.log.waitFor(new RegExp(`imap-login: .*Login: user=<alice>, .* rip=${ip}, `));
  t.notMatch(dovecot.log.lines().join("\n"), new RegExp(`auth failed.* rip=${ip}, `));
});

t.test("a login that the client calls off, and one in the wrong form, are no failures", async (t) => {
  const ip = "203.0.113.3";
  const client = await enter(t, "free", ip);
  t.match(await logIn(client, ["AUTHENTICATE PLAIN", "*"]), /^login (?:BAD|NO)/);
  t.match(await logIn(client, ["AUTHENTICATE NONSENSE"]), /^login (?:BAD|NO)/);
  t.match(await client.imap("LOGIN alice"), /^a1 BAD/m);
  t.match(await logIn(client, rightly), /^login OK/);
  t.match(await left(client, "free", ip), { imap: { user: "alice", logins: 1, failures: 0 } });
  t.match(eventsOf(ip), [{ ok: true }]);
  t.equal(eventsOf(ip).length, 1);
});

t.test("authRate answers what is in excess, and the session goes on", async (t) => {
  const ip = "203.0.113.4";
  const client = await enter(t, "rated", ip);
  for (let index = 0; index < 2; index++) t.match(await guess(client, index), denied);
  for (const { lines } of ways) {
    const [first] = lines("alice", password);
    t.match(await logIn(client, [first]), /^login NO \[LIMIT\] /);
  }
  t.match(await client.imap("NOOP"), /^a1 OK/);
  const other = await enter(t, "rated", "203.0.113.5");
  t.match(await logIn(other, rightly), /^login OK/, "another client has a count of its own");
  t.match(await left(client, "rated", ip), { outcome: "closed", imap: { logins: 0, failures: 2 } });
  t.equal(eventsOf(ip).length, 2, "no server has judged the others");
  t.match(eventsOf(ip, "sec.limit"), [{ service: "rated", reason: "auth-rate", count: 3, limit: 2 }]);
});

t.test("authFailureRate lets no further attempt pass, right or wrong, on whichever port", async (t) => {
  const ip = "203.0.113.6";
  const others = await enter(t, "imap", ip);
  const client = await enter(t, "imaps", ip);
  for (let index = 0; index < failures; index++) t.match(await guess(client, index), denied);
  client.send(`login ${rightly[0]}\r\n`);
  t.match(await client.rest(), guessing, "although it is right");
  t.match(await left(client, "imaps", ip), { outcome: "refused", reason: "auth-failure-rate" });
  others.send("login AUTHENTICATE PLAIN\r\n");
  t.match(await others.rest(), guessing, "on a connection that was there before");
  for (const name of ["imaps", "imap"]) {
    const next = await enter(t, name, ip);
    t.match(await next.imap("NOOP"), /^a\d OK/m, "it may connect, and more");
    next.send("login LOGIN {5}\r\n");
    t.match(await next.rest(), guessing, `on a new one at ${name}`);
  }
  const mail = await enter(t, "submissions", ip);
  mail.send(`AUTH PLAIN ${plainLogin}\r\n`);
  t.match(await mail.rest(), /^421 4\.7\.0 [^\r\n]*\r\n$/, "and at the submission port");
  t.equal(eventsOf(ip).length, failures, "no server was asked");
  const other = await enter(t, "imaps", "203.0.113.7");
  t.match(await logIn(other, rightly), /^login OK/, "another client is let in");
  t.notMatch(dovecot.log.lines().join("\n"), new RegExp(`Login: user=.* rip=${ip}, `));
});

t.test("authFailureRate counts failures at the submission port for IMAP", async (t) => {
  const ip = "203.0.113.8";
  const mail = await enter(t, "submissions", ip);
  const wrong = Buffer.from("\0alice\0wrong").toString("base64");
  for (let index = 0; index < failures; index++)
    t.match(await mail.smtp(`AUTH PLAIN ${wrong}`), /^535 5\.7\.8 /);
  const client = await enter(t, "imaps", ip);
  client.send(`login ${rightly[0]}\r\n`);
  t.match(await client.rest(), guessing);
  t.match(await left(client, "imaps", ip), {
    reason: "auth-failure-rate",
    imap: { logins: 0, failures: 0 },
  });
});

t.test("authFailureDelay doubles and holds its own session alone", async (t) => {
  const guesser = await enter(t, "delayed", "203.0.113.9");
  for (let index = 0; index < 3; index++) {
    const began = performance.now();
    t.match(await guess(guesser, index), denied, "the server's word is not held back");
    if (index > 0) t.ok(performance.now() - began > 900 * 2 ** (index - 1), "the client was not heard");
  }
  guesser.send(`login ${rightly[0]}\r\n`);
  const other = await enter(t, "delayed", "203.0.113.10");
  t.match(await logIn(other, rightly), /^login OK/);
  t.equal(guesser.unread, "", "another has logged in meanwhile");
  let word = await guesser.line();
  while (!loginEnds.test(word)) word = await guesser.line();
  t.match(word, /^login OK/);
});

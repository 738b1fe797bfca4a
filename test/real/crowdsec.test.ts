/**
 * CrowdSec's decisions at the gate, all of it real: HAProxy, postern, Postfix and Dovecot, and an agent that reads postern's log.
 *
 * Whom a decision is about is turned away at every listener, and loses what is open; whoever else comes through the same load
 * balancer is served, and its health checks never fail.
 */
import { join } from "node:path";
import t, { type Test } from "tap";
import { metric } from "../live/look.ts";
import { makeCertificate } from "../servers/certificate.ts";
import { Client } from "../servers/client.ts";
import { startCrowdsec } from "../servers/crowdsec.ts";
import { password, startDovecot } from "../servers/dovecot.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { startHaproxy } from "../servers/haproxy.ts";
import { proxyHeader } from "../servers/header.ts";
import { startPolicy } from "../servers/policy.ts";
import { startPostfix } from "../servers/postfix.ts";
import { makeDirectory, until } from "../servers/process.ts";
import { sendMail } from "../servers/talk.ts";

t.setTimeout(120_000);

/** What a ban may take from the last offence on, through CrowdSec's own steps and LAPI's: measured here it is two seconds or so. */
const banMsMax = 30_000;

const file = join(makeDirectory(t, "log"), "postern.log");
const crowdsec = await startCrowdsec(t, {
  collections: ["postern/postern"],
  acquisition: [{ file, labels: { type: "postern" } }],
});
const dovecot = await startDovecot(t, { quick: true });
const policy = await startPolicy(t);
const postfix = await startPostfix(t, {
  dovecot,
  settings: { smtpd_end_of_data_restrictions: `check_policy_service inet:127.0.0.1:${policy.port}` },
});
const { certFile, keyFile } = makeCertificate(makeDirectory(t, "certificate"), "mail.example.test");
const gateway = await startGateway(
  t,
  {
    listeners: {
      smtp: { ...behindProxy("smtp", "postfix"), ban: { text: "Banned, ask postmaster@example.test" } },
      imap: { ...behindProxy("imap", "dovecot"), tls: "starttls" },
    },
    pools: {
      postfix: poolOf(postfix.port("smtpProxy"), "proxy-v2"),
      dovecot: poolOf(dovecot.port("imapProxy"), "proxy-v2"),
    },
    tls: { certificates: [{ cert: certFile, key: keyFile }] },
    crowdsec: {
      url: crowdsec.url,
      apiKey: (await crowdsec.addBouncer("edge")).trim(),
      updateFrequency: "1s",
    },
  },
  file,
);
const haproxy = await startHaproxy(t, {
  smtp: { to: gateway.port("smtp"), check: "smtp" },
  imap: { to: gateway.port("imap"), check: "imap" },
});

const refusals = {
  smtp: "554 5.7.1 Banned, ask postmaster@example.test",
  imap: "* BYE [NOPERM] Access denied",
} as const;
type Listener = keyof typeof refusals;
const listeners: readonly Listener[] = ["smtp", "imap"];

function connect(t: Test, listener: Listener, ip: string): Promise<Client> {
  return Client.connect(t, { port: haproxy.port(listener), header: proxyHeader(ip) });
}

/** The first line that a client gets there. */
async function greeting(t: Test, listener: Listener, ip: string): Promise<string> {
  const client = await connect(t, listener, ip);
  const line = await client.line();
  client.close();
  return line;
}

/** Waits until the next connection there is refused, or is not any more. */
async function isRefused(t: Test, listener: Listener, ip: string, wanted: boolean): Promise<void> {
  const what = `${ip} to be ${wanted ? "refused" : "served"} at ${listener}`;
  await until(
    what,
    async () => ((await greeting(t, listener, ip)) === refusals[listener]) === wanted,
    banMsMax,
  );
}

/** Greeted, in TLS, and not logged in yet. */
async function openImap(t: Test, ip: string): Promise<Client> {
  const client = await connect(t, "imap", ip);
  await client.line();
  t.match(await client.imap("STARTTLS"), /^a\d+ OK/);
  await client.startTls();
  return client;
}

async function idle(t: Test, ip: string): Promise<Client> {
  const client = await openImap(t, ip);
  t.match(await client.imap(`LOGIN alice ${password}`), / OK /);
  await client.imap("SELECT INBOX");
  client.send("idle IDLE\r\n");
  t.match(await client.line(), /^\+ /);
  return client;
}

/** A mail is delivered and a login works. */
async function isServed(t: Test, ip: string): Promise<void> {
  const id = await sendMail(await connect(t, "smtp", ip), `from ${ip}`);
  await postfix.log.waitFor(new RegExp(`${id}: .* status=sent`));
  t.match(
    postfix.log.lines().find((line) => line.includes(`${id}: client=`)),
    `unknown[${ip}]`,
  );
  const client = await idle(t, ip);
  client.send("DONE\r\n");
  t.match(await client.line(), "idle OK");
  await client.imap("LOGOUT");
}

async function checksAreWell(t: Test): Promise<void> {
  for (const name of listeners) {
    t.match(
      await haproxy.state(name),
      { status: "UP", failedChecks: 0, downs: 0, checkStatus: "L7OK" },
      name,
    );
  }
}

const banned = [
  { value: "203.0.113.7", client: "203.0.113.7", neighbour: "203.0.113.8" },
  { value: "2001:db8:5::/48", client: "2001:db8:5:6::7", neighbour: "2001:db8:6::7" },
];
for (const { value, client, neighbour } of banned) {
  t.test(`${client} is turned away, and loses what is open, when cscli bans ${value}`, async (t) => {
    const [smtp, halfway, idler] = [
      await connect(t, "smtp", client),
      await connect(t, "smtp", client),
      await idle(t, client),
    ];
    const others = { smtp: await connect(t, "smtp", neighbour), imap: await idle(t, neighbour) };
    for (const each of [smtp, halfway, others.smtp]) {
      await each.reply();
      await each.smtp("EHLO client.example.org");
    }
    await halfway.smtp("MAIL FROM:<carol@example.org>");
    await halfway.smtp("RCPT TO:<alice@example.test>");
    t.match(await halfway.smtp("DATA"), /^354 /);
    halfway.send("Subject: cut short\r\n\r\nHel");

    await crowdsec.ban(value);
    t.equal(await smtp.reply(), "421 4.3.2 gateway.example.test Service not available, try again later");
    t.equal(await smtp.rest(), "");
    t.match(await halfway.reply(), /^421 /, "the message was not taken");
    t.equal(await idler.rest(), "");
    for (const listener of listeners) t.equal(await greeting(t, listener, client), refusals[listener]);
    const [decision] = await crowdsec.decisions();
    const { id, origin, scenario } = decision ?? {};
    for (const listener of listeners) {
      const refused = await gateway.waitForLine(
        `a refusal of ${client} at ${listener}`,
        (line) => line.listener === listener && line.client?.ip === client && line.bytesIn === 0,
      );
      t.match(refused, { outcome: "refused", reason: "banned", decision: { id, origin, scenario } });
    }

    await isServed(t, neighbour);
    t.match(await others.smtp.smtp("NOOP"), /^250 /);
    others.imap.send("DONE\r\n");
    await postfix.log.waitFor(/lost connection after DATA/);
    t.match(await others.imap.imap('SEARCH SUBJECT "cut short"'), /^\* SEARCH$/m);
    await checksAreWell(t);

    await crowdsec.unban(value);
    for (const listener of listeners) await isRefused(t, listener, client, false);
    await isServed(t, client);
  });
}

t.test(
  "a message is delivered, and its client told so, when the ban comes while Postfix thinks it over",
  async (t) => {
    const ip = "203.0.113.27";
    const client = await connect(t, "smtp", ip);
    await client.reply();
    await client.smtp("EHLO client.example.org");
    await client.smtp("MAIL FROM:<carol@example.org>");
    await client.smtp("RCPT TO:<alice@example.test>");
    await client.smtp("DATA");
    // Once they are gone, the thread has looked at all its sessions: one of so many is on the same as the message, almost surely.
    const others = await Promise.all(Array.from({ length: 8 }, () => connect(t, "smtp", ip)));
    await Promise.all(others.map((other) => other.reply()));
    policy.hold();
    client.send("Subject: thought over\r\n\r\nHello.\r\n.\r\n");
    await policy.asked();
    await crowdsec.ban(ip);
    await Promise.all(others.map((other) => other.rest()));
    t.equal(client.unread, "", "nothing that may be taken for the message's reply");
    policy.release();
    const id = /^250 2\.0\.0 Ok: queued as (\w+)$/.exec(await client.reply())?.[1];
    t.match(await client.reply(), /^421 /);
    t.equal(await client.rest(), "");
    await postfix.log.waitFor(new RegExp(`${id}: .* status=sent`));
    await crowdsec.unban(ip);
  },
);

const guesser = "203.0.113.9";
const user = "203.0.113.10";

async function guess(t: Test, ip: string): Promise<void> {
  const client = await openImap(t, ip);
  t.match(await client.imap("LOGIN alice wrong"), /NO \[AUTHENTICATIONFAILED\]/);
  client.close();
}

t.test("a guesser is refused, in SMTP too, when CrowdSec has read of six wrong passwords", async (t) => {
  const session = await idle(t, user);
  const open = await connect(t, "smtp", guesser);
  await open.reply();
  await open.smtp("EHLO client.example.org");
  await guess(t, user);
  for (let attempt = 0; attempt < 5; attempt++) await guess(t, guesser);
  t.match(await greeting(t, "smtp", guesser), /^220 /, "five are forgiven");
  await guess(t, guesser);
  const startedMs = performance.now();
  await isRefused(t, "smtp", guesser, true);
  t.comment(`refused ${Math.round(performance.now() - startedMs)} ms after the sixth wrong password`);
  t.equal(await greeting(t, "imap", guesser), refusals.imap);
  t.match(await open.reply(), /^421 /);

  const [decision, ...others] = await crowdsec.decisions();
  t.match(decision, {
    origin: "crowdsec",
    scenario: "postern/auth-bf",
    scope: "Ip",
    value: guesser,
    type: "ban",
  });
  t.strictSame(others, []);
  t.equal(session.unread, "");
  await isServed(t, user);
  await checksAreWell(t);
});

t.test("a ban is no offence when its client comes again and again", async (t) => {
  const before = await crowdsec.alerts();
  for (let attempt = 0; attempt < 20; attempt++) {
    for (const listener of listeners) t.equal(await greeting(t, listener, guesser), refusals[listener]);
  }
  // What CrowdSec has read of another, it has read of those before.
  for (let attempt = 0; attempt < 6; attempt++) await guess(t, "203.0.113.11");
  await isRefused(t, "smtp", "203.0.113.11", true);
  const values = (await crowdsec.alerts()).map(({ source }) => source.value);
  t.strictSame(values.sort(), [...before.map(({ source }) => source.value), "203.0.113.11"].sort());
  t.ok((await metric(gateway, 'postern_banned_total{origin="crowdsec"}')) >= 40);
});

t.test("cscli names the bouncer and its version when it has asked", async (t) => {
  const [bouncer] = JSON.parse(await crowdsec.cscli("bouncers", "list", "-o", "json"));
  t.match(bouncer, {
    name: "edge",
    type: "crowdsec-postern-bouncer",
    version: /^v\d+\.\d+\.\d+$/,
    revoked: false,
  });
});

/**
 * Another configuration, and another process, while real servers are talked to: fifty reloads and ten take-overs, with
 * clients who come all the time, messages that are half said, and mail programs in IDLE.
 */
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { reload } from "../live/reloading.ts";
import { Client } from "../servers/client.ts";
import { password, startDovecot } from "../servers/dovecot.ts";
import { behindProxy, type Gateway, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { freePort } from "../servers/ports.ts";
import { startPostfix } from "../servers/postfix.ts";
import { until } from "../servers/process.ts";
import { sendMail } from "../servers/talk.ts";

const TAKEOVERS = 10;
const RELOADS_EACH = 5;
/** Twenty clients a second. */
const BETWEEN_MS = 50;
/** For the last message, which comes to the mailbox by Postfix's queue. */
const DELIVERY_MS = 60_000;

t.setTimeout(280_000);
const dovecot = await startDovecot(t);
const postfix = await startPostfix(t, { dovecot, xclient: true });
const [smtp, imap, admin] = [await freePort(), await freePort(), await freePort()];

/** Its addresses stay, so that the next gateway with it takes the last one's place. */
const file = (change: number) => ({
  hostname: `mx${change}.example.test`,
  drain: "10m",
  listeners: {
    smtp: { ...behindProxy("smtp", "postfix"), listen: `127.0.0.1:${smtp}` },
    imap: { ...behindProxy("imap", "dovecot", "passthrough"), listen: `127.0.0.1:${imap}` },
  },
  limits: { default: { connectionCount: 0 } },
  pools: {
    postfix: { ...poolOf(postfix.port("smtp"), "xclient"), health: {} },
    dovecot: { ...poolOf(dovecot.port("imapsProxy"), "proxy-v2"), health: {} },
  },
  admin: { listen: `127.0.0.1:${admin}` },
});

const come = (t: Test, port: number, number: number) =>
  Client.connect(t, { port, header: proxyHeader(`203.0.113.${(number % 250) + 1}`), tls: port === imap });

/** Clients who send a message each, one after the other comes; their queue ids, when they are told to stop. */
function stream(t: Test) {
  const visits: Promise<string>[] = [];
  let isOver = false;
  const streaming = (async () => {
    for (let number = 0; !isOver; number++) {
      const visit = come(t, smtp, number).then((client) => sendMail(client, `stream ${number}.`));
      // Whoever fails is told of at the end, with all others.
      visit.catch(() => {});
      visits.push(visit);
      await sleep(BETWEEN_MS);
    }
  })();
  return async () => {
    isOver = true;
    await streaming;
    return Promise.all(visits);
  };
}

/** A message of which the end is not said yet; gives what says it. */
async function hold(t: Test, number: number): Promise<() => Promise<string>> {
  const client = await come(t, smtp, number);
  await client.reply();
  for (const line of [
    "EHLO client.example.org",
    "MAIL FROM:<carol@example.org>",
    "RCPT TO:<alice@example.test>",
  ])
    t.match(await client.smtp(line), /^250/);
  t.match(await client.smtp("DATA"), /^354 /);
  client.send(`Subject: held ${number}.\r\n\r\nThe first half`);
  return async () => {
    const queued = await client.smtp(" and the other.\r\n.");
    await client.smtp("QUIT");
    return /queued as (\w+)$/.exec(queued)?.[1] ?? queued;
  };
}

/** A mail program that waits for mail; what ends that gives all that it has heard meanwhile. */
async function idle(t: Test, number: number): Promise<() => Promise<readonly string[]>> {
  const client = await come(t, imap, number);
  t.match(await client.line(), /^\* OK /);
  t.match(await client.imap(`LOGIN alice ${password}`), /^a1 OK /m);
  t.match(await client.imap("SELECT INBOX"), /^a2 OK /m);
  client.send("i IDLE\r\n");
  t.match(await client.line(), /^\+ /);
  return async () => {
    client.send("DONE\r\n");
    const heard = [await client.line()];
    while (!heard.at(-1)?.startsWith("i ")) heard.push(await client.line());
    await client.imap("LOGOUT");
    return heard;
  };
}

/** Five reloads and a take-over. */
async function change(t: Test, gateway: Gateway, turn: number): Promise<Gateway> {
  for (let count = 1; count <= RELOADS_EACH; count++) {
    gateway.write(file(10 * turn + count));
    t.match(await reload(gateway), { status: 200, changes: [{ what: "hostname" }] });
  }
  const next = await startGateway(t, file(10 * turn + RELOADS_EACH));
  t.ok(next.lines().some(({ event }) => event === "took-over"));
  return next;
}

t.test("nobody notices fifty reloads and ten take-overs before real servers", async (t) => {
  const gateways = [await startGateway(t, file(0))];
  const idling = [await idle(t, 201), await idle(t, 202), await idle(t, 203)];
  const stop = stream(t);
  const ids: string[] = [];
  for (let turn = 1; turn <= TAKEOVERS; turn++) {
    const end = await hold(t, turn);
    gateways.push(await change(t, gateways.at(-1)!, turn));
    ids.push(await end());
  }
  ids.push(...(await stop()));
  t.comment(`${ids.length} messages`);
  t.equal(new Set(ids).size, ids.length, "every message was queued");
  const arrived = () => dovecot.subjects("alice");
  await until("the mail", () => arrived().length >= ids.length, DELIVERY_MS);
  t.equal(new Set(arrived()).size, ids.length, "none is lost");
  t.equal(arrived().length, ids.length, "and none came twice");
  for (const end of idling) {
    const heard = await end();
    t.match(heard.at(-1), /^i OK /, "who was in IDLE still is");
    t.ok(
      heard.some((line) => / EXISTS$/.test(line)),
      "and has heard of the mail",
    );
  }
  for (const old of gateways.slice(0, -1)) t.equal(await old.ended, 0);
  const sessions = () => gateways.flatMap((one) => one.lines()).filter(({ event }) => event === "session");
  await until("the last line", () => sessions().length === ids.length + idling.length);
  t.same(
    sessions().filter(({ outcome }) => outcome !== "closed"),
    [],
  );
});

/**
 * Reloads and take-overs while a hundred clients a second arrive and long sessions are under way, IMAP in IDLE and SMTP in
 * the midst of a message: nobody is refused, reset or forgotten.
 */
import t, { type Test } from "tap";
import { behindProxy, type Gateway, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { freePort } from "../servers/ports.ts";
import { until } from "../servers/process.ts";
import { End } from "./end.ts";
import { exchange, hello, ok, type Pair } from "./pair.ts";
import { reload } from "./reloading.ts";
import { startStream } from "./stream.ts";
import { events, makeFile } from "./upgrading.ts";
import { startUpstream } from "./upstream.ts";

t.setTimeout(180_000);

const SESSIONS = 600;
const RELOADS = 50;
const TAKEOVERS = 10;
/** Sessions in IDLE, and as many messages. */
const LONG = 5;

const welcome = "* OK [CAPABILITY IMAP4rev1 IDLE] upstream\r\n";
const header = proxyHeader("203.0.113.7");

/** A gateway whose addresses are fixed, and its clients: a stream of short ones, and those that stay. */
async function prepare(t: Test) {
  const { file: smtp, slow, ports } = await makeFile(t);
  const mailbox = await startUpstream(t, { script: (end) => end.send(welcome) });
  const imap = { ...behindProxy("imap", "mailbox"), listen: `127.0.0.1:${await freePort()}` };
  const file = (turn: number) => ({
    ...smtp,
    hostname: `mx${turn}.example.test`,
    listeners: { ...smtp.listeners, imap },
    pools: { ...smtp.pools, mailbox: poolOf(mailbox.port, "none") },
  });
  const gateway = await startGateway(t, file(0));
  const come = (listener: string) => End.connect(t, { port: gateway.port(listener) }, header);
  const idle = async (): Promise<Pair> => {
    const client = await come("imap");
    t.match(await client.line(), /^\* OK /);
    const both = { client, server: await mailbox.next() };
    await exchange(both, "a1 LOGIN alice secret", "a1 OK done\r\n");
    await exchange(both, "a2 IDLE", "+ idling\r\n");
    return both;
  };
  const send = async (): Promise<Pair> => {
    const client = await come("long");
    t.equal(await client.line(), hello);
    const both = { client, server: await slow.next() };
    for (const line of ["MAIL FROM:<a@example.org>", "RCPT TO:<b@example.test>"]) await exchange(both, line);
    await exchange(both, "DATA", "354 go\r\n");
    return both;
  };
  return { gateway, file, idle, send, stream: startStream(t, ports.smtp, header) };
}

async function several(begin: () => Promise<Pair>): Promise<readonly Pair[]> {
  const pairs: Pair[] = [];
  while (pairs.length < LONG) pairs.push(await begin());
  return pairs;
}

/** News for whoever is in IDLE, and a line of each message. */
async function goOn(t: Test, turn: number, idling: readonly Pair[], sending: readonly Pair[]): Promise<void> {
  for (const { client, server } of idling) {
    server.send(`* ${turn} EXISTS\r\n`);
    t.equal(await client.line(), `* ${turn} EXISTS\r\n`);
  }
  for (const { client, server } of sending) {
    client.send(`line ${turn}\r\n`);
    t.equal(await server.line(), `line ${turn}\r\n`);
  }
}

async function endIdle(t: Test, both: Pair): Promise<void> {
  t.equal(await exchange(both, "DONE", "a2 OK done\r\n"), "a2 OK done\r\n");
  both.client.end();
  both.server.end();
}

async function endMessage(t: Test, both: Pair): Promise<void> {
  t.equal(await exchange(both, "."), ok);
  both.client.end();
  both.server.end();
}

/** The sessions in the gateway's log that did not end as their clients wanted. */
function faulty(gateway: Gateway) {
  return events(gateway, "session").filter(({ outcome }) => outcome !== "closed");
}

t.test("fifty reloads under 600 sessions fail none of them, and none that lasts", async (t) => {
  const { gateway, file, idle, send, stream } = await prepare(t);
  const [idling, sending] = [await several(idle), await several(send)];
  for (let turn = 1; turn <= RELOADS; turn++) {
    gateway.write(file(turn));
    t.match(await reload(gateway), { status: 200, changes: [{ what: "hostname" }] });
    await goOn(t, turn, idling, sending);
    await until("clients", () => stream.begun >= (SESSIONS * turn) / RELOADS, 30_000);
  }
  await stream.stop();
  t.strictSame(stream.failures, []);
  t.equal(stream.served, stream.begun);
  for (const both of idling) await endIdle(t, both);
  for (const both of sending) await endMessage(t, both);
  const all = stream.begun + 2 * LONG;
  await until("the last line", () => events(gateway, "session").length === all);
  t.same(faulty(gateway), []);
});

t.test("ten take-overs under 600 sessions fail none of them, and none that lasts", async (t) => {
  const { gateway: first, file, idle, send, stream } = await prepare(t);
  const gateways = [first];
  const lasting = await several(idle);
  for (let turn = 1; turn <= TAKEOVERS; turn++) {
    const old = gateways.at(-1)!;
    const [idling, sending] = [await idle(), await send()];
    const gateway = await startGateway(t, file(turn));
    gateways.push(gateway);
    t.match(events(gateway, "took-over"), [{ pid: old.pid }], `round ${turn}`);
    await goOn(t, turn, [...lasting, idling], [sending]);
    await endIdle(t, idling);
    await endMessage(t, sending);
    if (turn > 1) t.equal(await old.ended, 0);
    await until("clients", () => stream.begun >= (SESSIONS * turn) / TAKEOVERS, 30_000);
  }
  await stream.stop();
  t.strictSame(stream.failures, []);
  t.equal(stream.served, stream.begun);
  for (const both of lasting) await endIdle(t, both);
  t.equal(await first.ended, 0);
  const all = stream.begun + LONG + 2 * TAKEOVERS;
  await until("the last line", () => gateways.flatMap((one) => events(one, "session")).length === all);
  t.same(gateways.flatMap(faulty), []);
});

/**
 * Mail servers that go away for a while and come back: every client that comes meanwhile is served, once. One that was
 * talking to the server when it went has to come again, as a mail server does.
 *
 *     node test/real/restart.test.ts [SECONDS]
 *
 * says for how long the servers are away: briefly, unless it is to be seen how they do after a minute.
 */
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { Client } from "../servers/client.ts";
import { startDovecot } from "../servers/dovecot.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { startPostfix } from "../servers/postfix.ts";
import { until } from "../servers/process.ts";
import { sendMail } from "../servers/talk.ts";

/** Twenty clients a second. */
const BETWEEN_MS = 50;
/** At most, what comes in that time finds a place, and is not kept for too long. */
const AWAY_SECONDS_MAX = 70;
const AWAY_MS = secondsAsked(12) * 1000;
const AROUND_MS = 1000;
/** As long as a client may be parked. */
const WAIT_MS = 120_000;
/** For the last message, which comes to the mailbox by Postfix's queue. */
const DELIVERY_MS = 60_000;

t.setTimeout(60_000 + 6 * AWAY_MS);
const dovecot = await startDovecot(t);
const postfix = await startPostfix(t, { dovecot, xclient: true });
/** Checks as they are by default: they find a server down that is away for longer. */
const own = { park: { timeout: "120s", max: 1500 }, health: {} };
const gateway = await startGateway(t, {
  listeners: {
    smtp: behindProxy("smtp", "smtp"),
    xclient: behindProxy("smtp", "xclient"),
    imap: behindProxy("imap", "imap"),
  },
  limits: { default: { connectionCount: 0 } },
  pools: {
    smtp: { ...poolOf(postfix.port("smtpProxy"), "proxy-v2"), ...own },
    xclient: { ...poolOf(postfix.port("smtp"), "xclient"), ...own },
    imap: { ...poolOf(dovecot.port("imapProxy"), "proxy-v2"), ...own },
  },
});

function secondsAsked(usual: number): number {
  const asked = Number(process.argv[2] ?? usual);
  if (Number.isInteger(asked) && asked >= 1 && asked <= AWAY_SECONDS_MAX) return asked;
  throw new Error(`seconds: 1 to ${AWAY_SECONDS_MAX}`);
}

interface Come {
  /** Whether the server was away when it came. */
  readonly wasAway: boolean;
  readonly visits: number;
}

/** Clients come all the time while the server goes and comes back; `visit` says what each of them does. */
async function outage(
  visit: (number: number) => Promise<void>,
  { stop, start }: { stop(): Promise<unknown>; start(): unknown },
): Promise<Come[]> {
  const comes: Promise<Come>[] = [];
  let [isAway, isOver] = [false, false];
  const come = async (number: number): Promise<Come> => {
    const wasAway = isAway;
    for (let visits = 1; ; visits++) {
      const failure = await visit(number).catch((error: unknown) => error);
      if (failure === undefined) return { wasAway, visits };
      if (visits === 3) throw failure;
    }
  };
  const stream = async () => {
    for (let number = 0; !isOver; number++) {
      comes.push(come(number));
      await sleep(BETWEEN_MS);
    }
  };
  const streaming = stream();
  await sleep(AROUND_MS);
  await stop();
  isAway = true;
  await sleep(AWAY_MS);
  isAway = false;
  await start();
  await sleep(AROUND_MS);
  isOver = true;
  await streaming;
  return Promise.all(comes);
}

function check(t: Test, comes: readonly Come[]): void {
  const away = comes.filter(({ wasAway }) => wasAway);
  t.ok(away.length > AWAY_MS / BETWEEN_MS / 2, `${away.length} of ${comes.length} came while it was away`);
  t.ok(
    away.every(({ visits }) => visits === 1),
    "and were served at once when it was back",
  );
}

for (const [listener, signal] of [
  ["smtp", "SIGTERM"],
  ["xclient", "SIGKILL"],
] as const) {
  t.test(`every message arrives once when Postfix goes by ${signal} and comes back`, async (t) => {
    postfix.log.mark();
    const queued: string[] = [];
    const visit = async (number: number) => {
      const header = proxyHeader(`203.0.113.${(number % 250) + 1}`);
      const client = await Client.connect(t, { port: gateway.port(listener), header, waitMs: WAIT_MS });
      queued.push(await sendMail(client, `${signal} ${number}.`));
    };
    const comes = await outage(visit, { stop: () => postfix.stop(signal), start: () => postfix.start() });
    check(t, comes);
    t.equal(new Set(queued).size, comes.length, "every message was queued");
    const arrived = () => dovecot.subjects("alice").filter((subject) => subject.startsWith(`${signal} `));
    await until("the mail", () => arrived().length >= comes.length, DELIVERY_MS);
    t.equal(new Set(arrived()).size, comes.length, "none is lost");
    // By the queue, not the mailbox: a Postfix that goes in the middle of LMTP delivers again what it had delivered. Who had
    // to come again may have been taken the first time, just before Postfix could say so.
    const ids = postfix.log
      .lines()
      .flatMap((line) => /cleanup\[\d+\]: (\w+): message-id/.exec(line)?.[1] ?? []);
    const visits = comes.reduce((sum, come) => sum + come.visits, 0);
    const taken = new Set(ids).size;
    t.ok(taken >= comes.length && taken <= visits, `and none was taken twice: ${taken} in ${visits} visits`);
  });
}

t.test("every client is greeted when Dovecot goes and comes back", async (t) => {
  const visit = async (number: number) => {
    const header = proxyHeader(`203.0.113.${(number % 250) + 1}`);
    const client = await Client.connect(t, { port: gateway.port("imap"), header, waitMs: WAIT_MS });
    const line = await client.line();
    if (!line.startsWith("* OK")) throw new Error(`no greeting: ${line}`);
    client.send("a LOGOUT\r\n");
    await client.rest();
  };
  check(t, await outage(visit, { stop: () => dovecot.stop(), start: () => dovecot.start() }));
});

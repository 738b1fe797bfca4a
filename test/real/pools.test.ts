/**
 * Three mail servers that each fail in a way of its own while clients come: one is killed, one is slow to greet, one is full.
 * No client hears of it before its greeting, and every message is queued, once.
 */
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { Client } from "../servers/client.ts";
import { startDovecot } from "../servers/dovecot.ts";
import { behindProxy, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { type Postfix, startPostfix } from "../servers/postfix.ts";
import { until } from "../servers/process.ts";
import { sendMail } from "../servers/talk.ts";

const CLIENTS = 60;
const BETWEEN_MS = 100;
/** What the full one takes at a time; and so many stay there. */
const ROOM = 3;
const STAYING = 2;
const WAIT_MS = 90_000;

t.setTimeout(180_000);

t.test("no client sees of three servers that one is killed, one slow and one full", async (t) => {
  const dovecot = await startDovecot(t);
  const killed = await startPostfix(t, { dovecot });
  // Judged at once, a client waits for its greeting as long as the restrictions take.
  const settings = { smtpd_delay_reject: "no", smtpd_client_restrictions: "sleep 20, permit" };
  const slow = await startPostfix(t, { dovecot, settings });
  const full = await startPostfix(t, { dovecot });
  const address = (postfix: Postfix) => `127.0.0.1:${postfix.port("smtpProxy")}`;
  const gateway = await startGateway(t, {
    listeners: { smtp: behindProxy("smtp", "servers"), full: behindProxy("smtp", "full") },
    limits: { default: { connectionCount: 0 } },
    pools: {
      servers: {
        servers: [address(killed), address(slow), { address: address(full), maxConnections: ROOM - STAYING }],
        identity: "proxy-v2",
        greetTimeout: "2s",
        health: {},
        park: { timeout: "80s", max: CLIENTS },
      },
      full: { servers: [address(full)], identity: "proxy-v2", health: {} },
    },
  });
  const come = (number: number, listener: string) => {
    const header = proxyHeader(`203.0.113.${number + 1}`);
    return Client.connect(t, { port: gateway.port(listener), header, waitMs: WAIT_MS });
  };
  const staying = await Promise.all(Array.from({ length: STAYING }, (_, index) => come(200 + index, "full")));
  for (const client of staying) t.match(await client.reply(), /^220 /);
  const visits: Promise<string>[] = [];
  for (let number = 0; number < CLIENTS; number++) {
    visits.push(come(number, "smtp").then((client) => sendMail(client, `${number}.`)));
    // Between two sessions: whoever was talking to the server has to come again, as a mail server does.
    if (number === CLIENTS / 3) {
      await Promise.all(visits);
      await killed.stop("SIGKILL");
    }
    await sleep(BETWEEN_MS);
  }
  const queued = await Promise.all(visits);
  t.equal(new Set(queued).size, CLIENTS, "every message was queued");
  const ends = await until("the last line", () => {
    const found = gateway.lines().filter(({ event, listener }) => event === "session" && listener === "smtp");
    return found.length === CLIENTS && found;
  });
  t.same(
    ends.filter(({ outcome }) => outcome !== "closed"),
    [],
  );
  const servers = (postfix: Postfix) => ends.filter(({ server }) => server === address(postfix)).length;
  t.ok(servers(killed) > 0, `${servers(killed)} were served by the first before it was killed`);
  t.equal(servers(slow), 0, "none by the slow one");
  t.ok(servers(full) >= CLIENTS - CLIENTS / 3 - 1, `${servers(full)} by the full one, in turn`);
  for (const client of staying) t.match(await client.smtp("NOOP"), /^250 /);
});

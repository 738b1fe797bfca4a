/** What postern says of messages against what Postfix has in its queue, when clients send them in every way there is. */
import t, { type Test } from "tap";
import { metric } from "../live/look.ts";
import { makeCertificate } from "../servers/certificate.ts";
import { Client } from "../servers/client.ts";
import { startDovecot } from "../servers/dovecot.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { startPostfix } from "../servers/postfix.ts";
import { makeDirectory, until } from "../servers/process.ts";
import { beginTls } from "../servers/talk.ts";
import { Attempt, SIZE_MAX, unwanted, ways } from "./mixture.ts";

const listeners = ["off", "starttls", "implicit"] as const;
const messagesOfEach = 700;
/** At each listener. */
const clientsAtOnce = 4;

const dovecot = await startDovecot(t);
const postfix = await startPostfix(t, {
  dovecot,
  settings: {
    relay_domains: "crowd.test",
    message_size_limit: `${SIZE_MAX}`,
    smtpd_end_of_data_restrictions: `check_sender_access inline:{ ${unwanted}=reject }`,
    // So many messages that never come to be must not hold up the others, nor errors their clients.
    in_flow_delay: "0",
    smtpd_error_sleep_time: "0",
  },
});
const { certFile, keyFile } = makeCertificate(makeDirectory(t, "certificate"), "mail.example.test");
const gateway = await startGateway(t, {
  listeners: Object.fromEntries(listeners.map((tls) => [tls, { ...behindProxy("smtp", "postfix"), tls }])),
  pools: { postfix: poolOf(postfix.port("smtpProxy"), "proxy-v2") },
  tls: { certificates: [{ cert: certFile, key: keyFile }] },
});

async function connect(t: Test, tls: (typeof listeners)[number]): Promise<Client> {
  const header = proxyHeader("203.0.113.7");
  const client = await Client.connect(t, { port: gateway.port(tls), header, tls: tls === "implicit" });
  await client.reply();
  await client.smtp("EHLO client.example.org");
  if (tls === "starttls") await beginTls(client);
  return client;
}

/** Goes all the ways, one after the other; gives how many messages and recipients were queued. */
async function send(t: Test, tls: (typeof listeners)[number]) {
  let next = 0;
  const sum = { mails: 0, recipients: 0 };
  const work = async () => {
    let client: Client | null = null;
    for (let index = next++; index < messagesOfEach; index = next++) {
      client ??= await connect(t, tls);
      const way = ways[index % ways.length]!;
      const recipients = Array.from({ length: 1 + (index % 5) }, (_, at) => `${at}@crowd.test`);
      const attempt = new Attempt(client, recipients);
      await way.go(attempt);
      if ((attempt.queued !== null) !== way.isQueued) throw new Error(`${way.name}: ${attempt.queued}`);
      if (way.isQueued) sum.mails++;
      if (way.isQueued) sum.recipients += recipients.length;
      if (way.isLast === true) client = null;
    }
    await client?.smtp("QUIT");
  };
  await Promise.all(Array.from({ length: clientsAtOnce }, work));
  return sum;
}

/** What Postfix has taken up, once it has done with all of that. */
async function inQueue(mails: number) {
  const found = (pattern: RegExp) => postfix.log.lines().flatMap((line) => pattern.exec(line) ?? []);
  await until("all messages' end", () => found(/: removed$/).length >= mails);
  const counts = postfix.log
    .lines()
    .flatMap((line) => / nrcpt=(\d+) \(queue active\)$/.exec(line)?.[1] ?? []);
  return { mails: counts.length, recipients: counts.reduce((sum, count) => sum + Number(count), 0) };
}

t.test("postern counts as many messages as Postfix has queued, whatever became of the others", async (t) => {
  const sent = await Promise.all(listeners.map((tls) => send(t, tls)));
  const total = (what: "mails" | "recipients") => sent.reduce((sum, counts) => sum + counts[what], 0);
  const wanted = { mails: total("mails"), recipients: total("recipients") };
  t.ok(wanted.mails > 500, `${wanted.mails} of ${messagesOfEach * listeners.length}`);
  t.same(await inQueue(wanted.mails), wanted, "Postfix");
  for (const [index, tls] of listeners.entries()) {
    const connections = await metric(gateway, `postern_connections_total{listener="${tls}"}`);
    const lines = await until("all sessions' lines", () => {
      const found = gateway.lines().filter(({ event, listener }) => event === "session" && listener === tls);
      return found.length >= connections && found;
    });
    const sum = (what: "mails" | "recipients") =>
      lines.reduce((total, { smtp }) => total + (smtp?.[what] ?? 0), 0);
    t.same({ mails: sum("mails"), recipients: sum("recipients") }, sent[index], `lines of ${tls}`);
    t.equal(await metric(gateway, `postern_messages_total{listener="${tls}"}`), sent[index]?.mails);
  }
});

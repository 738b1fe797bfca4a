/**
 * A second message hidden behind what one server takes for the first one's end and another does not (CVE-2023-51764). The
 * Postfix behind the gateway is one that can be fooled; beside it stands one that is on its guard, for its words.
 */
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { makeCertificate } from "../servers/certificate.ts";
import { Client } from "../servers/client.ts";
import { startDovecot } from "../servers/dovecot.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { startPostfix } from "../servers/postfix.ts";
import { makeDirectory, until } from "../servers/process.ts";
import { beginTls } from "../servers/talk.ts";

interface FalseEnd {
  readonly name: string;
  readonly bytes: string;
  /** What stands alone in it first. */
  readonly bare: "CR" | "LF";
}

/** Those that end a message for a Postfix that can be fooled, and those that have fooled others. */
const lineFeeds: readonly FalseEnd[] = [
  { name: "LF.LF", bytes: "\n.\n", bare: "LF" },
  { name: "LF.CRLF", bytes: "\n.\r\n", bare: "LF" },
  { name: "CRLF.LF", bytes: "\r\n.\n", bare: "LF" },
];
const all: readonly FalseEnd[] = [
  ...lineFeeds,
  { name: "CR.CR", bytes: "\r.\r", bare: "CR" },
  { name: "CRLF.CR", bytes: "\r\n.\r", bare: "CR" },
  { name: "CR.CRLF", bytes: "\r.\r\n", bare: "CR" },
];

/** Nothing may hold up so many messages that never come to be: cleanup waits while more begin than are delivered. */
const open = { smtpd_client_connection_count_limit: "0", in_flow_delay: "0" };
const guard = { smtpd_forbid_bare_newline: "reject", smtpd_forbid_bare_newline_exclusions: "" };
const dovecot = await startDovecot(t);
const [naive, wary] = await Promise.all(
  [{ smtpd_forbid_bare_newline: "no" }, guard].map((own) =>
    startPostfix(t, { dovecot, settings: { ...open, ...own } }),
  ),
);
const { certFile, keyFile } = makeCertificate(makeDirectory(t, "certificate"), "mail.example.test");
const listener = behindProxy("smtp", "naive");
const gateway = await startGateway(t, {
  hostname: "mail.example.test",
  listeners: {
    cut: listener,
    off: listener,
    close: { ...listener, smtp: { bareNewline: "close" } },
    starttls: { ...listener, tls: "starttls" },
    implicit: { ...listener, tls: "implicit" },
  },
  pools: { naive: poolOf(naive!.port("smtpProxy"), "proxy-v2") },
  tls: { certificates: [{ cert: certFile, key: keyFile }] },
});

const envelope = (to: string) => `MAIL FROM:<carol@example.org>\r\nRCPT TO:<${to}@example.test>\r\nDATA\r\n`;
const goAhead = "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n";
/** A message and a second one for who takes `bytes` for its end; otherwise one message that quotes another. */
const hiding = ({ bytes }: FalseEnd) => `first${bytes}${envelope("bob")}second\r\n.\r\n`;

const refusal = ({ bare }: FalseEnd) => `550 5.5.2 mail.example.test Error: bare <${bare}> received\r\n`;
const leave = "421 4.3.2 mail.example.test Service not available, try again later\r\n";

/** How many of our clients the naive Postfix has yet to see leave, from the mark of its log on. */
let clients = 0;

/** A client that has said EHLO. */
async function connect(t: Test, port: number, tls = false): Promise<Client> {
  clients++;
  const client = await Client.connect(t, { port, header: proxyHeader("203.0.113.7"), tls });
  await client.reply();
  await client.smtp("EHLO client.example.org");
  return client;
}

/** Says a whole message, in two pieces cut at `at`, when it is asked for. */
async function say(client: Client, text: string, at: number): Promise<void> {
  client.send(envelope("alice"));
  for (const code of [250, 250, 354]) {
    const reply = await client.reply();
    if (!reply.startsWith(`${code} `)) throw new Error(`no ${code}: ${reply}`);
  }
  client.send(text.slice(0, at));
  // What comes sooner a busy machine hands over in one piece.
  await sleep(4);
  client.send(text.slice(at));
}

/** The messages that the naive Postfix has taken, by what smtpd says of each client when it has left: `data=` so many. */
async function queued(): Promise<number> {
  const leaves = await until("all clients' leave", () => {
    const lines = naive!.log.lines().filter((line) => line.includes(" disconnect from unknown[203.0.113.7]"));
    return lines.length >= clients && lines;
  });
  naive!.log.mark();
  clients = 0;
  return leaves.reduce((sum, line) => sum + Number(/ data=(\d+)/.exec(line)?.[1] ?? 0), 0);
}

t.test("Postfix takes one message for two when nobody stands in front of it", async (t) => {
  for (const end of lineFeeds) {
    const client = await connect(t, naive!.port("smtpProxy"));
    await say(client, hiding(end), 0);
    for (const reply of [/queued as/, /^250/, /^250/, /^354/, /queued as/])
      t.match(await client.reply(), reply);
    client.close();
    t.equal(await queued(), 2, end.name);
  }
});

t.test("a message is refused in Postfix's own words when a bare LF is in it", async (t) => {
  for (const end of lineFeeds) {
    const client = await connect(t, wary!.port("smtpProxy"));
    await say(client, hiding(end), 0);
    t.equal(`${await client.reply()}\r\n`, refusal(end), end.name);
  }
  clients = 0;
});

for (const end of all) {
  t.test(`no message comes to be when ${end.name} is in it, wherever it is cut`, async (t) => {
    const text = hiding(end);
    const cuts = Array.from({ length: text.length }, (_, at) => at);
    const replies = new Set<string>();
    const work = async () => {
      for (let at = cuts.pop(); at !== undefined; at = cuts.pop()) {
        const client = await connect(t, gateway.port("cut"));
        await say(client, text, at);
        replies.add(await client.rest());
        client.close();
      }
    };
    await Promise.all(Array.from({ length: 10 }, work));
    t.same([...replies], [refusal(end) + leave]);
    t.equal(await queued(), 0);
  });
}

for (const tls of ["off", "starttls", "implicit"] as const) {
  t.test(`no message comes to be when its end is false, all is one breath, and TLS is ${tls}`, async (t) => {
    for (const end of all) {
      const client = await connect(t, gateway.port(tls), tls === "implicit");
      if (tls === "starttls") await beginTls(client);
      client.send(envelope("alice") + hiding(end));
      t.equal(await client.rest(), goAhead + refusal(end) + leave, end.name);
      client.close();
    }
    t.equal(await queued(), 0);
    const sessions = await until("their lines", () => {
      const lines = gateway.lines().filter((line) => line.event === "session" && line.listener === tls);
      return lines.length >= all.length && lines;
    });
    for (const line of sessions) {
      t.match(line, { outcome: "refused", reason: "bare-newline", smtp: { mails: 0, refused: 1 } });
    }
  });
}

t.test(
  "no message comes to be when its end is false, and the client is not heard to its true end",
  async (t) => {
    for (const end of all) {
      const client = await connect(t, gateway.port("close"));
      await say(client, hiding(end).slice(0, -5), 1);
      t.equal(await client.rest(), refusal(end) + leave, end.name);
    }
    t.equal(await queued(), 0);
  },
);

t.test("one message comes to be when its lines only look like an end", async (t) => {
  const text = `first\r\n..\r\n. \r\n.a\r\n\r\n..\r\n${envelope("bob")}second\r\n.\r\n`;
  const cuts = [...text].flatMap((char, at) => (char === "." || char === "\n" ? [at, at + 1] : []));
  for (const at of cuts) {
    const client = await connect(t, gateway.port("off"));
    await say(client, text, at);
    t.match(await client.reply(), /^250 .*queued as \w+$/);
    t.equal(await client.smtp("QUIT"), "221 2.0.0 Bye");
  }
  t.equal(await queued(), cuts.length);
});

/** Certificates replaced while clients come and go all the time, by sound files and by broken ones: nobody notices. */
import { copyFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { type Certificate, makeCertificate } from "../servers/certificate.ts";
import { Client } from "../servers/client.ts";
import { startDovecot } from "../servers/dovecot.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { startPostfix } from "../servers/postfix.ts";
import { makeDirectory, until } from "../servers/process.ts";

const folder = makeDirectory(t, "certificates");
const pair = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
const made = Array.from({ length: 6 }, (_, index) =>
  makeCertificate(makeDirectory(t, "certificate"), `mail${index}.example.test`),
);

/** Each file is there whole, or not at all; between the two they do not fit. */
function put({ certFile, keyFile }: Certificate): void {
  for (const [from, to] of [
    [certFile, pair.cert],
    [keyFile, pair.key],
  ] as const) {
    copyFileSync(from, `${to}.new`);
    renameSync(`${to}.new`, to);
  }
}

put(made[0]!);
const dovecot = await startDovecot(t);
const postfix = await startPostfix(t, {
  dovecot,
  settings: { relay_domains: "crowd.test", in_flow_delay: "0" },
});
const gateway = await startGateway(t, {
  listeners: {
    starttls: { ...behindProxy("smtp", "postfix"), tls: "starttls" },
    implicit: { ...behindProxy("smtp", "postfix"), tls: "implicit" },
  },
  pools: { postfix: poolOf(postfix.port("smtpProxy"), "proxy-v2") },
  tls: { certificates: [pair] },
});
type Port = "starttls" | "implicit";

/** A client inside TLS, new or resumed, that has said EHLO there. */
async function enter(t: Test, at: Port, session: Buffer | null = null) {
  const client = await Client.connect(t, { port: gateway.port(at), header: proxyHeader("203.0.113.7") });
  if (at === "starttls") {
    await client.reply();
    await client.smtp("EHLO client.example.org");
    await client.smtp("STARTTLS");
  }
  const secured = await client.startTls(session);
  if (at === "implicit") await client.reply();
  await client.smtp("EHLO client.example.org");
  return { client, ...secured };
}

/** From MAIL to QUIT; throws unless the message is queued. */
async function mail(client: Client): Promise<void> {
  client.send("MAIL FROM:<carol@example.org>\r\nRCPT TO:<a@crowd.test>\r\nDATA\r\n");
  for (let count = 0; count < 3; count++) await client.reply();
  const queued = await client.smtp("Subject: a\r\n\r\nb\r\n.");
  const bye = await client.smtp("QUIT");
  if (!queued.startsWith("250 ") || !bye.startsWith("221 ")) throw new Error(`${queued} ${bye}`);
  client.close();
}

/** Clients that come and go, a new one as soon as one has gone. */
class Load {
  /** What the latest of them were shown: those who resumed a session were shown nothing. */
  shown: string[] = [];
  sessions = 0;
  resumed = 0;
  #isOver = false;
  readonly #all: Promise<unknown>;

  constructor(t: Test) {
    const places = (["starttls", "implicit"] as const).flatMap((at) => [at, at, at]);
    this.#all = Promise.all(places.map((at) => this.#comeAndGo(t, at)));
    // Whoever waits for the end hears of it.
    this.#all.catch(() => {});
  }

  async #comeAndGo(t: Test, at: Port): Promise<void> {
    let session: Buffer | null = null;
    while (!this.#isOver) {
      const { client, fingerprint256, resumed } = await enter(t, at, session);
      // Each session is resumed once.
      session = resumed ? null : client.session;
      await mail(client);
      this.sessions++;
      if (resumed) this.resumed++;
      else this.shown.push(fingerprint256);
    }
  }

  /** What is shown to so many clients more. */
  async next(count: number): Promise<Set<string>> {
    this.shown = [];
    await Promise.race([this.#all, until(`${count} sessions`, () => this.shown.length >= count)]);
    return new Set(this.shown);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#all;
  }
}

const events = (event: string) => gateway.lines().filter((line) => line.event === event).length;

/** Puts something in the files' place, and waits for the gateway's word about it. */
async function replace(event: string, change: () => void): Promise<void> {
  const before = events(event);
  change();
  process.kill(gateway.pid, "SIGHUP");
  await until(event, () => events(event) > before);
}

t.test("no session fails when the certificate is replaced again and again", async (t) => {
  const early = await Promise.all([enter(t, "starttls"), enter(t, "implicit")]);
  const load = new Load(t);
  const shows = async ({ fingerprint256 }: Certificate, what: string) =>
    t.same(await load.next(20), new Set([fingerprint256]), what);
  // The word is written before the threads have heard, and some clients are about to begin.
  const settles = ({ fingerprint256 }: Certificate) =>
    until("the new one alone", async () => [...(await load.next(10))].join() === fingerprint256);
  await shows(made[0]!, "the first");
  for (const [index, certificate] of made.entries()) {
    if (index === 0) continue;
    await replace("tls-reloaded", () => put(certificate));
    await settles(certificate);
    await shows(certificate, `number ${index}`);
    const old = made[index - 1]!;
    await replace("tls-reload-failed", () => copyFileSync(old.keyFile, pair.key));
    await shows(certificate, "a key that does not fit");
    await replace("tls-reload-failed", () => writeFileSync(pair.cert, "-----BEGIN CERTIFICATE-----\nMII"));
    await shows(certificate, "half a file");
  }
  put(made[0]!);
  await settles(made[0]!);
  await shows(made[0]!, "the first again, which nobody told the gateway");
  await load.stop();
  for (const { client } of early) await mail(client);
  t.ok(load.resumed > 100, `${load.resumed} of ${load.sessions} resumed`);
  const sessions = await until("all sessions' lines", () => {
    const lines = gateway.lines().filter(({ event }) => event === "session");
    return lines.length >= load.sessions + early.length && lines;
  });
  t.equal(sessions.length, load.sessions + early.length);
  t.ok(sessions.every(({ outcome, smtp }) => outcome === "closed" && smtp?.mails === 1));
});

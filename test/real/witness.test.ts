/**
 * Postern as CrowdSec's witness without its own log: by stock lines, which the hub's own mail collections read, and by alerts
 * that it pushes itself. Both come back as decisions, and the gate closes.
 *
 * The two stand beside each other here, as nobody should have them, to see that neither bans whom the other forgives.
 */
import { join } from "node:path";
import t, { type Test } from "tap";
import { makeCertificate } from "../servers/certificate.ts";
import { Client } from "../servers/client.ts";
import { startCrowdsec } from "../servers/crowdsec.ts";
import { password, startDovecot } from "../servers/dovecot.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { startPostfix } from "../servers/postfix.ts";
import { makeDirectory, until } from "../servers/process.ts";
import { sendMail } from "../servers/talk.ts";

t.setTimeout(120_000);

/** Measured here: two or three seconds. */
const banMsMax = 30_000;
const machine = { machineId: "edge", password: "machine-password" };

const file = join(makeDirectory(t, "stock"), "stock.log");
const crowdsec = await startCrowdsec(t, {
  collections: ["crowdsecurity/postfix", "crowdsecurity/dovecot"],
  acquisition: [{ file, labels: { type: "syslog" } }],
});
await crowdsec.addMachine(machine.machineId, machine.password);
const dovecot = await startDovecot(t, { quick: true });
const postfix = await startPostfix(t, { dovecot });
const { certFile, keyFile } = makeCertificate(makeDirectory(t, "certificate"), "mail.example.test");
const gateway = await startGateway(t, {
  listeners: {
    smtp: behindProxy("smtp", "postfix"),
    imaps: { ...behindProxy("imap", "dovecot"), tls: "implicit" },
  },
  pools: {
    postfix: poolOf(postfix.port("smtpProxy"), "proxy-v2"),
    dovecot: poolOf(dovecot.port("imapProxy"), "proxy-v2"),
  },
  tls: { certificates: [{ cert: certFile, key: keyFile }] },
  log: { stockLines: file },
  crowdsec: {
    url: crowdsec.url,
    apiKey: (await crowdsec.addBouncer("edge")).trim(),
    updateFrequency: "1s",
    alerts: machine,
  },
});

function connect(t: Test, listener: "smtp" | "imaps", ip: string): Promise<Client> {
  const port = gateway.port(listener);
  return Client.connect(t, { port, header: proxyHeader(ip), tls: listener === "imaps" });
}

async function greeting(t: Test, ip: string): Promise<string> {
  const client = await connect(t, "smtp", ip);
  const line = await client.line();
  client.close();
  return line;
}

/** Gives how it is refused in the end. */
async function refusal(t: Test, ip: string): Promise<string> {
  const startedMs = performance.now();
  const words = await until(
    `a refusal of ${ip}`,
    async () => {
      const line = await greeting(t, ip);
      return !line.startsWith("220 ") && line;
    },
    banMsMax,
  );
  t.comment(`refused ${Math.round(performance.now() - startedMs)} ms after the last offence`);
  return words;
}

async function logIn(t: Test, ip: string, secret: string): Promise<string> {
  const client = await connect(t, "imaps", ip);
  await client.line();
  const answer = await client.imap(`LOGIN alice ${secret}`);
  client.close();
  return answer;
}

/** What a browser says, or whoever looks for one. */
async function browse(t: Test, ip: string): Promise<void> {
  const client = await connect(t, "smtp", ip);
  await client.line();
  client.send("GET / HTTP/1.1\r\n");
  t.match(await client.line(), /^221 2\.7\.0 /);
  client.close();
}

const refused = (ip: string) => `554 5.7.1 gateway.example.test Error: access denied for ${ip}`;

t.test("a guesser is refused in SMTP when the stock parsers have read of four wrong passwords", async (t) => {
  const [guesser, user] = ["203.0.113.9", "2001:db8::9"];
  for (let attempt = 0; attempt < 3; attempt++) {
    for (const ip of [guesser, user]) t.match(await logIn(t, ip, "wrong"), /NO \[AUTHENTICATIONFAILED\]/);
  }
  t.match(await logIn(t, guesser, "wrong"), /NO \[AUTHENTICATIONFAILED\]/);
  t.equal(await refusal(t, guesser), refused(guesser));
  t.match(await logIn(t, user, password), / OK /);
  await sendMail(await connect(t, "smtp", user), "from the user");
  const [decision, ...others] = await crowdsec.decisions();
  t.match(decision, { scenario: "crowdsecurity/dovecot-spam", scope: "Ip", value: guesser, type: "ban" });
  t.strictSame(others, []);
});

t.test("an offender is refused when LAPI has made a decision of an alert that postern pushed", async (t) => {
  const [offender, stray] = ["203.0.113.19", "2001:db8::19"];
  for (let attempt = 0; attempt < 3; attempt++) {
    for (const ip of [offender, stray]) await browse(t, ip);
  }
  await browse(t, offender);
  t.equal(await refusal(t, offender), refused(offender));
  t.match(await greeting(t, stray), /^220 /);
  // LAPI gives the decision to bouncers a moment before it shows it with its alert.
  const alerts = await until("the alert with its decision", async () => {
    const found = (await crowdsec.alerts()).filter(({ source }) => source.value !== "203.0.113.9");
    return found.every(({ decisions }) => (decisions ?? []).length > 0) && found;
  });
  t.match(alerts, [
    {
      scenario: "postern/protocol-abuse",
      events_count: 4,
      source: { scope: "Ip", value: offender },
      decisions: [{ origin: "crowdsec", scenario: "postern/protocol-abuse", value: offender, type: "ban" }],
    },
  ]);
  t.equal(alerts.length, 1);
  await gateway.waitForLine(
    "the alert's line",
    ({ event, client }) => event === "alert" && client?.ip === offender,
  );
  const machines: readonly { machineId: string; last_heartbeat?: string }[] = JSON.parse(
    await crowdsec.cscli("machines", "list", "-o", "json"),
  );
  t.ok(machines.find(({ machineId }) => machineId === "edge")?.last_heartbeat, "the machine is alive");
});

/**
 * A LAPI that refuses the key, that goes away, and that comes again: mail flows throughout, and whom it has banned stays
 * banned, through a restart of postern's too.
 */
import { join } from "node:path";
import t, { type Test } from "tap";
import { metric } from "../live/look.ts";
import { Client } from "../servers/client.ts";
import { startCrowdsec } from "../servers/crowdsec.ts";
import { startDovecot } from "../servers/dovecot.ts";
import { behindProxy, type Gateway, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { makeDirectory, until } from "../servers/process.ts";

t.setTimeout(120_000);

/** Between two questions there are eight seconds at most by then, and LAPI's own start and end. */
const waitMsMax = 30_000;

const crowdsec = await startCrowdsec(t);
const dovecot = await startDovecot(t);
const [banned, later, other] = ["203.0.113.7", "203.0.113.8", "203.0.113.9"];
await crowdsec.ban(banned);

function start(t: Test, options: Readonly<Record<string, unknown>>): Promise<Gateway> {
  return startGateway(t, {
    listeners: { imap: behindProxy("imap", "dovecot") },
    pools: { dovecot: poolOf(dovecot.port("imapProxy"), "proxy-v2") },
    crowdsec: { url: crowdsec.url, updateFrequency: "1s", ...options },
  });
}

async function greeting(t: Test, gateway: Gateway, ip: string): Promise<string> {
  const client = await Client.connect(t, { port: gateway.port("imap"), header: proxyHeader(ip) });
  const line = await client.line();
  client.close();
  return line;
}

const refusal = "* BYE [NOPERM] Access denied";
const welcome = /^\* OK /;

function becomes(t: Test, gateway: Gateway, ip: string, isRefused: boolean): Promise<true> {
  const probe = async () => ((await greeting(t, gateway, ip)) === refusal) === isRefused;
  return until(`${ip} to be ${isRefused ? "refused" : "served"}`, probe, waitMsMax);
}

const failures = (gateway: Gateway) => gateway.lines().filter(({ event }) => event === "lapi-failed");

t.test("everybody is served, and the log says why once, when LAPI refuses the key", async (t) => {
  const gateway = await start(t, { apiKey: "0123456789abcdef" });
  await until("a second question", async () => {
    return (await metric(gateway, 'postern_lapi_errors_total{kind="forbidden"}')) > 1;
  });
  t.match(await greeting(t, gateway, banned), welcome);
  t.match(failures(gateway), [{ level: "warn", kind: "forbidden", detail: "403" }]);
  t.equal(failures(gateway).length, 1);
});

t.test(
  "whoever is banned stays so when LAPI goes away, and LAPI's word holds when it comes again",
  async (t) => {
    const apiKey = (await crowdsec.addBouncer("edge")).trim();
    const options = { apiKey, cache: join(makeDirectory(t, "cache"), "bans"), requireList: true };
    const first = await start(t, options);
    await becomes(t, first, banned, true);
    await crowdsec.stop();
    await until("a question in vain", () => failures(first).length > 0);
    t.equal(await greeting(t, first, banned), refusal);
    t.match(await greeting(t, first, later), welcome);
    t.equal(await first.stop(), 0);

    const second = await start(t, options);
    await second.waitForLine("the list of before", ({ event }) => event === "decisions-restored");
    t.equal(await greeting(t, second, banned), refusal);
    t.match(await greeting(t, second, later), welcome);
    await until("a question in vain", () => failures(second).length > 0);

    await crowdsec.start();
    await crowdsec.ban(later);
    await crowdsec.unban(banned);
    await becomes(t, second, later, true);
    await becomes(t, second, banned, false);
    t.match(await greeting(t, second, other), welcome);
    t.match(failures(second), [{ kind: "unreachable", detail: "ECONNREFUSED" }]);
    t.equal(failures(second).length, 1);
    await second.waitForLine("that it is over", ({ event }) => event === "lapi-recovered");
  },
);

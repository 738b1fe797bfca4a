/** Certificates and CrowdSec in a running gateway: from none to some, to others, and back to none. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import t, { type Test } from "tap";
import { makeCertificate } from "../servers/certificate.ts";
import { behindProxy, type Gateway, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { changes, decision, startLapi, text } from "../servers/lapi.ts";
import { freePort } from "../servers/ports.ts";
import { until } from "../servers/process.ts";
import { End } from "./end.ts";
import { readiness } from "./look.ts";
import { hello } from "./pair.ts";
import { answers, hangUp, reload } from "./reloading.ts";
import { greeting, startUpstream } from "./upstream.ts";

const made = t.testdir({ one: {}, two: {} });
const one = makeCertificate(join(made, "one"), "one.example.test");
const two = makeCertificate(join(made, "two"), "two.example.test");

/** So many connections that each of two threads has some of them. */
const MANY = 8;

async function secured(t: Test, port: number, session?: Buffer) {
  const options = { port, host: "127.0.0.1", rejectUnauthorized: false, ...(session && { session }) };
  const client = connect(options);
  t.teardown(() => client.destroy());
  await once(client, "secureConnect");
  return client;
}

/** The fingerprints that so many clients are shown. */
async function shown(t: Test, port: number): Promise<Set<string>> {
  const all = await Promise.all(Array.from({ length: MANY }, () => secured(t, port)));
  const prints = all.map((client) => client.getPeerCertificate().fingerprint256);
  for (const client of all) client.destroy();
  return new Set(prints);
}

t.test("a reload brings certificates, changes their list, and takes them away", async (t) => {
  const upstream = await startUpstream(t, { script: greeting(hello) });
  const port = await freePort();
  const smtp = behindProxy("smtp", "servers");
  const direct = { proxy: { mode: "off" }, protocol: "smtp", pool: "servers", listen: `127.0.0.1:${port}` };
  const pools = { servers: poolOf(upstream.port, "none") };
  const limits = { default: { connectionCount: 0 } };
  const gateway = await startGateway(t, { listeners: { smtp }, pools, limits });
  const filed = (...pairs: (typeof one)[]) => ({
    pools,
    limits,
    listeners: { smtp, smtps: { ...direct, tls: "implicit" } },
    tls: { certificates: pairs.map(({ certFile, keyFile }) => ({ cert: certFile, key: keyFile })) },
  });
  gateway.write(filed(one));
  t.match(await reload(gateway), {
    status: 200,
    changes: [{ what: "listeners.smtps" }, { what: "tls.certificates" }],
  });
  t.same(await shown(t, port), new Set([one.fingerprint256]));
  const early = await secured(t, port);
  const [session]: Buffer[] = await once(early, "session");

  gateway.write(filed(two, one));
  t.match(await hangUp(gateway), { event: "reload-done", changes: 1 });
  t.same(await shown(t, port), new Set([two.fingerprint256]));
  const resumed = await Promise.all(Array.from({ length: MANY }, () => secured(t, port, session)));
  t.same(
    new Set(resumed.map((client) => client.isSessionReused())),
    new Set([true]),
    "tickets are still taken",
  );

  gateway.write({ listeners: { smtp }, pools, limits });
  t.equal((await reload(gateway)).status, 200);
  t.equal(await answers(port), false);
  early.write("QUIT\r\n");
  await until("the early one's word", async () => (await upstream.next()).unread.includes("QUIT"));

  gateway.write(filed(one));
  t.equal((await reload(gateway)).status, 200);
  t.same(await shown(t, port), new Set([one.fingerprint256]));
});

const smtp = behindProxy("smtp", "servers");

async function told(t: Test, gateway: Gateway, source: string): Promise<string> {
  const client = await End.connect(t, { port: gateway.port("smtp") }, proxyHeader(source));
  const line = await client.line();
  client.reset();
  return line;
}

t.test("a reload brings CrowdSec, asks another LAPI, and lets everybody in again", async (t) => {
  const upstream = await startUpstream(t, { script: greeting(hello) });
  const lapis = [await startLapi(t), await startLapi(t)];
  const banned = ["203.0.113.66", "203.0.113.77"];
  for (const [index, lapi] of lapis.entries()) {
    lapi.answer = text(changes([decision(index + 1, banned[index]!)]));
  }
  const base = { listeners: { smtp }, pools: { servers: poolOf(upstream.port, "none") } };
  const filed = (index: number, others: object = {}) => ({
    ...base,
    crowdsec: { url: lapis[index]!.url, apiKey: `secret-${index}`, usageMetricsInterval: "0s", ...others },
  });
  const page = async () => (await fetch(`${gateway.adminUrl}/metrics`)).text();
  const gateway = await startGateway(t, base);
  t.notMatch(await page(), "postern_bans");
  t.equal(await told(t, gateway, banned[0]!), hello);

  gateway.write(filed(0, { requireList: true }));
  t.equal((await reload(gateway)).status, 200);
  await until("the list", async () => (await readiness(gateway)) === "200 ready");
  t.match(await told(t, gateway, banned[0]!), /^554 5\.7\.1 /);
  t.match(await page(), 'postern_bans{origin="cscli"} 1');

  gateway.write(filed(1));
  t.match(await hangUp(gateway), { event: "reload-done" });
  await until("the other list", async () => (await told(t, gateway, banned[1]!)) !== hello);
  t.equal(await told(t, gateway, banned[0]!), hello);

  gateway.write({ ...filed(1), crowdsec: { ...filed(1).crowdsec, neverBan: ["203.0.113.0/24"] } });
  t.equal((await reload(gateway)).status, 200);
  t.equal(await told(t, gateway, banned[1]!), hello);

  gateway.write(base);
  t.equal((await reload(gateway)).status, 200);
  t.notMatch(await page(), "postern_bans");
  const asked = lapis[1]!.asked.length;
  gateway.write(filed(1));
  t.equal((await reload(gateway)).status, 200);
  t.match(await told(t, gateway, banned[1]!), /^554 5\.7\.1 /, "the list was kept");
  await until("a question", () => lapis[1]!.asked.length > asked);
  t.notMatch(gateway.output(), "secret-");
  t.match(gateway.output(), '"what":"crowdsec.credentials.apiKey","from":"hidden","to":"hidden"');
  t.notMatch(readFileSync(gateway.path, "utf8"), "hidden");
});

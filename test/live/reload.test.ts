/** Another configuration in a running gateway: each part of it changes in place, and open sessions notice nothing. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { freePort } from "../servers/ports.ts";
import { until } from "../servers/process.ts";
import { End } from "./end.ts";
import { clients, metric, metricIs } from "./look.ts";
import { exchange, hello, ok, pair } from "./pair.ts";
import { answers, hangUp, reload } from "./reloading.ts";
import { greeting, startUpstream } from "./upstream.ts";

const header = proxyHeader("203.0.113.7");

const at = (port: number, listener: object): object => ({ ...listener, listen: `127.0.0.1:${port}` });

/** What a new client is told first. */
async function greeted(t: Parameters<typeof End.connect>[0], port: number, source = "203.0.113.7") {
  const client = await End.connect(t, { port }, proxyHeader(source));
  const line = await client.line();
  client.reset();
  return line;
}

t.test("a reload leaves open sessions what they began with when all around them is another", async (t) => {
  const one = await startUpstream(t);
  const two = await startUpstream(t, { script: greeting("220 two\r\n") });
  const listeners = { smtp: behindProxy("smtp", "servers"), imap: behindProxy("imap", "servers") };
  const gateway = await startGateway(t, { listeners, pools: { servers: poolOf(one.port, "none") } });
  const data = await pair(t, gateway, one);
  await exchange(data, "MAIL FROM:<carol@example.org>");
  await exchange(data, "RCPT TO:<alice@example.test>");
  await exchange(data, "DATA", "354 Go ahead\r\n");
  data.client.send("Subject: half\r\n");
  const idle = await End.connect(t, { port: gateway.port("imap") }, header);
  const mailbox = await one.next();
  mailbox.send("* OK ready\r\n");
  t.equal(await idle.line(), "* OK ready\r\n");
  idle.send("a LOGIN alice secret\r\n");
  t.equal(await mailbox.line(), "a LOGIN alice secret\r\n");
  mailbox.send("a OK in\r\n");
  t.equal(await idle.line(), "a OK in\r\n");

  gateway.write({
    hostname: "other.example.test",
    listeners: { smtp: { ...listeners.smtp, idleTimeout: "1s", ban: { action: "drop" } } },
    pools: { servers: poolOf(two.port, "proxy-v2") },
    limits: { default: { connectionCount: 1 } },
  });
  t.match(await hangUp(gateway), { event: "reload-done", level: "info" });
  t.equal(await greeted(t, gateway.port("smtp"), "203.0.113.9"), "220 two\r\n");
  t.equal(await answers(gateway.port("imap")), false, "the listener has gone");

  data.client.send("\r\nthe rest\r\n.\r\n");
  t.equal(await data.server.through("\r\n.\r\n"), "Subject: half\r\n\r\nthe rest\r\n.\r\n");
  data.server.send(ok);
  t.equal(await data.client.line(), ok);
  mailbox.send("* 1 EXISTS\r\n");
  t.equal(await idle.line(), "* 1 EXISTS\r\n");
  const again = await End.connect(t, { port: gateway.port("smtp") }, header);
  t.match(await again.rest(), /^421 4\.7\.0 other\.example\.test Error: too many connections/);
  data.client.end();
  data.server.end();
  idle.end();
  mailbox.end();
  t.match(await gateway.session("imap"), { outcome: "closed", server: `127.0.0.1:${one.port}` });
});

t.test("a reload says in a line each what is another, and what needs a restart", async (t) => {
  const { port } = await startUpstream(t, { script: greeting(hello) });
  const file = {
    listeners: { smtp: behindProxy("smtp", "servers") },
    pools: { servers: poolOf(port, "none") },
  };
  const gateway = await startGateway(t, file);
  t.match(await reload(gateway), { status: 200, changes: [], needRestart: [] });
  gateway.write({
    ...file,
    threads: 3,
    tableSize: 32,
    drain: "5s",
    listeners: { smtp: { ...behindProxy("smtp", "servers"), idleTimeout: "90s" } },
    admin: { listen: "127.0.0.1:1", topClients: 7 },
  });
  const changes = [
    { what: "drain", from: "30s", to: "5s" },
    { what: "listeners.smtp.idleTimeout", from: "5m", to: "90s" },
    { what: "admin.topClients", from: 50, to: 7 },
  ];
  const needRestart = ["threads", "tableSize", "admin.listen"];
  const { warnings, ...outcome } = { warnings: null, ...(await reload(gateway)) };
  t.same(outcome, { status: 200, changes, needRestart });
  t.match(await hangUp(gateway), { event: "reload-done", changes: 0 });
  const lines = gateway.lines();
  t.match(
    lines.filter(({ event }) => event === "reloaded"),
    changes,
  );
  t.match(
    lines.find(({ event }) => event === "reload-needs-restart"),
    { level: "warn", settings: needRestart },
  );
  t.match(await reload(gateway), { changes: [], needRestart }, "it still does");
});

t.test("a reload takes listeners away and brings them back, and their counters go on", async (t) => {
  const upstream = await startUpstream(t, { script: greeting(hello) });
  const port = await freePort();
  const extra = at(port, behindProxy("smtp", "servers"));
  const smtp = behindProxy("smtp", "servers");
  const pools = { servers: poolOf(upstream.port, "none") };
  const gateway = await startGateway(t, { listeners: { smtp, extra }, pools });
  const series = 'postern_connections_total{listener="extra"}';
  const client = await End.connect(t, { port }, header);
  t.equal(await client.line(), hello);
  t.equal(await metric(gateway, series), 1);

  gateway.write({ listeners: { smtp }, pools });
  t.match(await reload(gateway), { status: 200, changes: [{ what: "listeners.extra", to: null }] });
  t.equal(await answers(port), false);
  const page = async () => (await fetch(`${gateway.adminUrl}/metrics`)).text();
  t.notMatch(await page(), 'listener="extra"');
  (await upstream.next()).send("421 still here\r\n");
  t.equal(await client.line(), "421 still here\r\n");

  gateway.write({ listeners: { extra, smtp }, pools });
  t.match(await reload(gateway), { status: 200, changes: [{ what: "listeners.extra", from: null }] });
  t.equal(await greeted(t, port), hello);
  t.equal(await metric(gateway, series), 2);
  client.end();
});

t.test("a reload hands a port to another listener when only its name is new", async (t) => {
  const upstream = await startUpstream(t, { script: greeting(hello) });
  const port = await freePort();
  const pools = { servers: poolOf(upstream.port, "none") };
  const gateway = await startGateway(t, {
    listeners: { old: at(port, behindProxy("smtp", "servers")) },
    pools,
  });
  t.equal(await greeted(t, port), hello);
  gateway.write({ listeners: { new: at(port, behindProxy("smtp", "servers")) }, pools });
  t.equal((await reload(gateway)).status, 200);
  t.equal(await greeted(t, port), hello);
  t.match(await gateway.session("new"), { listener: "new" });
  t.equal(gateway.lines().filter(({ listener }) => listener === "old").length, 1);
});

t.test("a reload keeps what limits have counted where the scope is the same", async (t) => {
  const upstream = await startUpstream(t, { script: greeting(hello) });
  const file = (connectionRate: number, scope: string | null) => ({
    listeners: { smtp: behindProxy("smtp", "servers"), also: behindProxy("smtp", "servers") },
    pools: { servers: poolOf(upstream.port, "none") },
    limits: { default: { connectionRate, scope, timeUnit: "1h" } },
  });
  const gateway = await startGateway(t, file(4, null));
  const visit = () => greeted(t, gateway.port("smtp"));
  for (let count = 0; count < 3; count++) t.equal(await visit(), hello);
  gateway.write(file(4, null));
  t.equal((await reload(gateway)).status, 200);
  t.equal(await visit(), hello);
  t.match(await visit(), /^421 4\.7\.0 /, "the fifth");
  gateway.write(file(4, "together"));
  t.equal((await reload(gateway)).status, 200);
  t.equal(await visit(), hello, "another scope");
  gateway.write(file(6, null));
  t.equal((await reload(gateway)).status, 200);
  t.equal(await visit(), hello, "the sixth");
  t.match(await visit(), /^421 4\.7\.0 /, "the seventh");
  const names = (await clients(gateway)).map(({ scope, connections }) => [scope, connections]);
  t.same(
    new Map(names as [string, number][]),
    new Map([
      ["smtp", 7],
      ["together", 1],
    ]),
  );
});

t.test("a reload changes the log's place and level, and what the stock parsers are to read", async (t) => {
  const upstream = await startUpstream(t, { script: greeting(hello) });
  const folder = t.testdir();
  const file = (name: string, log: object = {}) => ({
    listeners: { smtp: { ...behindProxy("smtp", "servers"), smtp: { earlyTalk: "refuse" } } },
    pools: { servers: poolOf(upstream.port, "none") },
    log: { destination: join(folder, name), ...log },
  });
  const first = join(folder, "one");
  const gateway = await startGateway(t, file("one"), first);
  const text = (name: string) => readFileSync(join(folder, name), { encoding: "utf8", flag: "a+" });
  gateway.write(file("two", { level: "warn", stockLines: join(folder, "stock") }));
  const { status } = await reload(gateway);
  t.equal(status, 200);
  const speakEarly = async () => {
    const bytes = Buffer.concat([header, Buffer.from("EHLO x\r\n")]);
    const client = await End.connect(t, { port: gateway.port("smtp") }, bytes);
    t.match(await client.rest(), /^554 5\.5\.0 /);
    client.end();
  };
  await speakEarly();
  await until("a stock line", () => text("stock").includes(" gateway.example.test postfix/"));
  gateway.write({
    ...file("two", { level: "warn", stockLines: join(folder, "other") }),
    hostname: "other.test",
  });
  t.equal((await reload(gateway)).status, 200);
  await speakEarly();
  await until("another stock line", () => text("other").includes(" other.test postfix/"));
  t.equal(text("stock").split("\n").length, 2);
  gateway.write(file("two"));
  t.equal((await reload(gateway)).status, 200);
  t.equal(await greeted(t, gateway.port("smtp")), hello);
  await until("a session's line", () => text("two").includes('"event":"session"'));
  const seen = text("two")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
  t.match(
    seen.filter(({ level }) => level === "info").map(({ event }) => event),
    ["reloaded", "reloaded", "reloaded", "reload-done", "session"],
    "nothing of level info before",
  );
  t.notMatch(text("one"), /"event":"(?:reloaded|reload-done|session)"/);
});

t.test("a reload changes a pool's servers, and a server that stays down is known to be", async (t) => {
  const one = await startUpstream(t, { script: greeting("220 one\r\n") });
  const two = await startUpstream(t, { script: greeting("220 two\r\n") });
  const deaf = await freePort();
  const file = (port: number, ...others: number[]) => ({
    listeners: { smtp: behindProxy("smtp", "servers"), down: behindProxy("smtp", "deaf") },
    pools: {
      servers: poolOf(port, "none"),
      deaf: { ...poolOf(deaf, "none"), servers: [...others, deaf].map((other) => `127.0.0.1:${other}`) },
    },
  });
  const gateway = await startGateway(t, file(one.port));
  t.equal(await greeted(t, gateway.port("smtp")), "220 one\r\n");
  t.match(await greeted(t, gateway.port("down")), /^421 4\.3\.2 /);
  const up = (pool: string, port: number) => `postern_server_up{pool="${pool}",server="127.0.0.1:${port}"}`;
  t.equal(await metric(gateway, up("deaf", deaf)), 0);
  gateway.write(file(two.port, one.port));
  t.match(await reload(gateway), {
    changes: [{ what: "pools.servers.servers" }, { what: "pools.deaf.servers" }],
  });
  t.equal(await greeted(t, gateway.port("smtp")), "220 two\r\n");
  await metricIs(gateway, up("servers", two.port), 1);
  const page = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  t.notMatch(page, up("servers", one.port), "it is of the other pool now");
  t.match(page, `${up("deaf", deaf)} 0`);
  t.equal(await metric(gateway, up("deaf", one.port)), 1);
  t.equal(await greeted(t, gateway.port("down")), "220 one\r\n");
  t.equal(await metric(gateway, 'postern_upstream_connect_seconds_count{pool="servers"}'), 2);
});

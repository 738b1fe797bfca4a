/** A data thread that dies: what it held is given back, another takes its place, and the port answers again. */
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import t, { type Test } from "tap";
import { loadConfiguration } from "../../src/config/load.ts";
import { Gateway } from "../../src/threads/gateway.ts";
import { behindProxy, poolOf, withBarePools } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { freePort } from "../servers/ports.ts";
import { until } from "../servers/process.ts";
import { End } from "./end.ts";
import { clients, concurrency, metric, metricIs } from "./look.ts";
import { greeting, startUpstream } from "./upstream.ts";

const threads = 2;
const hello = "220 upstream\r\n";

/** The gateway in this process, whose threads can be reached. */
async function start(t: Test, file: Parameters<typeof withBarePools>[0]) {
  const destination = join(t.testdir(), "log");
  const usual = { threads, log: { destination }, admin: { listen: "127.0.0.1:0" } };
  const text = JSON.stringify({ ...usual, ...withBarePools(file) });
  const loaded = loadConfiguration(text, { name: "test", environment: {}, readFile: () => "", nowMs: 0 });
  if (!loaded.ok) throw new Error(loaded.errors.join("\n"));
  const gateway = await Gateway.start(loaded.configuration, "0.0.0");
  t.teardown(() => gateway.drain());
  const events = (event: string): unknown[] => {
    const lines = readFileSync(destination, "utf8").split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line)).filter((line) => line.event === event);
  };
  const port = Number(gateway.listeners.smtp?.[0]?.split(":").at(-1));
  return { gateway, port, events, look: { adminUrl: `http://${gateway.admin}` } };
}

t.test("a thread that dies gives back what it held and is replaced", async (t) => {
  const upstream = await startUpstream(t, { script: greeting(hello) });
  const { gateway, port, events, look } = await start(t, {
    maxConnections: 12,
    listeners: { smtp: behindProxy("smtp", "servers") },
    pools: {
      servers: {
        servers: [{ address: `127.0.0.1:${upstream.port}`, maxConnections: 12 }],
        identity: "none",
      },
    },
    limits: { default: { connectionCount: 12 } },
    drain: "0s",
  });
  const onServer = `postern_server_sessions{pool="servers",server="127.0.0.1:${upstream.port}"}`;
  for (let round = 1; round <= 2; round++) {
    // Every place is taken: by the limit and by the cap.
    const inside = await Promise.all(
      Array.from({ length: 12 }, () => End.connect(t, { port }, proxyHeader("203.0.113.7"))),
    );
    for (const client of inside) t.equal(await client.line(), hello);
    t.equal(await concurrency(look), 12);
    t.equal(await metric(look, onServer), 12);
    for (let thread = 0; thread < threads; thread++) gateway.crew.kill(thread);
    for (const client of inside) t.equal(await client.rest(), "");
    await until("the deaths' lines", () => events("thread-died").length === round * threads);
    await until("all places", async () => (await concurrency(look)) === 0);
    await metricIs(look, onServer, 0);
    await metricIs(look, 'postern_sessions_active{listener="smtp"}', 0);
    const client = await until("the port's answer", async () => {
      const client = await End.connect(t, { port }, proxyHeader("203.0.113.7")).catch(() => null);
      return client !== null && (await client.line().catch(() => "")) === hello && client;
    });
    client.reset();
    await until("its place", async () => (await concurrency(look)) === 0);
    await metricIs(look, 'postern_sessions_active{listener="smtp"}', 0);
  }
  t.match(
    events("thread-died"),
    Array.from({ length: 4 }, () => ({ level: "error", thread: /^[01]$/ })),
  );
});

t.test("a thread that dies leaves the other one's sessions alone", async (t) => {
  const upstream = await startUpstream(t, { script: greeting(hello) });
  const { gateway, port, look } = await start(t, {
    listeners: { smtp: behindProxy("smtp", "servers") },
    pools: { servers: poolOf(upstream.port, "none") },
    limits: { default: { connectionCount: 0 } },
    drain: "0s",
  });
  const all = await Promise.all(
    Array.from({ length: 30 }, () => End.connect(t, { port }, proxyHeader("203.0.113.7"))),
  );
  for (const client of all) await client.line();
  gateway.crew.kill(0);
  const left = await until("the death", async () => {
    const count = await concurrency(look);
    return count < 30 && count;
  });
  t.ok(left > 0, `${left} of 30 are left`);
  t.match(await clients(look), [{ connections: 30, concurrency: left }]);
  t.equal(await metric(look, 'postern_sessions_active{listener="smtp"}'), left);
  let answered = 0;
  // The one reply that needs no question.
  const reply = "421 still here\r\n";
  for (let count = 0; count < 30; count++) (await upstream.next()).send(reply);
  for (const client of all) answered += Number((await client.line().catch(() => "")) === reply);
  t.equal(answered, left);
});

t.test("a thread that dies gives its parked clients' places back, and the others are served", async (t) => {
  const server = await freePort();
  const { gateway, port, look } = await start(t, {
    listeners: { smtp: behindProxy("smtp", "servers") },
    limits: { default: { connectionCount: 0 } },
    pools: { servers: { ...poolOf(server, "none"), park: {} } },
  });
  const parked = 'postern_parked{pool="servers"}';
  const ends: End[] = [];
  for (let number = 0; number < 30; number++) {
    ends.push(await End.connect(t, { port }, proxyHeader("203.0.113.7")));
    await metricIs(look, parked, number + 1);
  }
  gateway.crew.kill(0);
  const gone = new Set<End>();
  for (const end of ends)
    void end.ending().then(
      () => gone.add(end),
      () => {},
    );
  const left = () => ends.filter((end) => !gone.has(end));
  await until("the places", async () => gone.size > 0 && (await metric(look, parked)) === left().length);
  t.ok(left().length > 0);
  let count = 0;
  const listening = createServer((socket) => socket.write(`220 ${count++}\r\n`)).listen(server, "127.0.0.1");
  t.teardown(() => listening.close());
  for (const [number, end] of left().entries()) t.equal(await end.line(), `220 ${number}\r\n`);
  await metricIs(look, parked, 0);
  for (const end of ends) end.reset();
});

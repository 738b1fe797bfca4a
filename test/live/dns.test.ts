/** A server that is written by name, and a DNS whose answer changes while the gateway runs. */
import { Resolver } from "node:dns/promises";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { loadConfiguration } from "../../src/config/load.ts";
import { Gateway } from "../../src/threads/gateway.ts";
import { type Entry, startDns } from "../servers/dns.ts";
import { behindProxy } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { until } from "../servers/process.ts";
import { End } from "./end.ts";
import { metricIs } from "./look.ts";
import { exchange, hello, ok } from "./pair.ts";
import { greeting, startUpstream } from "./upstream.ts";

// Each change is noticed when the answer before has had its 5 s.
t.setTimeout(60_000);

/** Whoever asks the system's DNS servers in this process asks this one instead. */
async function answerHere(t: Test, entries: Record<string, readonly Entry[]>): Promise<void> {
  const server = await startDns(t, entries);
  const { resolve4 } = Resolver.prototype;
  const value = function (this: Resolver, ...asked: unknown[]) {
    // The first of the two questions: a resolver's servers cannot change with a question under way.
    this.setServers([server]);
    return Reflect.apply(resolve4, this, asked);
  };
  t.intercept(Resolver.prototype, "resolve4", { value });
}

/** A gateway in this process, with `server` alone in its pool; clients wait for it, and nobody else connects to it. */
async function startHere(t: Test, server: string) {
  const destination = join(t.testdir(), "log");
  const text = JSON.stringify({
    hostname: "gateway.example.test",
    threads: 2,
    log: { destination },
    admin: { listen: "127.0.0.1:0" },
    listeners: { smtp: behindProxy("smtp", "servers") },
    pools: {
      servers: { servers: [server], identity: "none", park: { timeout: "30s" }, health: { interval: "0s" } },
    },
    limits: { default: { connectionCount: 0 } },
    drain: "0s",
  });
  const loaded = loadConfiguration(text, { name: "test", environment: {}, readFile: () => "", nowMs: 0 });
  if (!loaded.ok) throw new Error(loaded.errors.join("\n"));
  const gateway = await Gateway.start(loaded.configuration, "0.0.0");
  t.teardown(() => gateway.drain());
  const events = (event: string) => {
    const lines = readFileSync(destination, "utf8").split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line)).filter((line) => line.event === event);
  };
  const port = Number(gateway.listeners.smtp?.[0]?.split(":").at(-1));
  const come = () => End.connect(t, { port }, proxyHeader("203.0.113.7"));
  return { come, events, look: { adminUrl: `http://${gateway.admin}` } };
}

const at = (last: number): Entry[] => [{ type: 1, ttl: 1, data: [127, 0, 0, last] }];

t.test("new sessions follow a name's addresses, and old ones stay where they are", async (t) => {
  const first = await startUpstream(t, { host: "127.0.0.2", script: greeting(hello) });
  const second = await startUpstream(t, {
    host: "127.0.0.3",
    port: first.port,
    script: greeting("220 second\r\n"),
  });
  const entries: Record<string, readonly Entry[]> = {};
  await answerHere(t, entries);
  const server = `mail.test:${first.port}`;
  const { come, events, look } = await startHere(t, server);
  const sessionsAt = (address: string) =>
    `postern_server_sessions{pool="servers",server="${server}/${address}"}`;

  await until("the first answer", () => events("server-unresolved").length === 1);
  t.match(events("server-unresolved"), [{ level: "warn", pool: "servers", server }]);
  const parked = await come();
  await metricIs(look, 'postern_parked{pool="servers"}', 1);

  entries["mail.test"] = at(2);
  t.equal(await parked.line(), hello, "who came before there was a server is served");
  t.match(events("server-resolved"), [{ addresses: ["127.0.0.2"] }]);
  await metricIs(look, sessionsAt("127.0.0.2"), 1);

  entries["mail.test"] = at(3);
  await until("the change", () => events("server-resolved").length === 2);
  t.match(events("server-resolved")[1], { addresses: ["127.0.0.3"] });
  for (let count = 0; count < 10; count++) t.equal(await (await come()).line(), "220 second\r\n");
  const old = { client: parked, server: await first.next() };
  t.equal(await exchange(old, "NOOP"), ok, "who is there stays");

  delete entries["mail.test"];
  await until("the failure", () => events("server-unresolved").length === 2);
  for (let count = 0; count < 5; count++) t.equal(await (await come()).line(), "220 second\r\n");
  t.equal(await exchange(old, "NOOP"), ok);
  t.same([first.connections, second.connections], [1, 15], "an address that is gone gets nobody");
});

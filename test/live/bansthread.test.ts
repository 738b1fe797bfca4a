/** The thread that speaks with LAPI dies: what it knew goes on to hold, and another takes its place. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { loadConfiguration } from "../../src/config/load.ts";
import { Gateway } from "../../src/threads/gateway.ts";
import { startBook } from "../servers/book.ts";
import { behindProxy, poolOf, withBarePools } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { json } from "../servers/lapi.ts";
import { until } from "../servers/process.ts";
import { crowdsecAt, denied, hello } from "./banned.ts";
import { End } from "./end.ts";
import { metricIs } from "./look.ts";
import { startUpstream } from "./upstream.ts";

/** The gateway in this process, whose threads can be reached. */
async function start(t: Test, url: string, others: object = {}) {
  const upstream = await startUpstream(t, { script: (end) => end.send(hello) });
  const destination = join(t.testdir(), "log");
  const text = JSON.stringify({
    hostname: "gateway.example.test",
    threads: 2,
    log: { destination },
    admin: { listen: "127.0.0.1:0" },
    listeners: { smtp: behindProxy("smtp", "servers") },
    ...withBarePools({ pools: { servers: poolOf(upstream.port, "none") } }),
    crowdsec: crowdsecAt(url, others),
    drain: "0s",
  });
  const loaded = loadConfiguration(text, { name: "test", environment: {}, readFile: () => "", nowMs: 0 });
  if (!loaded.ok) throw new Error(loaded.errors.join("\n"));
  const gateway = await Gateway.start(loaded.configuration, "0.0.0");
  t.teardown(() => gateway.drain());
  const events = (event: string): unknown[] => {
    const lines = readFileSync(destination, "utf8").split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line)).filter((line) => line.event === event);
  };
  const port = Number(gateway.listeners.smtp?.[0]?.split(":").at(-1));
  const hears = async (source: string) => {
    const client = await End.connect(t, { port }, proxyHeader(source));
    const line = await client.line();
    client.close();
    return line;
  };
  return { gateway, port, events, hears, look: { adminUrl: `http://${gateway.admin}` } };
}

t.test("a thread that dies leaves its list to all, and to the one that takes its place", async (t) => {
  const { lapi, book } = await startBook(t);
  const first = book.ban("203.0.113.7", { origin: "CAPI" });
  const { gateway, port, events, hears, look } = await start(t, lapi.url);
  const open = await End.connect(t, { port }, proxyHeader("203.0.113.9"));
  t.equal(await open.line(), hello);
  await until("the list", () => events("decisions-loaded").length === 1);
  for (let round = 1; round <= 2; round++) {
    gateway.liaison?.kill();
    t.equal(await hears("203.0.113.7"), denied("203.0.113.7"), "it holds meanwhile");
    await until("the death", () => events("thread-died").length === round);
    t.equal(await hears("203.0.113.7"), denied("203.0.113.7"));
    t.equal(await hears("203.0.113.8"), hello);
    await until("another full list", () => events("decisions-loaded").length === round + 1);
    t.equal(await hears("203.0.113.7"), denied("203.0.113.7"));
  }
  t.match(events("thread-died"), [{ level: "error", thread: "lapi", replacedInMs: 100 }, { thread: "lapi" }]);
  book.ban("203.0.113.9");
  book.lift(first);
  t.match(await open.rest(), /^421 /, "what it publishes reaches the data threads");
  t.equal(await hears("203.0.113.7"), hello);
  // The last one's list has none of the first one's origins, but they have their numbers for the counters' whole life.
  gateway.liaison?.kill();
  await until("the last full list", () => events("decisions-loaded").length === 4);
  await metricIs(look, 'postern_bans{origin="cscli"}', 1);
  await metricIs(look, 'postern_bans{origin="CAPI"}', 0);
  await metricIs(look, 'postern_banned_total{origin="CAPI"}', 6);
  await metricIs(look, 'postern_banned_total{origin="cscli"}', 1);
});

t.test("a thread that dies while LAPI is away leaves the list as well", async (t) => {
  const { lapi, book } = await startBook(t);
  book.ban("203.0.113.7");
  const { gateway, events, hears } = await start(t, lapi.url, { onFailure: "closed" });
  await until("the list", () => events("decisions-loaded").length === 1);
  await lapi.stop();
  gateway.liaison?.kill();
  await until(
    "the new one's failure",
    () => events("thread-died").length === 1 && events("lapi-failed").length > 0,
  );
  t.equal(await hears("203.0.113.7"), denied("203.0.113.7"));
  t.equal(await hears("203.0.113.8"), hello);
});

t.test("a thread that takes another's place tells LAPI nothing twice", async (t) => {
  const { lapi, book } = await startBook(t);
  book.ban("203.0.113.7");
  const processed: number[] = [];
  book.other = (response, asked) => {
    const items: { name: string; value: number }[] = JSON.parse(asked.body).remediation_components[0]
      .metrics[0].items;
    processed.push(items.reduce((sum, { name, value }) => sum + (name === "processed" ? value : 0), 0));
    json({}, 201)(response, asked);
  };
  const sum = () => processed.reduce((sum, value) => sum + value, 0);
  const { gateway, events, hears } = await start(t, lapi.url, { usageMetricsInterval: "1s" });
  await until("the list", () => events("decisions-loaded").length === 1);
  for (let time = 0; time < 3; time++) await hears("203.0.113.7");
  // It says that it has nothing more to tell once it knows that these were taken.
  await until("the numbers", () => sum() === 3 && processed.at(-1) === 0);
  gateway.liaison?.kill();
  await until("another full list", () => events("decisions-loaded").length === 2);
  for (let time = 0; time < 2; time++) await hears("203.0.113.7");
  await until("the other numbers", () => sum() >= 5);
  await book.settled();
  await book.settled();
  t.equal(sum(), 5);
});

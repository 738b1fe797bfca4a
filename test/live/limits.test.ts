/** connectionCount and connectionRate at live listeners: Postfix's words, exact over four threads, and what is exempt. */
import t, { type Test } from "tap";
import { behindProxy, type Gateway, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { until } from "../servers/process.ts";
import { End } from "./end.ts";
import { clients, concurrency, metric, metricIs } from "./look.ts";
import { greeting, startUpstream } from "./upstream.ts";

/** What a client hears first where it is let in. */
const helloOf = (listener: string) => (listener === "imap" ? "* OK upstream\r\n" : "220 upstream\r\n");
const threads = 4;

async function start(t: Test, limits: Readonly<Record<string, object>>): Promise<Gateway> {
  const upstream = await startUpstream(t, { script: greeting(helloOf("smtp")) });
  const imap = await startUpstream(t, { script: greeting(helloOf("imap")) });
  const listener = (protocol: "smtp" | "imap" | "tcp", set: string, tls?: "passthrough") => ({
    ...behindProxy(protocol, protocol === "imap" ? "imap" : "servers", tls),
    limits: set,
  });
  const [first = "", second = first] = Object.keys(limits);
  return startGateway(t, {
    threads,
    listeners: {
      smtp: listener("smtp", first),
      smtps: listener("smtp", first, "passthrough"),
      imap: listener("imap", first),
      tcp: listener("tcp", first),
      submission: listener("smtp", second),
    },
    pools: { servers: poolOf(upstream.port, "none"), imap: poolOf(imap.port, "none") },
    limits,
  });
}

function come(t: Test, gateway: Gateway, listener: string, source: string): Promise<End> {
  return End.connect(t, { port: gateway.port(listener) }, proxyHeader(source));
}

/** Whether each of `count` clients that come at once is let in. */
async function comeAtOnce(
  t: Test,
  gateway: Gateway,
  listener: string,
  count: number,
  source: (index: number) => string,
) {
  const ends = await Promise.all(
    Array.from({ length: count }, (_, index) => come(t, gateway, listener, source(index))),
  );
  const heard = await Promise.all(ends.map((end) => end.line()));
  return { ends, inside: heard.filter((line) => line === helloOf(listener)).length, heard };
}

const words = (address: string) => ({
  smtp: `421 4.7.0 gateway.example.test Error: too many connections from ${address}\r\n`,
  imap: `* BYE [LIMIT] Too many connections from ${address}\r\n`,
  smtps: "",
  tcp: "",
});

t.test("connectionCount refuses in Postfix's words, and counts with what is open", async (t) => {
  const gateway = await start(t, { default: { connectionCount: 1 } });
  for (const source of ["203.0.113.7", "2001:db8::7"]) {
    for (const [listener, expected] of Object.entries(words(source))) {
      const inside = await come(t, gateway, listener, source);
      t.equal(await inside.line(), helloOf(listener));
      const refused = await come(t, gateway, listener, source);
      t.equal(await refused.rest(), expected);
      refused.end();
      t.match(await gateway.session(listener, source), { outcome: "refused", reason: "connection-count" });
      const limited = await gateway.waitForLine(
        "a sec.limit line",
        (line) => line.event === "sec.limit" && line.client?.ip === source,
      );
      t.match(limited, {
        service: /\w/,
        reason: "connection-count",
        count: 2,
        limit: 1,
        client: { ip: source },
      });
      inside.reset();
      await until("the place", async () => (await concurrency(gateway)) === 0);
      const next = await come(t, gateway, listener, source);
      t.equal(await next.line(), helloOf(listener), "a place that is left is free");
      next.reset();
    }
  }
  for (const listener of Object.keys(words(""))) {
    t.equal(
      await metric(gateway, `postern_refused_total{listener="${listener}",reason="connection-count"}`),
      2,
    );
  }
});

t.test("connectionCount is exact over the threads", async (t) => {
  const gateway = await start(t, { default: { connectionCount: 7 } });
  for (let round = 0; round < 3; round++) {
    const { ends, inside, heard } = await comeAtOnce(t, gateway, "smtp", 40, () => "203.0.113.7");
    t.equal(inside, 7);
    t.equal(heard.filter((line) => line.startsWith("421 4.7.0 ")).length, 33);
    for (const end of ends) end.reset();
    await until("all places", async () => (await concurrency(gateway)) === 0);
  }
  const [client] = await clients(gateway);
  t.match(client, { address: "203.0.113.7", scope: "smtp", connections: 120, refused: 99 });
});

t.test("connectionRate counts all that come in a window, refused ones too", async (t) => {
  const gateway = await start(t, { default: { connectionCount: 0, connectionRate: 10, timeUnit: "24h" } });
  const { ends, inside } = await comeAtOnce(t, gateway, "smtp", 25, () => "203.0.113.7");
  t.equal(inside, 10);
  for (const end of ends) end.reset();
  await until("all places", async () => (await concurrency(gateway)) === 0);
  const late = await come(t, gateway, "smtp", "203.0.113.7");
  t.equal(await late.rest(), words("203.0.113.7").smtp);
  const line = await gateway.waitForLine("the refusal", (line) => line.event === "sec.limit");
  t.match(line, { reason: "connection-rate", limit: 10, dryRun: false });
  t.equal(await (await come(t, gateway, "smtp", "203.0.113.8")).line(), helloOf("smtp"), "another client");
  t.equal(
    await (await come(t, gateway, "submission", "203.0.113.7")).line(),
    helloOf("smtp"),
    "another scope",
  );
});

t.test("a network of IPv6 addresses is one client, and exceptions are none", async (t) => {
  const gateway = await start(t, {
    default: { connectionCount: 2, exceptions: ["198.51.100.0/24", "2001:db8:9::/48"] },
  });
  const near = await comeAtOnce(t, gateway, "smtp", 6, (index) => `2001:db8:0:1:${index}::${index + 1}`);
  t.equal(near.inside, 2);
  const far = await comeAtOnce(t, gateway, "smtp", 6, (index) => `2001:db8:0:${index + 2}::1`);
  t.equal(far.inside, 6);
  for (const source of ["198.51.100.7", "2001:db8:9::7"]) {
    t.equal((await comeAtOnce(t, gateway, "smtp", 6, () => source)).inside, 6);
  }
  const found = (await clients(gateway)).find(({ address }) => address === "2001:db8:0:1::");
  t.match(found, { prefixLength: 64, connections: 6, concurrency: 2 });
});

t.test("a dry run lets everybody in, and says whom it would not have", async (t) => {
  const gateway = await start(t, { default: { connectionCount: 2, dryRun: true } });
  t.equal((await comeAtOnce(t, gateway, "smtp", 6, () => "203.0.113.7")).inside, 6);
  const line = await gateway.waitForLine("a sec.limit line", (line) => line.event === "sec.limit");
  t.match(line, { reason: "connection-count", dryRun: true });
  await metricIs(gateway, 'postern_dry_run_refusals_total{listener="smtp",reason="connection-count"}', 4);
  t.equal(await metric(gateway, 'postern_refused_total{listener="smtp",reason="connection-count"}'), 0);
});

t.test("listeners with one scope count together", async (t) => {
  const gateway = await start(t, {
    default: { connectionCount: 3, scope: "mail" },
    other: { connectionCount: 5, scope: "mail" },
  });
  t.equal((await comeAtOnce(t, gateway, "smtp", 2, () => "203.0.113.7")).inside, 2);
  t.equal((await comeAtOnce(t, gateway, "imap", 2, () => "203.0.113.7")).inside, 1);
  t.equal(
    (await comeAtOnce(t, gateway, "submission", 4, () => "203.0.113.7")).inside,
    2,
    "each by its own limit",
  );
  t.match(await clients(gateway), [{ scope: "mail", connections: 8, concurrency: 5 }]);
});

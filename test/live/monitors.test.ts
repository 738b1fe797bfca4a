/** Clients that only check (`monitors`): answered here as a load balancer's checks are, whatever else holds at the listener. */
import t, { type Test } from "tap";
import { postern } from "../commands/run.ts";
import { makeCertificate } from "../servers/certificate.ts";
import { behindProxy, type Gateway, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { freePort } from "../servers/ports.ts";
import { End } from "./end.ts";
import { clients, metricIs, sessionLines } from "./look.ts";
import { greeting, startUpstream } from "./upstream.ts";

const MONITOR = "203.0.113.7";
const SIXTH = "2001:db8:7::9";
const CLIENT = "203.0.113.8";
const monitors = [`${MONITOR}/32`, "2001:db8:7::/48"];

const { certFile, keyFile } = makeCertificate(t.testdir(), "gateway.example.test");

/** Listeners that let a client in once; those called `direct…` take no header. */
function start(t: Test, port: number, maxConnections = 100): Promise<Gateway> {
  const direct = { proxy: { mode: "off" }, monitors: ["127.0.0.2"] };
  const smtp = behindProxy("smtp", "servers");
  return startGateway(t, {
    threads: 1,
    maxConnections,
    listeners: {
      smtp: { ...smtp, monitors },
      imap: { ...behindProxy("imap", "servers"), monitors },
      tcp: { ...behindProxy("tcp", "servers"), monitors },
      none: smtp,
      direct: { ...smtp, ...direct },
      directs: { ...smtp, ...direct, tls: "implicit" },
    },
    pools: { servers: poolOf(port, "none") },
    limits: { default: { connectionRate: 1, timeUnit: "10m" } },
    tls: { certificates: [{ cert: certFile, key: keyFile }] },
    log: { level: "debug" },
  });
}

/** What each says to end, and how it is greeted and seen off while the pool is up. */
const talks = {
  smtp: ["QUIT\r\n", "220 gateway.example.test ESMTP\r\n", "221 2.0.0 Bye\r\n"],
  imap: [
    "a LOGOUT\r\n",
    "* OK [CAPABILITY IMAP4rev1] gateway.example.test ready\r\n",
    "* BYE Logging out\r\na OK Completed\r\n",
  ],
} as const;

t.test("a monitor is answered as often as it comes, and is nobody's client", async (t) => {
  const upstream = await startUpstream(t, { script: greeting("220 upstream\r\n") });
  const gateway = await start(t, upstream.port);
  for (const [listener, [last, hello, bye]] of Object.entries(talks)) {
    const port = gateway.port(listener);
    for (const source of [MONITOR, SIXTH, `::ffff:${MONITOR}`]) {
      const polite = await End.connect(t, { port }, proxyHeader(source));
      t.equal(await polite.line(), hello, source);
      polite.send(last);
      t.equal(await polite.rest(), bye);
      polite.close();
    }
    const surplus = Buffer.concat([proxyHeader(MONITOR), Buffer.from(last)]);
    const hasty = await End.connect(t, { port }, surplus);
    t.equal(await hasty.rest(), hello + bye, "all at once");
    hasty.close();
    const curt = await End.connect(t, { port }, proxyHeader(MONITOR));
    curt.end();
    t.equal(await curt.rest(), hello);
    const rude = await End.connect(t, { port }, proxyHeader(MONITOR));
    await rude.line();
    rude.reset();
    await metricIs(gateway, `postern_healthchecks_total{listener="${listener}"}`, 6);
  }
  const held = await End.connect(t, { port: gateway.port("tcp") }, proxyHeader(MONITOR));
  await metricIs(gateway, 'postern_sessions_active{listener="tcp"}', 1);
  held.end();
  t.equal(await held.rest(), "", "nothing can be said where nothing is read");
  await metricIs(gateway, 'postern_healthchecks_total{listener="tcp"}', 1);

  t.equal(upstream.connections, 0);
  t.same(await clients(gateway), []);
  for (const line of await sessionLines(gateway, 13)) {
    t.match(line, { level: "debug", outcome: "healthcheck", reason: null, server: null });
    t.match(line.client?.ip ?? MONITOR, /^(203\.0\.113\.7|2001:db8:7::9)$/);
  }
  t.match((await gateway.session("imap", SIXTH)).client, { ip: SIXTH, port: 40_123 });
});

t.test("others at the same listener are clients, and so is a monitor at another listener", async (t) => {
  const upstream = await startUpstream(t, { script: greeting("220 upstream\r\n") });
  const gateway = await start(t, upstream.port);
  for (const [listener, source] of [
    ["smtp", CLIENT],
    ["none", MONITOR],
  ] as const) {
    const port = gateway.port(listener);
    const client = await End.connect(t, { port }, proxyHeader(source));
    t.equal(await client.line(), "220 upstream\r\n", listener);
    const again = await End.connect(t, { port }, proxyHeader(source));
    t.match(await again.rest(), /^421 4\.7\.0 /, listener);
    again.close();
    t.match(await gateway.session(listener, source), { reason: "connection-rate" });
  }
  t.equal(upstream.connections, 2);
});

t.test("a monitor is known by its own address where there is no header", async (t) => {
  const upstream = await startUpstream(t, { script: greeting("220 upstream\r\n") });
  const gateway = await start(t, upstream.port);
  const [last, hello, bye] = talks.smtp;
  for (const listener of ["direct", "directs"]) {
    const port = gateway.port(listener);
    const monitor = await End.connect(t, { port, from: "127.0.0.2" });
    if (listener === "directs") await monitor.secure();
    t.equal(await monitor.line(), hello, listener);
    monitor.send(last);
    t.equal(await monitor.rest(), bye, listener);
    monitor.close();
    const curt = await End.connect(t, { port, from: "127.0.0.2" });
    curt.end();
    await curt.ending();
    await metricIs(gateway, `postern_healthchecks_total{listener="${listener}"}`, 2);
    t.match(await gateway.session(listener, "127.0.0.2"), { level: "debug", outcome: "healthcheck" });
  }
  t.equal(upstream.connections, 0);
  const client = await End.connect(t, { port: gateway.port("direct") });
  t.equal(await client.line(), "220 upstream\r\n");
});

t.test("a monitor is answered when no place is left for clients", async (t) => {
  const upstream = await startUpstream(t, { script: greeting("220 upstream\r\n") });
  const gateway = await start(t, upstream.port, 1);
  const client = await End.connect(t, { port: gateway.port("smtp") }, proxyHeader(CLIENT));
  t.equal(await client.line(), "220 upstream\r\n");
  const other = await End.connect(t, { port: gateway.port("smtp") }, proxyHeader("203.0.113.9"));
  t.match(await other.rest(), /^421 /);
  const monitor = await End.connect(t, { port: gateway.port("smtp") }, proxyHeader(MONITOR));
  t.equal(await monitor.line(), talks.smtp[1]);
});

t.test("a monitor is told so when no server of the pool is up, and why says both", async (t) => {
  const gateway = await start(t, await freePort());
  const client = await End.connect(t, { port: gateway.port("smtp") }, proxyHeader(CLIENT));
  t.match(await client.rest(), /^421 /);
  for (const [listener, words] of Object.entries({
    smtp: "421 4.3.2 gateway.example.test Service not available, try again later\r\n",
    imap: "* BYE [UNAVAILABLE] Service not available, try again later\r\n",
    tcp: "",
  })) {
    const monitor = await End.connect(t, { port: gateway.port(listener) }, proxyHeader(MONITOR));
    t.equal(await monitor.rest(), words, listener);
    monitor.close();
    await metricIs(gateway, `postern_healthchecks_total{listener="${listener}"}`, 1);
  }
  const port = gateway.port("direct");
  const near = await End.connect(t, { port, from: "127.0.0.2" });
  t.match(await near.rest(), /^421 4\.3\.2 /);
  const told = await postern(["why", MONITOR, "--admin", gateway.adminUrl.slice(7)]);
  const line = (listener: string) => new RegExp(`^ {2}${listener} .*`, "m").exec(told.stdout)?.[0];
  const answered = "accepted: one of the monitors: only answered, as a health check";
  t.match(line("smtp"), `${answered}; no server of pool servers is up`);
  t.notMatch(line("none"), "monitors");
});

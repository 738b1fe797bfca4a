/** A load balancer's own checks (LOCAL headers): answered here, never by an upstream, and counted apart. */
import t, { type Test } from "tap";
import { behindProxy, type Gateway, poolOf, startGateway } from "../servers/gateway.ts";
import { localHeader, proxyHeader } from "../servers/header.ts";
import { freePort } from "../servers/ports.ts";
import { good } from "../wire/headers.ts";
import { End } from "./end.ts";
import { clients, metric, metricIs } from "./look.ts";
import { startUpstream } from "./upstream.ts";

function start(t: Test, port: number, level = "info"): Promise<Gateway> {
  return startGateway(t, {
    listeners: {
      smtp: behindProxy("smtp", "servers"),
      imap: behindProxy("imap", "servers"),
      smtps: behindProxy("smtp", "servers", "passthrough"),
      tcp: behindProxy("tcp", "servers"),
    },
    pools: { servers: poolOf(port, "proxy-v2") },
    log: { level },
  });
}

/** What the checker says, and what it hears; the last reply ends the conversation. */
const dialogues: Readonly<Record<string, readonly (readonly [string, string])[][]>> = {
  smtp: [
    [
      ["", "220 gateway.example.test ESMTP\r\n"],
      ["EHLO check\r\n", "250 gateway.example.test\r\n"],
      ["NOOP\r\n", "250 2.0.0 Ok\r\n"],
      ["helo check\r\n", "250 gateway.example.test\r\n"],
      ["QUIT\r\n", "221 2.0.0 Bye\r\n"],
    ],
    [
      ["", "220 gateway.example.test ESMTP\r\n"],
      ["MAIL FROM:<>\r\n", "421 4.3.2 gateway.example.test Service not available, try again later\r\n"],
    ],
  ],
  imap: [
    [
      ["", "* OK [CAPABILITY IMAP4rev1] gateway.example.test ready\r\n"],
      ["a CAPABILITY\r\n", "* CAPABILITY IMAP4rev1\r\na OK Completed\r\n"],
      ["b NOOP\r\n", "b OK Completed\r\n"],
      ["c LOGOUT\r\n", "* BYE Logging out\r\nc OK Completed\r\n"],
    ],
    [
      ["", "* OK [CAPABILITY IMAP4rev1] gateway.example.test ready\r\n"],
      ["a LOGIN alice secret\r\n", "* BYE [CLIENTBUG] Commands that cannot be followed\r\n"],
    ],
  ],
};

t.test("a check is answered in the protocol's words, and no upstream hears of it", async (t) => {
  const upstream = await startUpstream(t);
  const gateway = await start(t, upstream.port);
  for (const [listener, talks] of Object.entries(dialogues)) {
    for (const talk of talks) {
      const check = await End.connect(t, { port: gateway.port(listener) }, localHeader);
      for (const [said, heard] of talk) {
        check.send(said);
        t.equal((await check.bytes(heard.length)).toString(), heard);
      }
      t.equal(await check.rest(), "");
      check.end();

      const hasty = await End.connect(
        t,
        { port: gateway.port(listener) },
        Buffer.concat([localHeader, Buffer.from(talk.map(([said]) => said).join(""))]),
      );
      t.equal(await hasty.rest(), talk.map(([, heard]) => heard).join(""), "all at once");
      hasty.end();
    }
    await metricIs(gateway, `postern_healthchecks_total{listener="${listener}"}`, 4);
  }
  for (const { name, bytes, verdict } of good) {
    if (verdict !== "local") continue;
    const check = await End.connect(t, { port: gateway.port("smtp") }, bytes);
    t.equal(await check.line(), "220 gateway.example.test ESMTP\r\n", name);
    check.reset();
  }
  await metricIs(gateway, 'postern_sessions_active{listener="smtp"}', 0);
  t.equal(upstream.connections, 0);
  t.same(await clients(gateway), [], "a check is no client");
  const checked = await metric(gateway, 'postern_healthchecks_total{listener="smtp"}');
  t.equal(await metric(gateway, 'postern_sessions_total{listener="smtp",outcome="healthcheck"}'), checked);
  await gateway.stop();
  t.same(
    gateway.lines().filter(({ event }) => event === "session"),
    [],
    "no line above debug",
  );
});

t.test("a check has its line at debug", async (t) => {
  const gateway = await start(t, (await startUpstream(t)).port, "debug");
  const check = await End.connect(t, { port: gateway.port("smtp") }, localHeader);
  await check.line();
  check.end();
  t.equal(await check.rest(), "");
  t.match(await gateway.session("smtp"), {
    level: "debug",
    outcome: "healthcheck",
    reason: null,
    client: null,
    server: null,
  });
});

t.test("a check where nothing can be read is held until it closes", async (t) => {
  const upstream = await startUpstream(t);
  const gateway = await start(t, upstream.port);
  for (const listener of ["smtps", "tcp"]) {
    const check = await End.connect(
      t,
      { port: gateway.port(listener) },
      Buffer.concat([localHeader, Buffer.from([0x16, 3])]),
    );
    await metricIs(gateway, `postern_sessions_active{listener="${listener}"}`, 1);
    check.send("more");
    check.end();
    t.equal(await check.rest(), "");
    await metricIs(gateway, `postern_healthchecks_total{listener="${listener}"}`, 1);
  }
  t.equal(upstream.connections, 0);
});

t.test("a check that is held when the gateway drains stays a check", async (t) => {
  const upstream = await startUpstream(t);
  const gateway = await startGateway(t, {
    drain: "0s",
    listeners: { tcp: behindProxy("tcp", "servers") },
    pools: { servers: poolOf(upstream.port, "proxy-v2") },
    log: { level: "debug" },
  });
  const checker = await End.connect(t, { port: gateway.port("tcp") }, localHeader);
  await metricIs(gateway, 'postern_sessions_active{listener="tcp"}', 1);
  t.equal(await gateway.stop(), 0);
  t.equal(await checker.rest(), "");
  t.match(await gateway.session("tcp"), { level: "debug", outcome: "healthcheck" });
});

t.test("a check of a pool without a server is told so at once", async (t) => {
  const gateway = await start(t, await freePort());
  const client = await End.connect(t, { port: gateway.port("smtp") }, proxyHeader("203.0.113.7"));
  t.match(await client.rest(), /^421 /);
  client.close();
  for (const [listener, words] of Object.entries({
    smtp: "421 4.3.2 gateway.example.test Service not available, try again later\r\n",
    imap: "* BYE [UNAVAILABLE] Service not available, try again later\r\n",
    smtps: "",
    tcp: "",
  })) {
    const check = await End.connect(t, { port: gateway.port(listener) }, localHeader);
    t.equal(await check.rest(), words, listener);
    check.end();
    await metricIs(gateway, `postern_healthchecks_total{listener="${listener}"}`, 1);
  }
});

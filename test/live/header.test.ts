/** PROXY headers at a live listener: any cuts, every refusal by its name, and one deadline for the whole of it. */
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { bad } from "../wire/headers.ts";
import { End } from "./end.ts";
import { metric, metricIs, sessionLines } from "./look.ts";
import { greeting, startUpstream, type Upstream } from "./upstream.ts";

const timeoutMs = 600;

/** Two listeners, one of which trusts nobody on this machine. */
async function start(t: Test, upstream: Upstream) {
  const from = (network: string) => ({ mode: "required", from: [network], timeout: `${timeoutMs}ms` });
  return startGateway(t, {
    listeners: {
      smtp: { ...behindProxy("smtp", "postfix"), proxy: from("127.0.0.1") },
      strangers: { ...behindProxy("smtp", "postfix"), proxy: from("192.0.2.0/24") },
    },
    pools: { postfix: poolOf(upstream.port, "proxy-v2") },
  });
}

t.test("a session begins when its header is whole, however it was cut", async (t) => {
  const upstream = await startUpstream(t, { script: greeting("220 upstream\r\n") });
  const gateway = await start(t, upstream);
  for (const source of ["203.0.113.7", "2001:db8::7"]) {
    const header = proxyHeader(source);
    const whole = Buffer.concat([header, Buffer.from("EHLO early\r\n")]);
    for (const cut of [0, 1, 12, 15, 16, header.length - 1, header.length, header.length + 4, whole.length]) {
      const client = await End.connect(t, { port: gateway.port("smtp") }, whole.subarray(0, cut));
      // Without a pause the kernel may join the two pieces again; that is one more cut, and as good.
      await sleep(5);
      client.send(whole.subarray(cut));
      const server = await upstream.next();
      t.equal(
        (await server.bytes(header.length + 12)).toString("latin1").slice(-12),
        "EHLO early\r\n",
        `${source}, ${cut}`,
      );
      t.equal(await client.line(), "220 upstream\r\n");
      server.send("250 upstream\r\n");
      t.equal(await client.line(), "250 upstream\r\n");
      client.close();
      server.close();
    }
    t.match(await gateway.session("smtp", source), {
      client: { ip: source, port: 40_123 },
      outcome: "closed",
    });
  }
});

t.test(
  "a header that is not taken closes the connection without a byte, under its reason's name",
  async (t) => {
    const upstream = await startUpstream(t);
    const gateway = await start(t, upstream);
    const counts = new Map<string, number>();
    const firstOfEach = new Map(bad.map((header) => [header.verdict, header]));
    for (const [reason, header] of firstOfEach) {
      const client = await End.connect(t, { port: gateway.port("smtp") }, header.bytes);
      t.equal(await client.rest(), "", header.name);
      const line = await gateway.waitForLine(`${reason}`, (line) => line.reason === reason);
      const peer = { ip: "127.0.0.1", port: client.localPort };
      t.match(
        line,
        { event: "session", listener: "smtp", outcome: "refused", client: null, server: null, peer },
        header.name,
      );
    }
    for (const header of bad) {
      counts.set(`${header.verdict}`, (counts.get(`${header.verdict}`) ?? 0) + 1);
      if (firstOfEach.get(header.verdict) === header) continue;
      const client = await End.connect(t, { port: gateway.port("smtp") }, header.bytes);
      t.equal(await client.rest(), "", header.name);
    }
    for (const [reason, count] of counts) {
      await metricIs(gateway, `postern_refused_total{listener="smtp",reason="${reason}"}`, count);
    }
    t.equal(counts.size, 6);
    t.equal(upstream.connections, 0);
  },
);

t.test("a header that ends too early is missing or malformed", async (t) => {
  const gateway = await start(t, await startUpstream(t));
  for (const [said, reason] of [
    ["", "proxy-missing"],
    [proxyHeader("203.0.113.7").subarray(0, 14), "proxy-malformed"],
  ] as const) {
    for (const leave of ["end", "reset"] as const) {
      const client = await End.connect(t, { port: gateway.port("smtp") }, said);
      await metricIs(gateway, 'postern_sessions_active{listener="smtp"}', 1);
      client[leave]();
      if (leave === "end") t.equal(await client.rest(), "");
    }
    await metricIs(gateway, `postern_refused_total{listener="smtp",reason="${reason}"}`, 2);
  }
});

t.test("a peer that is not trusted is closed without being read", async (t) => {
  const upstream = await startUpstream(t);
  const gateway = await start(t, upstream);
  const client = await End.connect(t, { port: gateway.port("strangers") }, proxyHeader("203.0.113.7"));
  t.equal(await client.rest(), "");
  t.match(await gateway.session("strangers"), {
    outcome: "refused",
    reason: "proxy-untrusted",
    client: null,
    peer: { ip: "127.0.0.1", port: client.localPort },
  });
  t.equal(await metric(gateway, 'postern_refused_total{listener="strangers",reason="proxy-untrusted"}'), 1);
  t.equal(upstream.connections, 0);
});

t.test("a header has one deadline for all of it, however steadily it drips", async (t) => {
  const gateway = await start(t, await startUpstream(t));
  const header = proxyHeader("203.0.113.7");
  const began = performance.now();
  const client = await End.connect(t, { port: gateway.port("smtp") });
  const silent = await End.connect(t, { port: gateway.port("smtp") });
  let dripped = 0;
  // Every 100 ms one byte: a deadline for each byte would let all 28 of them pass.
  const drip = setInterval(
    () => dripped < header.length && client.send(header.subarray(dripped, ++dripped)),
    100,
  );
  t.teardown(() => clearInterval(drip));
  t.equal(await client.rest(), "");
  t.equal(await silent.rest(), "");
  clearInterval(drip);
  t.ok(performance.now() - began >= timeoutMs, "not before its time");
  t.ok(dripped < header.length, "before the header was whole");
  await metricIs(gateway, 'postern_refused_total{listener="smtp",reason="proxy-timeout"}', 2);
  t.match(await sessionLines(gateway, 2), [{ reason: "proxy-timeout" }, { reason: "proxy-timeout" }]);
});

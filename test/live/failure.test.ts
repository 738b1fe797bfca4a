/** Servers that cannot be had: what the client is told, what is logged, and whose turn is next. */
import t from "tap";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { freePort } from "../servers/ports.ts";
import { End } from "./end.ts";
import { metric, metricIs, readiness } from "./look.ts";
import { greeting, startUpstream } from "./upstream.ts";

const header = proxyHeader("203.0.113.7");
const words = {
  smtp: "421 4.3.2 gateway.example.test Service not available, try again later\r\n",
  imap: "* BYE [UNAVAILABLE] Service not available, try again later\r\n",
  smtps: "",
  tcp: "",
};
const listeners = {
  smtp: behindProxy("smtp", "servers"),
  imap: behindProxy("imap", "servers"),
  smtps: behindProxy("smtp", "servers", "passthrough"),
  tcp: behindProxy("tcp", "servers"),
};

t.test("a server that refuses is told to the client, counted down, and asked again", async (t) => {
  const port = await freePort();
  const gateway = await startGateway(t, { listeners, pools: { servers: poolOf(port, "proxy-v2") } });
  const server = `127.0.0.1:${port}`;
  const up = `postern_server_up{pool="servers",server="${server}"}`;
  t.equal(await metric(gateway, up), 1);
  t.equal(await readiness(gateway), "200 ready");
  for (const [listener, expected] of Object.entries(words)) {
    const client = await End.connect(
      t,
      { port: gateway.port(listener) },
      Buffer.concat([header, Buffer.from("early\r\n")]),
    );
    t.equal(await client.rest(), expected, listener);
    client.end();
    t.match(await gateway.session(listener), {
      outcome: "failed",
      reason: "upstream-unavailable",
      client: { ip: "203.0.113.7", port: 40_123 },
      server,
    });
    await metricIs(gateway, `postern_sessions_total{listener="${listener}",outcome="failed"}`, 1);
  }
  t.equal(await metric(gateway, up), 0);
  t.equal(await readiness(gateway), "503 pool servers has no server");
});

t.test("a server that ends, resets or says nothing before its greeting fails the session", async (t) => {
  const ways: ((end: End) => void)[] = [(end) => end.end(), (end) => end.reset(), () => {}];
  let turn = 0;
  const upstream = await startUpstream(t, { script: (end) => ways[turn]?.(end) });
  const gateway = await startGateway(t, {
    listeners,
    pools: { servers: { ...poolOf(upstream.port, "proxy-v2"), greetTimeout: "500ms" } },
  });
  for (; turn < ways.length; turn++) {
    for (const listener of ["smtp", "imap"] as const) {
      const source = `203.0.113.${turn + 1}`;
      const client = await End.connect(t, { port: gateway.port(listener) }, proxyHeader(source));
      t.equal(await client.rest(), words[listener], `${listener}, ${turn}`);
      client.end();
      const reason = turn === 2 ? "upstream-timeout" : "upstream-unavailable";
      t.match(await gateway.session(listener, source), { outcome: "failed", reason });
    }
  }
  t.equal(await readiness(gateway), "503 pool servers has no server", "it failed with several clients");
  t.equal(await readiness(gateway, "?exclude=pools"), "200 ready");
});

t.test("a server that resets in the midst of a session ends it", async (t) => {
  const upstream = await startUpstream(t, { script: greeting("220 upstream\r\n") });
  const gateway = await startGateway(t, { listeners, pools: { servers: poolOf(upstream.port, "none") } });
  const client = await End.connect(t, { port: gateway.port("smtp") }, header);
  await client.line();
  (await upstream.next()).reset();
  t.equal(await client.rest(), "", "nothing of our own in the midst of somebody else's words");
  t.match(await gateway.session("smtp"), { outcome: "failed", reason: "upstream-unavailable" });
});

t.test("the second server takes over where the first refuses, and has its turn otherwise", async (t) => {
  const deaf = await freePort();
  const upstreams = [
    await startUpstream(t, { script: greeting("220 one\r\n") }),
    await startUpstream(t, { script: greeting("220 two\r\n") }),
  ];
  const servers = (ports: readonly (number | undefined)[]) => ({
    servers: ports.map((port) => `127.0.0.1:${port}`),
    identity: "none",
  });
  const gateway = await startGateway(t, {
    threads: 1,
    listeners: { half: behindProxy("smtp", "half"), both: behindProxy("smtp", "both") },
    pools: { half: servers([deaf, upstreams[0]?.port]), both: servers(upstreams.map(({ port }) => port)) },
  });
  for (let count = 0; count < 4; count++) {
    const client = await End.connect(t, { port: gateway.port("half") }, header);
    t.equal(await client.line(), "220 one\r\n");
  }
  t.equal(await metric(gateway, `postern_server_up{pool="half",server="127.0.0.1:${deaf}"}`), 0);
  t.equal(await readiness(gateway), "200 ready");
  const greetings: string[] = [];
  for (let count = 0; count < 4; count++) {
    const client = await End.connect(t, { port: gateway.port("both") }, header);
    greetings.push(await client.line());
  }
  t.same(greetings, ["220 one\r\n", "220 two\r\n", "220 one\r\n", "220 two\r\n"]);
});

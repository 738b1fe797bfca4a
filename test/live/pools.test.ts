/** Several servers, most of them of no use: no client hears of it, and what each server gets is what it may. */
import t from "tap";
import { behindProxy, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { freePort } from "../servers/ports.ts";
import { until } from "../servers/process.ts";
import { End } from "./end.ts";
import { metric, metricIs, readiness } from "./look.ts";
import { greeting, startUpstream } from "./upstream.ts";

const words = {
  smtp: { hello: "220 good\r\n", full: "220 full\r\n", busy: "421 4.3.2 busy\r\n", command: "NOOP\r\n" },
  imap: { hello: "* OK good\r\n", full: "* OK full\r\n", busy: "* BYE busy\r\n", command: "a NOOP\r\n" },
} as const;

const address = (port: number) => `127.0.0.1:${port}`;

for (const protocol of ["smtp", "imap"] as const) {
  for (const identity of ["proxy-v2", "none"] as const) {
    t.test(
      `no ${protocol} client sees a server that is dead, mute, busy or full, by ${identity}`,
      async (t) => {
        const { hello, full, busy, command } = words[protocol];
        const deaf = await freePort();
        const mute = await startUpstream(t);
        const refusing = await startUpstream(t, {
          script: (end) => {
            end.send(busy);
            end.end();
          },
        });
        const small = await startUpstream(t, { script: greeting(full) });
        const good = await startUpstream(t, { script: greeting(hello) });
        const gateway = await startGateway(t, {
          listeners: { mail: behindProxy(protocol, "servers") },
          limits: { default: { connectionCount: 0 } },
          pools: {
            servers: {
              servers: [
                address(deaf),
                address(mute.port),
                address(refusing.port),
                { address: address(small.port), maxConnections: 1 },
                address(good.port),
              ],
              identity,
              greetTimeout: "1s",
            },
          },
        });
        let number = 0;
        // Each client talks at once, and none of its words may be lost or come twice.
        const come = () => {
          const header = proxyHeader(`203.0.113.${++number}`);
          const first = Buffer.concat([header, Buffer.from(command)]);
          return End.connect(t, { port: gateway.port("mail") }, first);
        };
        const greetings: string[] = [];
        const ends: End[] = [];
        for (let count = 0; count < 12; count++) {
          const clients = await Promise.all([come(), come()]);
          for (const client of clients) greetings.push(await client.line());
          ends.push(...clients);
        }
        t.same(new Set(greetings), new Set([hello, full]), "the two that work, and nobody else");
        t.equal(greetings.filter((line) => line === full).length, 1, "and the full one once");
        const server = await good.next();
        if (identity === "proxy-v2") await server.bytes(proxyHeader("203.0.113.1").length);
        t.equal(await server.line(), command);
        const sessions = (port: number) =>
          metric(gateway, `postern_server_sessions{pool="servers",server="${address(port)}"}`);
        const ports = [deaf, mute.port, refusing.port, small.port, good.port];
        t.same(await Promise.all(ports.map(sessions)), [0, 0, 0, 1, 23]);
        t.equal(await metric(gateway, `postern_server_up{pool="servers",server="${address(deaf)}"}`), 0);
        for (const client of ends) client.reset();
        for (const port of ports) {
          await metricIs(gateway, `postern_server_sessions{pool="servers",server="${address(port)}"}`, 0);
        }
      },
    );
  }
}

t.test("a client is told so when all servers are full, and the next is served when one is not", async (t) => {
  const upstream = await startUpstream(t, { script: greeting("220 hi\r\n") });
  const gateway = await startGateway(t, {
    listeners: { smtp: behindProxy("smtp", "servers") },
    pools: {
      servers: { servers: [{ address: address(upstream.port), maxConnections: 2 }], identity: "none" },
    },
  });
  const come = (source: string) => End.connect(t, { port: gateway.port("smtp") }, proxyHeader(source));
  const inside = [await come("203.0.113.1"), await come("203.0.113.1")];
  for (const client of inside) t.equal(await client.line(), "220 hi\r\n");
  const refused = await come("203.0.113.2");
  t.match(await refused.rest(), /^421 4\.3\.2 /);
  refused.end();
  t.match(await gateway.session("smtp", "203.0.113.2"), {
    outcome: "failed",
    reason: "upstream-unavailable",
    detail: "all servers are full",
    server: null,
  });
  t.equal(upstream.connections, 2);
  inside[0]!.reset();
  await until("a slot", async () => {
    const client = await come("203.0.113.3");
    return (await client.line()) === "220 hi\r\n";
  });
  t.equal(upstream.connections, 3);
});

t.test("servers that refuse one client after the other, and are well for all others, stay up", async (t) => {
  const blocked = proxyHeader("198.51.100.1").length;
  const script = (end: End) =>
    void (async () => {
      const header = await end.bytes(blocked);
      // The first byte of the client's address.
      end.send(header[16] === 198 ? "554 5.7.1 blocked\r\n" : "220 hi\r\n");
      await end.through("QUIT\r\n");
      end.send("221 bye\r\n");
      end.end();
    })().catch(() => {});
  const upstreams = [await startUpstream(t, { script }), await startUpstream(t, { script })];
  const gateway = await startGateway(t, {
    listeners: { smtp: behindProxy("smtp", "servers") },
    pools: { servers: { servers: upstreams.map(({ port }) => address(port)), identity: "proxy-v2" } },
  });
  for (let number = 1; number <= 10; number++) {
    const client = await End.connect(t, { port: gateway.port("smtp") }, proxyHeader(`198.51.100.${number}`));
    t.equal(await client.line(), "554 5.7.1 blocked\r\n");
    client.send("QUIT\r\n");
    await client.rest();
    client.end();
  }
  t.equal(await readiness(gateway), "200 ready");
  t.equal(gateway.lines().filter(({ event }) => event === "server-down").length, 0);
});

t.test("a client hears the refusal of the only server that is left, and goes on with it", async (t) => {
  const upstream = await startUpstream(t, { script: greeting("554 5.3.2 not today\r\n") });
  const gateway = await startGateway(t, {
    threads: 1,
    listeners: { smtp: behindProxy("smtp", "servers") },
    pools: { servers: { servers: [address(await freePort()), address(upstream.port)], identity: "none" } },
  });
  const client = await End.connect(t, { port: gateway.port("smtp") }, proxyHeader("203.0.113.1"));
  t.equal(await client.line(), "554 5.3.2 not today\r\n");
  client.send("QUIT\r\n");
  const server = await upstream.next();
  t.equal(await server.line(), "QUIT\r\n");
  server.send("221 bye\r\n");
  t.equal(await client.line(), "221 bye\r\n");
});

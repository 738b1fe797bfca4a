/** IPv6 on both sides of the gateway: listeners, peers that are trusted, servers, and clients of the other family. */
import t from "tap";
import { startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { freePort } from "../servers/ports.ts";
import { End } from "./end.ts";
import { greeting, startUpstream } from "./upstream.ts";

const hello = "220 upstream\r\n";

t.test("listeners and servers have IPv6 addresses, and clients of either family pass", async (t) => {
  const upstream = await startUpstream(t, { host: "::1", script: greeting(hello) });
  const proxy = { mode: "required", from: ["::1/128"] };
  const listener = { listen: "[::1]:0", protocol: "smtp", proxy, pool: "servers" };
  const gateway = await startGateway(t, {
    listeners: {
      smtp: listener,
      direct: { ...listener, proxy: { mode: "off" } },
      two: { ...listener, pool: "two" },
    },
    pools: {
      servers: { servers: [`[::1]:${upstream.port}`], identity: "proxy-v2" },
      two: { servers: [`127.0.0.1:${await freePort()}`, `[::1]:${upstream.port}`], identity: "none" },
    },
  });
  t.match(gateway.lines().find(({ event }) => event === "ready")?.listeners, { smtp: [/^\[::1\]:\d+$/] });
  for (const source of ["203.0.113.7", "2001:db8::7"]) {
    const header = proxyHeader(source);
    const client = await End.connect(t, { host: "::1", port: gateway.port("smtp") }, header);
    t.equal(await client.line(), hello);
    const server = await upstream.next();
    t.equal((await server.bytes(header.length)).toString("hex"), header.toString("hex"));
    client.reset();
    t.match(await gateway.session("smtp", source), {
      client: { ip: source },
      peer: { ip: "::1", port: client.localPort },
      server: `[::1]:${upstream.port}`,
    });
  }
  const direct = await End.connect(t, { host: "::1", port: gateway.port("direct") });
  t.equal(await direct.line(), hello);
  const header = await (await upstream.next()).bytes(52);
  t.equal(header.subarray(12, 48).toString("hex"), `21210024${`${"0".repeat(31)}1`.repeat(2)}`);
  const second = await End.connect(t, { host: "::1", port: gateway.port("two") }, proxyHeader("2001:db8::7"));
  t.equal(await second.line(), hello);
});

t.test(
  "a listener on [::] takes no IPv4, which may have a listener of its own on the same port",
  async (t) => {
    const upstream = await startUpstream(t, { script: greeting(hello) });
    const proxy = { mode: "required", from: ["127.0.0.1", "::1"] };
    const gateway = await startGateway(t, {
      listeners: { smtp: { listen: "[::]:0", protocol: "smtp", proxy, pool: "servers" } },
      pools: { servers: { servers: [`127.0.0.1:${upstream.port}`], identity: "none" } },
    });
    const port = gateway.port("smtp");
    const client = await End.connect(t, { host: "::1", port }, proxyHeader("203.0.113.7"));
    t.equal(await client.line(), hello);
    await t.rejects(End.connect(t, { host: "127.0.0.1", port }), { code: "ECONNREFUSED" });
  },
);

/** The client's address as the first that the upstream hears: PROXY headers to the byte, or nothing where so configured. */
import t from "tap";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { End } from "./end.ts";
import { startUpstream } from "./upstream.ts";

const identities = {
  "proxy-v2": (source: string) => proxyHeader(source),
  "proxy-v1": (source: string) => Buffer.from(`PROXY ${lines[source]} 40123 25\r\n`),
  none: () => Buffer.alloc(0),
};
const lines: Readonly<Record<string, string>> = {
  "203.0.113.7": "TCP4 203.0.113.7 192.0.2.25",
  "2001:db8::7": "TCP6 2001:db8::7 2001:db8:ffff::25",
};

for (const [identity, header] of Object.entries(identities)) {
  t.test(`the upstream is told the client's address by ${identity}`, async (t) => {
    const upstream = await startUpstream(t);
    const gateway = await startGateway(t, {
      listeners: {
        smtp: behindProxy("smtp", "servers"),
        smtps: behindProxy("smtp", "servers", "passthrough"),
        direct: { ...behindProxy("smtp", "servers"), proxy: { mode: "off" } },
      },
      pools: { servers: poolOf(upstream.port, identity) },
    });
    for (const source of ["203.0.113.7", "2001:db8::7"]) {
      const expected = header(source).toString("latin1");
      const client = await End.connect(t, { port: gateway.port("smtp") }, proxyHeader(source));
      const server = await upstream.next();
      t.equal((await server.bytes(expected.length)).toString("latin1"), expected, source);
      server.send("220 upstream\r\n");
      t.equal(await client.line(), "220 upstream\r\n");
      client.send("QUIT\r\n");
      t.equal(
        await server.line(),
        "QUIT\r\n",
        "nothing stands between the header and the client's first byte",
      );

      const opaque = await End.connect(t, { port: gateway.port("smtps") }, proxyHeader(source));
      const secure = await upstream.next();
      t.equal(
        (await secure.bytes(expected.length)).toString("latin1"),
        expected,
        `${source}, passed through`,
      );
      opaque.send("\x16\x03");
      t.equal((await secure.bytes(2)).toString("latin1"), "\x16\x03");
    }
    const direct = await End.connect(t, { port: gateway.port("direct"), from: "127.0.0.9" });
    const server = await upstream.next();
    const near = gateway.port("direct");
    if (identity === "proxy-v1")
      t.equal(await server.line(), `PROXY TCP4 127.0.0.9 127.0.0.1 ${direct.localPort} ${near}\r\n`);
    if (identity === "proxy-v2") {
      const ports = Buffer.alloc(4);
      ports.writeUInt16BE(direct.localPort, 0);
      ports.writeUInt16BE(near, 2);
      const expected = `0d0a0d0a000d0a515549540a2111000c7f0000097f000001${ports.toString("hex")}`;
      t.equal(
        (await server.bytes(28)).toString("hex"),
        expected,
        "a client without a header is its socket's far end",
      );
    }
    direct.send("early\r\n");
    server.send("220 upstream\r\n");
    t.equal(await server.line(), "early\r\n");
  });
}

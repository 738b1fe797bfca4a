/** Who may speak first: on a cleartext port the upstream, whatever the client does; where TLS passes through, the client. */
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { End } from "./end.ts";
import { startUpstream } from "./upstream.ts";

const header = proxyHeader("203.0.113.7");

t.test(
  "an early talker's bytes reach the upstream after its greeting, all of them and in their order",
  async (t) => {
    const upstream = await startUpstream(t);
    const gateway = await startGateway(t, {
      listeners: { smtp: behindProxy("smtp", "servers"), imap: behindProxy("imap", "servers") },
      pools: { servers: poolOf(upstream.port, "proxy-v2") },
    });
    for (const [listener, hello] of [
      ["smtp", "220 upstream\r\n"],
      ["imap", "* OK upstream\r\n"],
    ] as const) {
      const client = await End.connect(
        t,
        { port: gateway.port(listener) },
        Buffer.concat([header, Buffer.from("a NOOP\r\n")]),
      );
      const server = await upstream.next();
      client.send("b NOOP\r\n");
      await server.bytes(header.length);
      await sleep(100);
      client.send("c NOOP\r\n");
      await sleep(100);
      t.equal(server.unread, "", `${listener}: the upstream has not greeted`);
      t.equal(client.unread, "", `${listener}: postern does not answer for it`);
      server.send(hello);
      t.equal(await server.through("c NOOP\r\n"), "a NOOP\r\nb NOOP\r\nc NOOP\r\n");
      t.equal(await client.bytes(hello.length).then(String), hello);
    }
  },
);

t.test("a client that says too much too early is stopped, and nothing of it is lost", async (t) => {
  const upstream = await startUpstream(t);
  const gateway = await startGateway(t, {
    listeners: { smtp: behindProxy("smtp", "servers") },
    pools: { servers: poolOf(upstream.port, "none") },
  });
  const flood = Buffer.alloc(2 ** 20, `NOOP ${"x".repeat(2041)}\r\n`);
  const client = await End.connect(t, { port: gateway.port("smtp") }, Buffer.concat([header, flood]));
  const server = await upstream.next();
  await sleep(200);
  t.equal(server.unread, "");
  server.send("220 upstream\r\n");
  t.ok((await server.bytes(flood.length)).equals(flood));
  t.equal(await client.line(), "220 upstream\r\n");
});

t.test("a client that leaves before the greeting takes the upstream connection with it", async (t) => {
  const upstream = await startUpstream(t);
  const gateway = await startGateway(t, {
    listeners: { smtp: behindProxy("smtp", "servers") },
    pools: { servers: poolOf(upstream.port, "none") },
  });
  const client = await End.connect(t, { port: gateway.port("smtp") }, header);
  const server = await upstream.next();
  client.reset();
  t.equal(await server.rest(), "");
  t.match(await gateway.session("smtp"), { outcome: "closed", reason: null });

  const ended = await End.connect(
    t,
    { port: gateway.port("smtp") },
    Buffer.concat([header, Buffer.from("QUIT\r\n")]),
  );
  ended.end();
  const second = await upstream.next();
  await sleep(100);
  second.send("220 upstream\r\n");
  t.equal(await second.rest(), "QUIT\r\n", "its end is held as well as its words");
  second.send("221 bye\r\n");
  second.end();
  t.equal(await ended.rest(), "220 upstream\r\n221 bye\r\n");
});

t.test("the client speaks first where nothing can be read", async (t) => {
  const upstream = await startUpstream(t);
  const gateway = await startGateway(t, {
    listeners: {
      smtps: behindProxy("smtp", "servers", "passthrough"),
      imaps: behindProxy("imap", "servers", "passthrough"),
      tcp: behindProxy("tcp", "servers"),
    },
    pools: { servers: poolOf(upstream.port, "none") },
  });
  for (const listener of ["smtps", "imaps", "tcp"]) {
    const client = await End.connect(
      t,
      { port: gateway.port(listener) },
      Buffer.concat([header, Buffer.from("hello")]),
    );
    const server = await upstream.next();
    t.equal((await server.bytes(5)).toString(), "hello", listener);
    client.send(" again");
    t.equal((await server.bytes(6)).toString(), " again");
    server.send("you too");
    t.equal((await client.bytes(7)).toString(), "you too");
  }
});

/** A session in flow: each side's end passes by itself, a side that does not read stops the other, silence ends. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { behindProxy, type Gateway, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { until } from "../servers/process.ts";
import { End } from "./end.ts";
import { metricIs } from "./look.ts";
import { greeting, startUpstream, type Upstream } from "./upstream.ts";

const header = proxyHeader("203.0.113.7");

function start(t: Test, upstream: Upstream, idleTimeout = "5m"): Promise<Gateway> {
  return startGateway(t, {
    listeners: {
      smtp: { ...behindProxy("smtp", "servers"), idleTimeout },
      tcp: { ...behindProxy("tcp", "servers"), idleTimeout },
    },
    pools: { servers: poolOf(upstream.port, "none") },
  });
}

t.test("a side that ends can still read", async (t) => {
  const upstream = await startUpstream(t, { script: greeting("220 upstream\r\n") });
  const gateway = await start(t, upstream);
  const client = await End.connect(t, { port: gateway.port("smtp") }, header);
  await client.line();
  const server = await upstream.next();
  client.send("NOOP\r\nQUIT\r\n");
  client.end();
  t.equal(await server.rest(), "NOOP\r\nQUIT\r\n");
  t.equal(await server.ending(), "end");
  server.send("250 an answer\r\n");
  await client.through("250 an answer\r\n");
  server.send("221 one more\r\n");
  server.end();
  t.equal(await client.rest(), "221 one more\r\n");
  t.equal(await client.ending(), "end");
  t.match(await gateway.session("smtp"), { outcome: "closed", reason: null, bytesIn: 12, bytesOut: 43 });

  const other = await End.connect(t, { port: gateway.port("tcp") }, header);
  const first = await upstream.next();
  await other.line();
  first.end();
  t.equal(await other.ending(), "end");
  other.send("still here\r\n");
  t.equal(await first.line(), "still here\r\n");
  other.end();
  t.equal(await first.ending(), "end");
  t.match(await gateway.session("tcp"), { outcome: "closed", reason: null });
});

t.test("the last bytes of a session arrive at a reader that is slower than both ends", async (t) => {
  const upstream = await startUpstream(t);
  const gateway = await start(t, upstream);
  // Odd sizes, so that a last piece is small and a buffer somewhere is full when it comes.
  for (const size of [5_000_001, 3_333_333, 6_000_100]) {
    const answer = Buffer.alloc(size, "0123456789abcdefghijklmnopqrstuvwxyz\n");
    const socket = connect({ port: gateway.port("tcp"), host: "127.0.0.1", allowHalfOpen: true });
    t.teardown(() => socket.destroy());
    socket.pause();
    socket.write(header);
    socket.end("send it all");
    const server = await upstream.next();
    t.equal(await server.rest(), "send it all");
    server.send(answer);
    server.end();
    await sleep(300);
    const pieces: Buffer[] = [];
    for await (const piece of socket) {
      pieces.push(piece);
      if (pieces.length % 10 === 0) await sleep(1);
    }
    t.ok(
      Buffer.concat(pieces).equals(answer),
      `${size} bytes, of which ${Buffer.concat(pieces).length} came`,
    );
  }
});

/** In bytes: what the process has of physical memory. */
function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]) * 1024;
}

t.test("a side that does not read stops the other side, in bounded memory", async (t) => {
  const upstream = await startUpstream(t, { script: greeting("220 upstream\r\n") });
  const gateway = await start(t, upstream);
  const before = residentBytes(gateway.pid);
  const sockets: { socket: Socket; server: End }[] = [];
  for (let count = 0; count < 4; count++) {
    const socket = connect({ port: gateway.port("smtp"), host: "127.0.0.1" });
    t.teardown(() => socket.destroy());
    await once(socket, "connect");
    socket.write(header);
    await once(socket, "data");
    const server = await upstream.next();
    const asked = once(socket, "data");
    socket.write("DATA\r\n");
    await server.line();
    server.send("354 go ahead\r\n");
    await asked;
    server.pause();
    sockets.push({ socket, server });
  }
  // What both kernels' buffers take is some megabytes; what comes after that has to stay with the writer.
  const piece = Buffer.alloc(2 ** 20);
  const offered = 24;
  for (const { socket } of sockets) for (let count = 0; count < offered; count++) socket.write(piece);
  const waiting = () => sockets.reduce((sum, { socket }) => sum + socket.writableLength, 0);
  let last = -1;
  await until("the writers to be stopped", async () => {
    const stood = waiting() === last;
    last = waiting();
    await sleep(300);
    return stood && waiting() === last;
  });
  t.ok(last > 0, `${last} bytes are with the writers`);
  t.ok(residentBytes(gateway.pid) - before < 32 * 2 ** 20, "the gateway does not hold what nobody reads");
  for (const { server } of sockets) server.resume();
  for (const { server } of sockets)
    t.equal((await server.bytes(offered * piece.length)).length, offered * piece.length);
});

t.test("a session in which nothing is said ends, one in which one side speaks does not", async (t) => {
  const upstream = await startUpstream(t, { script: greeting("220 upstream\r\n") });
  const gateway = await start(t, upstream, "1s");
  const silent = await End.connect(t, { port: gateway.port("smtp") }, header);
  await silent.line();
  await upstream.next();
  const busy = await End.connect(t, { port: gateway.port("tcp") }, header);
  const server = await upstream.next();
  let said = 0;
  const speak = setInterval(() => server.send(`${++said}\r\n`), 200);
  t.teardown(() => clearInterval(speak));
  t.equal(await silent.rest(), "");
  t.match(await gateway.session("smtp"), { outcome: "timeout", reason: null });
  await until("a second more", () => said >= 12);
  await metricIs(gateway, 'postern_sessions_active{listener="tcp"}', 1);
  clearInterval(speak);
  await busy.rest();
  t.match(await gateway.session("tcp"), { outcome: "timeout", reason: null });
});

t.test("what an upstream said before it broke off still reaches a client that is slow to read", async (t) => {
  const upstream = await startUpstream(t);
  const gateway = await start(t, upstream);
  const client = await End.connect(t, { port: gateway.port("tcp") }, header);
  client.pause();
  const server = await upstream.next();
  // More than both kernels' buffers take, so that some of it waits in the gateway.
  server.send(Buffer.alloc(30 * 2 ** 20, "0123456789"));
  await sleep(500);
  server.reset();
  await sleep(50);
  // Only by writing is it noticed: what cannot be passed on is not read.
  client.send("are you there?\r\n");
  await sleep(100);
  client.resume();
  const heard = (await client.rest()).length;
  const line = await gateway.session("tcp");
  t.match(line, { outcome: /^(closed|failed)$/, bytesOut: heard }, `${heard} bytes`);
});

/**
 * Ten thousand clients that mean no good, and upstreams that are no better: afterwards the gateway has as many descriptors
 * as before, no session, no lease, no place taken, and it goes on.
 */
import { connect, type Socket } from "node:net";
import t from "tap";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { localHeader, proxyHeader } from "../servers/header.ts";
import { until } from "../servers/process.ts";
import { bad } from "../wire/headers.ts";
import { End } from "./end.ts";
import { concurrency, metric, metricIs, openFiles } from "./look.ts";
import { startUpstream } from "./upstream.ts";

t.setTimeout(120_000);

const visits = 10_000;
const atOnce = 50;
/** No more than are there at once, and a few that the gateway has not yet seen leave. */
const maxConnections = 64;
const hello = "220 upstream\r\n";

/** Ways to be a client. Each has the socket from its connect on; whatever it does not end, the gateway has to. */
const ways: readonly ((socket: Socket, header: Buffer) => void)[] = [
  (socket) => socket.destroy(),
  (socket) => socket.resetAndDestroy(),
  (socket) => socket.end(),
  (socket) => socket.write("GET / HTTP/1.1\r\n\r\n"),
  (socket) => socket.write(Buffer.alloc(100_000, 7)),
  (socket, header) => socket.end(header.subarray(0, 20)),
  (socket, header) => socket.write(header.subarray(0, 20), () => socket.resetAndDestroy()),
  (socket, header) => socket.write(header, () => socket.resetAndDestroy()),
  (socket, header) => socket.write(header, () => socket.destroy()),
  (socket, header) => socket.end(header),
  (socket, header) => socket.end(Buffer.concat([header, Buffer.from("QUIT\r\n")])),
  (socket, header) => {
    socket.write(header);
    socket.once("data", () => socket.resetAndDestroy());
  },
  (socket, header) => {
    socket.write(header);
    socket.once("data", () => socket.write(Buffer.alloc(50_000), () => socket.destroy()));
  },
  (socket, header) => {
    for (const byte of header) socket.write(Buffer.of(byte));
    socket.once("data", () => socket.end("QUIT\r\n"));
  },
  (socket) => socket.write(localHeader, () => socket.destroy()),
  (socket) => {
    socket.write(Buffer.concat([localHeader, Buffer.from("NONSENSE\r\n")]));
  },
];

/** Ways that take a deadline of the gateway's to end: too slow to be more than a few. */
const slowWays: typeof ways = [
  () => {},
  (socket) => endless(socket),
  (socket, header) => socket.write(header),
  (socket) => socket.write(localHeader, () => setTimeout(() => socket.destroy(), 300)),
];

/** A header that is announced with all the bytes that are allowed, and goes on drop by drop. */
function endless(socket: Socket): void {
  socket.write(Buffer.from("0d0a0d0a000d0a515549540a21110ff0", "hex"));
  const drip = setInterval(() => socket.write("\0"), 20);
  socket.once("close", () => clearInterval(drip));
}

function visit(port: number, index: number): Promise<void> {
  const header = proxyHeader(`203.0.113.${index % 40}`.replace(/\.0$/, ".40"), 1024 + index);
  const wrong = bad[index % bad.length]!;
  const way = index % 100 === 0 ? slowWays[(index / 100) % slowWays.length]! : ways[index % ways.length]!;
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => {});
  socket.once("connect", () => (index % 9 === 0 ? socket.write(wrong.bytes) : way(socket, header)));
  socket.resume();
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

/** Ways to be an upstream, in turn: most greet. */
function serve(end: End, turn: number): void {
  if (turn % 7 === 0) return end.reset();
  if (turn % 7 === 1) return end.close();
  if (turn % 97 === 2) return;
  end.send(hello);
  if (turn % 7 === 3) end.reset();
  if (turn % 7 === 4) end.end();
}

t.test("ten thousand nasty sessions leave nothing behind", async (t) => {
  let turn = 0;
  const upstream = await startUpstream(t, { script: (end) => serve(end, turn++) });
  const gateway = await startGateway(t, {
    maxConnections,
    listeners: {
      smtp: {
        ...behindProxy("smtp", "servers"),
        proxy: { mode: "required", from: ["127.0.0.1"], timeout: "500ms" },
        idleTimeout: "1s",
      },
    },
    pools: { servers: { ...poolOf(upstream.port, "proxy-v2"), greetTimeout: "500ms" } },
    limits: { default: { connectionCount: 20 } },
  });
  const port = gateway.port("smtp");
  const active = 'postern_sessions_active{listener="smtp"}';
  await visit(port, 8);
  await metricIs(gateway, active, 0);
  const before = openFiles(gateway.pid).length;
  let next = 0;
  const worker = async () => {
    while (next < visits) await visit(port, next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  await metricIs(gateway, active, 0);
  t.equal(await metric(gateway, 'postern_connections_total{listener="smtp"}'), visits + 1);
  t.equal(await concurrency(gateway), 0);
  await until("the descriptors", () => openFiles(gateway.pid).length <= before);
  for (const reason of [
    "proxy-missing",
    "proxy-malformed",
    "proxy-timeout",
    "proxy-source",
    "proxy-unsupported",
  ]) {
    t.ok((await metric(gateway, `postern_refused_total{listener="smtp",reason="${reason}"}`)) > 0, reason);
  }
  for (const outcome of ["closed", "failed", "healthcheck", "timeout"]) {
    t.ok(
      (await metric(gateway, `postern_sessions_total{listener="smtp",outcome="${outcome}"}`)) > 0,
      outcome,
    );
  }
  // Every place is free again: so many come in at once, whom the pool's server may still fail, but none is one too many.
  const refused = 'postern_refused_total{listener="smtp",reason="max-connections"}';
  const refusedBefore = await metric(gateway, refused);
  await Promise.all(
    Array.from({ length: maxConnections }, (_, index) =>
      End.connect(t, { port }, proxyHeader(`198.51.100.${index + 1}`)),
    ),
  );
  await metricIs(gateway, 'postern_connections_total{listener="smtp"}', visits + 1 + maxConnections);
  t.equal(await metric(gateway, refused), refusedBefore);
  t.equal(await gateway.stop(), 0);
  t.notMatch(gateway.lines(), [{ event: "thread-died" }]);
});

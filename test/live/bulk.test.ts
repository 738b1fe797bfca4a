/** Slow readers with numbered bytes, both directions, beside short sessions, in the clear and in TLS: every byte as it was sent. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { connect as tlsConnect } from "node:tls";
import t, { type Test } from "tap";
import { makeCertificate } from "../servers/certificate.ts";
import { behindProxy, type Gateway, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { makeDirectory, until } from "../servers/process.ts";
import { Checker, Numbered } from "../support/numbered.ts";
import { concurrency } from "./look.ts";

t.setTimeout(120_000);

const header = proxyHeader("203.0.113.7");
/** The stream's number, with which each side begins what it says. */
const seedBytes = 4;

/** Says the stream's number and its bytes, and ends. */
async function send(socket: Socket, seed: number, total: number): Promise<void> {
  const bytes = new Numbered(seed);
  for (let sent = 0; sent < total; ) {
    const size = Math.min(total - sent, 1 + ((sent * 7 + seed * 40_503) % 200_000));
    sent += size;
    if (!socket.write(bytes.next(size))) await once(socket, "drain");
  }
  socket.end();
}

/** Checks what comes until its end, slowly where a rest is given. */
async function receive(socket: Socket, checker: Checker, restMs: number): Promise<void> {
  let reads = 0;
  socket.on("data", (bytes: Buffer) => {
    checker.feed(bytes);
    if (restMs === 0 || ++reads % 8 !== 0) return;
    socket.pause();
    setTimeout(() => socket.resume(), restMs);
  });
  await once(socket, "end");
}

/** Hears which stream this is and how long, and answers with its counterpart. */
async function answer(socket: Socket, faults: string[]): Promise<void> {
  await once(socket, "readable");
  const order: Buffer = socket.read(2 * seedBytes);
  const [seed, total] = [order.readUInt32BE(0), order.readUInt32BE(seedBytes)];
  const checker = new Checker(seed);
  await Promise.all([receive(socket, checker, seed % 2 === 0 ? 2 : 0), send(socket, seed + 1, total)]);
  if (checker.fault !== null || checker.count !== total)
    faults.push(`to the server, ${seed}: ${checker.fault}, ${checker.count}`);
}

/** A server of streams, and a gateway before it; `faults` fills with what went wrong at the server. */
async function start(t: Test): Promise<{ gateway: Gateway; faults: string[] }> {
  const faults: string[] = [];
  const server = createServer(
    { allowHalfOpen: true, noDelay: true },
    (socket) => void answer(socket, faults),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  const bound = server.address();
  const upstreamPort = bound !== null && typeof bound === "object" ? bound.port : 0;
  const { certFile, keyFile } = makeCertificate(makeDirectory(t, "tls"), "mx.example.test");
  const tcp = behindProxy("tcp", "servers");
  const gateway = await startGateway(t, {
    listeners: { clear: tcp, tls: { ...tcp, tls: "implicit" } },
    pools: { servers: poolOf(upstreamPort, "none") },
    limits: { default: { connectionCount: 0 } },
    tls: { certificates: [{ cert: certFile, key: keyFile }] },
  });
  return { gateway, faults };
}

/** A client's connection, the header said. */
function come(t: Test, gateway: Gateway, listener: "clear" | "tls"): Socket {
  const socket = connect({ port: gateway.port(listener), host: "127.0.0.1", allowHalfOpen: true });
  t.teardown(() => socket.destroy());
  socket.write(header);
  return listener === "clear" ? socket : tlsConnect({ socket, rejectUnauthorized: false });
}

for (const [listener, bytes] of [
  ["clear", 10_000_000],
  ["tls", 4_000_000],
] as const) {
  t.test(`numbered bytes arrive as they were sent, beside short sessions: ${listener}`, async (t) => {
    const { gateway, faults } = await start(t);
    const visit = async (seed: number, total: number, restMs: number) => {
      const socket = come(t, gateway, listener);
      const order = Buffer.alloc(2 * seedBytes);
      order.writeUInt32BE(seed, 0);
      order.writeUInt32BE(total, seedBytes);
      socket.write(order);
      const checker = new Checker(seed + 1);
      await Promise.all([receive(socket, checker, restMs), send(socket, seed, total)]);
      if (checker.fault !== null || checker.count !== total)
        faults.push(`to the client, ${seed}: ${checker.fault}, ${checker.count}`);
    };
    let busy = true;
    let short = 0;
    const shorts = Array.from({ length: 4 }, async (_, index) => {
      for (let seed = 1000 + index * 100_000; busy; seed += 2, short++)
        await visit(seed, 1 + (seed % 3000), 0);
    });
    await Promise.all(
      Array.from({ length: 8 }, (_, index) => visit(index * 10, bytes + index, index % 4 === 3 ? 0 : 2)),
    );
    busy = false;
    await Promise.all(shorts);
    t.same(faults, []);
    t.ok(short > 20, `${short} short sessions`);
    await until("all sessions' ends", async () => (await concurrency(gateway)) === 0);
  });
}

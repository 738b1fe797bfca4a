/**
 * A process whose data thread listens and never accepts, and that offers its socket: one line says the port and the path.
 * It is a test's child, and is killed by it.
 */
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { bequeath } from "../../src/wire/bequest.ts";
import { chooseWire } from "../../src/wire/choose.ts";

if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url));
  worker.once("message", ({ port, descriptor }: { port: number; descriptor: number }) => {
    process.stdout.write(`${JSON.stringify({ port, path: bequeath([descriptor]) })}\n`);
  });
} else {
  const { endpoint, descriptor } = await chooseWire(process.env).listen({
    endpoint: { host: "127.0.0.1", port: 0 },
    reusePort: false,
    onConnection() {},
    onAcceptError() {},
  });
  parentPort?.postMessage({ port: endpoint.port, descriptor });
  // Whoever comes now is in the kernel's queue, and stays there.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

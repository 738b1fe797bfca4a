/**
 * A socket that a service manager has opened (LISTEN_FDS): it is listened on, nothing is bound beside it where that cannot
 * be, and whoever comes while one gateway has ended and the next has not begun is served by that one.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { inherit } from "../../src/wire/bequest.ts";
import { behindProxy, poolOf } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { makeDirectory, startChild, until } from "../servers/process.ts";
import { startStream } from "./stream.ts";
import { polite } from "./upgrading.ts";
import { startUpstream } from "./upstream.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const testator = fileURLToPath(new URL("../wire/testator.ts", import.meta.url));

/** As a service manager does: the process that the shell becomes is named before it is there. */
const activate = 'LISTEN_PID=$$ exec "$@"';

/** A listening socket that nobody accepts from, and that cannot be bound beside. */
async function openSocket(t: Test) {
  const child = startChild(t, [process.execPath, testator]);
  const line = await until("its line", () => /^.*\n/.exec(child.stdout())?.[0]);
  const { port, path }: { port: number; path: string } = JSON.parse(line);
  const [socket] = await inherit(path);
  await child.stop("SIGKILL");
  if (socket === undefined) throw new Error("no socket came");
  return { port, descriptor: socket.descriptor };
}

/** The gateway with this socket, once it is ready. */
async function serve(t: Test, config: string, descriptor: number) {
  const child = spawn("sh", ["-c", activate, "sh", process.execPath, main, "serve", "-c", config], {
    stdio: ["ignore", "pipe", "inherit", descriptor],
    env: { ...process.env, LISTEN_FDS: "1" },
  });
  const ended = once(child, "exit");
  t.teardown(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  let output = "";
  child.stdout?.setEncoding("utf8").on("data", (text) => {
    output += text;
  });
  await until("its ready line", () => output.includes('"event":"ready"'));
  const stop = async () => {
    child.kill("SIGTERM");
    t.strictSame(await ended, [0, null]);
  };
  return { stop, output: () => output };
}

t.test("serve listens on a socket that it was started with, which outlives it", async (t) => {
  const upstream = await startUpstream(t, { script: polite });
  const { port, descriptor } = await openSocket(t);
  const config = join(makeDirectory(t, "activation"), "postern.yaml");
  const listeners = { smtp: { ...behindProxy("smtp", "servers"), listen: `127.0.0.1:${port}` } };
  const pools = { servers: poolOf(upstream.port, "none") };
  const limits = { default: { connectionCount: 0 } };
  const admin = { listen: "127.0.0.1:0" };
  writeFileSync(config, JSON.stringify({ threads: 2, drain: "5s", listeners, pools, limits, admin }));
  const stream = startStream(t, port, proxyHeader("203.0.113.7"));
  for (let round = 0; round < 3; round++) {
    const gateway = await serve(t, config, descriptor);
    const served = stream.served;
    await until("some clients", () => stream.served > served + 20);
    t.match(gateway.output(), /"event":"left-out","listener":"smtp","thread":1,"detail":"[^"]*EADDRINUSE"/);
    await gateway.stop();
  }
  // Those that wait now have nobody but the next one.
  const last = await serve(t, config, descriptor);
  await stream.stop();
  t.strictSame(stream.failures, []);
  await last.stop();
});

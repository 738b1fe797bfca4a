/**
 * Starts a peer with a configuration of its own, on free ports, and waits until it listens. It begins with empty tables, and
 * what it writes lies in a directory that goes with it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Connection, nobody } from "../../src/wire/wire.ts";
import { startChild } from "../harness/process.ts";
import { loopback, wire } from "../harness/wire.ts";
import { haproxy } from "./haproxy.ts";
import { haraka } from "./haraka.ts";
import { nginx } from "./nginx.ts";
import type { Name, Peer, ProxyOptions } from "./peer.ts";
import { postern } from "./postern.ts";

export type { Name, ProxyOptions, Route } from "./peer.ts";

export const peers: Readonly<Record<Name, Peer>> = { postern, haproxy, nginx, haraka };

export interface ProxyProcess {
  readonly pid: number;
  /** Resolves when it has ended, for whatever reason. */
  readonly gone: Promise<void>;
  /** Where clients connect, one for each of the `routes`. */
  readonly ports: readonly number[];
  /** Of postern's metrics and health pages. */
  readonly adminPort: number;
  stop(): Promise<void>;
}

const startMsMax = 10_000;
const pollMs = 20;

export async function startProxy(name: Name, options: ProxyOptions): Promise<ProxyProcess> {
  const peer = peers[name];
  const found = peer.find(options.haraka);
  if (found.kind === "missing") throw new Error(`${name}: ${found.reason}`);
  const { program } = found;
  const directory = mkdtempSync(join(tmpdir(), `bench-${name}-`));
  const [adminPort = 0, ...ports] = await freePorts(1 + options.routes.length);
  const child = startChild(peer.command({ program, directory, ports, adminPort }, options), options.cores);
  const stop = async () => {
    await child.stop();
    rmSync(directory, { recursive: true, force: true });
  };
  let isGone = false;
  child.gone.then(() => {
    isGone = true;
  });
  const listens = ports.map((port) => untilAccepting(name, port, () => isGone));
  await Promise.all(listens).catch((error) => stop().then(() => Promise.reject(error)));
  return { pid: child.pid, gone: child.gone, ports, adminPort, stop };
}

/** Ports that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const options = { endpoint: loopback(0), reusePort: false, onConnection() {}, onAcceptError() {} };
  const listening = await Promise.all(Array.from({ length: count }, () => wire.listen(options)));
  for (const each of listening) each.close();
  return listening.map((each) => each.endpoint.port);
}

/** Connects until somebody answers, and leaves without a word. */
async function untilAccepting(name: Name, port: number, isGone: () => boolean): Promise<void> {
  const end = performance.now() + startMsMax;
  while (!(await accepts(port))) {
    if (isGone()) throw new Error(`${name} ended at its start`);
    if (performance.now() > end) throw new Error(`${name} does not listen on port ${port}`);
    await sleep(pollMs);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    wire.connect(loopback(port), {
      ...nobody,
      onConnect(connection: Connection) {
        connection.close();
        resolve(true);
      },
      onError: () => resolve(false),
    });
  });
}

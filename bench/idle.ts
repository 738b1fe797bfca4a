/**
 * What an idle connection holds: the proxy's resident memory for each of 9,000 clients that have been greeted, have said
 * EHLO, and are silent, beside HAProxy's.
 *
 *     node bench/idle.ts [ROUNDS]
 *
 * Each round starts both anew. What a proxy needs for itself is taken off: its memory after a warm-up of whole sessions.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { loadCore, pinSelf, proxyCore, residentBytes } from "./harness/process.ts";
import { type Name, type Route, startProxy } from "./harness/proxies.ts";
import { inRounds, median, report, rounded, roundsAsked, verdict } from "./harness/report.ts";
import { hello, type Line, openings, Talk } from "./harness/talk.ts";
import { type Backend, loopback, startBackend, wire } from "./harness/wire.ts";

const GOAL = { atMost: 5 };
const CONNECTIONS = 9000;
const WARM_UP_CONNECTIONS = 500;
const NAMES: readonly Name[] = ["postern", "haproxy"];

/** Clients that connect at the same time: what waits in a queue is nothing that idles. */
const PARALLEL = 64;

/** So long nothing happens before memory is read, as on an idle connection. */
const SETTLE_MS = 3000;

const RUN_MS_MAX = 60_000;

interface Figures {
  readonly baseMiB: number;
  readonly kibPerConnection: number;
}

/** Opens `count` connections, and resolves with them when the last has had its answer to EHLO. */
function open(port: number, count: number): Promise<Line[]> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${count} connections took too long`)), RUN_MS_MAX);
    const idle: Line[] = [];
    let begun = 0;
    const begin = () => {
      const opening = openings[begun++ % openings.length]!;
      wire.connect(loopback(port), new Talk({ steps: hello.client, opening, finished, over }));
    };
    const finished = (connection: Line) => {
      idle.push(connection);
      if (begun < count) begin();
      if (idle.length < count) return;
      clearTimeout(timer);
      resolve(idle);
    };
    const over = (fault: string | null) => reject(new Error(fault ?? "the proxy closed an idle connection"));
    while (begun < Math.min(PARALLEL, count)) begin();
  });
}

async function measure(name: Name, backend: Backend): Promise<Figures> {
  const routes: readonly Route[] = [{ to: [backend.port], protocol: "smtp" }];
  const proxy = await startProxy(name, { routes, threads: 1, cores: proxyCore });
  const port = proxy.ports[0]!;
  try {
    for (const connection of await open(port, WARM_UP_CONNECTIONS)) connection.close();
    await sleep(SETTLE_MS);
    const base = residentBytes(proxy.pid);
    const connections = await open(port, CONNECTIONS);
    await sleep(SETTLE_MS);
    const grown = residentBytes(proxy.pid) - base;
    for (const connection of connections) connection.close();
    return { baseMiB: base / 2 ** 20, kibPerConnection: grown / 1024 / CONNECTIONS };
  } finally {
    await proxy.stop();
  }
}

async function main(): Promise<void> {
  pinSelf(loadCore);
  const backend = await startBackend((connection) => {
    const talk = new Talk({ steps: hello.server, finished: () => {}, over: () => {} });
    connection.owner = talk;
    talk.onConnect(connection);
  });
  const rounds = await inRounds(roundsAsked(3), async () => ({
    postern: await measure("postern", backend),
    haproxy: await measure("haproxy", backend),
  }));
  backend.close();

  const middle = (name: Name, figure: keyof Figures) =>
    rounded(median(rounds.map((round) => round[name][figure])));
  const rows = NAMES.map((proxy) => ({
    proxy,
    baseMiB: middle(proxy, "baseMiB"),
    kibPerConnection: middle(proxy, "kibPerConnection"),
  }));
  const own = middle("postern", "kibPerConnection");
  console.table(rows);
  console.log(verdict(`KiB for each of ${CONNECTIONS} idle connections`, own, GOAL));
  report("idle", {
    connections: CONNECTIONS,
    kibPerConnection: own,
    goal: GOAL,
    rounds: rounds.length,
    rows,
  });
}

await main();

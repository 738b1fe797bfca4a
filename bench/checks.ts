/**
 * What do checks cost? CPU of a gateway that does nothing else, while it checks 50 servers every 10 seconds and every
 * second, beside one that checks none. The servers greet at once, and take their leave when they are told to.
 *
 *     node bench/checks.ts [ROUNDS]
 */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { cpuNs } from "./harness/proc.ts";
import { loadCore, pinSelf, proxyCore } from "./harness/process.ts";
import { inRounds, median, report, rounded, roundsAsked } from "./harness/report.ts";
import { type ProxyProcess, startProxy } from "./peers/start.ts";

const SERVERS = 50;
const INTERVALS = ["0s", "10s", "1s"] as const;

/** Whole rounds of checks at either interval, so that each piece has as many as the next, but for the jitter. */
const PIECE_MS = 10_000;

/** One round at the longest interval and V8's first compilations. */
const WARM_UP_MS = 12_000;

type Interval = (typeof INTERVALS)[number];
/** Milliseconds of CPU in a second. */
type Figures = Readonly<Record<Interval, number>>;

let answered = 0;

/** Behind the header comes the greeting, and behind whatever is said to it the end. */
function serve(socket: Socket): void {
  socket.on("error", () => {});
  socket.once("data", () => {
    socket.write("220 mx.example.test ESMTP\r\n");
    socket.once("data", () => {
      answered++;
      socket.end("221 2.0.0 Bye\r\n");
    });
  });
}

async function startServers(): Promise<{ servers: readonly Server[]; ports: readonly number[] }> {
  const servers = Array.from({ length: SERVERS }, () => createServer(serve).listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => {
    const bound = server.address();
    return bound !== null && typeof bound === "object" ? bound.port : 0;
  });
  return { servers, ports };
}

/** All of them at the same time: what disturbs one disturbs the others too. */
async function measure(proxies: readonly ProxyProcess[]): Promise<Figures> {
  const before = proxies.map(({ pid }) => cpuNs(pid));
  const began = performance.now();
  await sleep(PIECE_MS);
  const seconds = (performance.now() - began) / 1000;
  const [none = 0, usual = 0, often = 0] = proxies.map(
    ({ pid }, index) => (cpuNs(pid) - before[index]!) / 1e6 / seconds,
  );
  return { "0s": none, "10s": usual, "1s": often };
}

async function main(): Promise<void> {
  pinSelf(loadCore);
  const { servers, ports } = await startServers();
  const routes = [{ to: ports, protocol: "smtp" }] as const;
  const proxies: ProxyProcess[] = [];
  for (const healthInterval of INTERVALS)
    proxies.push(await startProxy("postern", { routes, threads: 1, cores: proxyCore, healthInterval }));
  await sleep(WARM_UP_MS);
  const before = answered;
  const rounds = await inRounds(roundsAsked(6), () => measure(proxies));
  const checks = (answered - before) / rounds.length;
  for (const proxy of proxies) await proxy.stop();
  for (const server of servers) server.close();

  const rows = INTERVALS.map((interval) => ({
    interval,
    cpuMsPerSecond: rounded(median(rounds.map((round) => round[interval]))),
    more: rounded(median(rounds.map((round) => round[interval] - round["0s"]))),
  }));
  console.table(rows);
  console.log(`${rounded(checks)} checks in a piece of ${PIECE_MS} ms`);
  report("checks", { servers: SERVERS, checks: rounded(checks), rounds: rounds.length, rows });
}

await main();

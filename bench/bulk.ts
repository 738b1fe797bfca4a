/**
 * What bytes cost that nobody reads: the proxy's CPU for each GiB, download and upload, over one connection and over four,
 * beside HAProxy's (which copies, as postern does: splice(2) is off unless it is asked for).
 *
 *     node bench/bulk.ts [ROUNDS]
 */
import { cpuMs } from "./harness/proc.ts";
import { loadCore, pinSelf, proxyCore } from "./harness/process.ts";
import { inRounds, median, report, rounded, roundsAsked } from "./harness/report.ts";
import { openings } from "./harness/talk.ts";
import { Transfer } from "./harness/transfer.ts";
import { loopback, startBackend, wire } from "./harness/wire.ts";
import { type ProxyProcess, type Route, startProxy } from "./peers/start.ts";

const NAMES = ["postern", "haproxy"] as const;

type Name = (typeof NAMES)[number];

interface Load {
  readonly direction: "download" | "upload";
  readonly connections: number;
}

const LOADS: readonly Load[] = [
  { direction: "download", connections: 1 },
  { direction: "download", connections: 4 },
  { direction: "upload", connections: 1 },
  { direction: "upload", connections: 4 },
];

const GIBIBYTE = 2 ** 30;

/** Half a second of a proxy's CPU or more: fifty ticks of the kernel's clock. */
const TOTAL_BYTES = 2 * GIBIBYTE;

const RUN_MS_MAX = 120_000;

const greeting = Buffer.from("220 mx.example.test ESMTP\r\n");
const nothing = Buffer.alloc(0);

interface Figures {
  readonly cpuMsPerGiB: number;
  readonly gibPerSecond: number;
}

/** Both sides of `load`, until each of them has seen its end. */
async function transfer(
  proxy: ProxyProcess,
  load: Load,
  serverSide: (make: () => Transfer) => void,
): Promise<void> {
  const share = TOTAL_BYTES / load.connections;
  const [up, down] = load.direction === "upload" ? [share, 0] : [0, share];
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${load.direction}: took too long`)), RUN_MS_MAX);
    let left = 2 * load.connections;
    const over = (fault: string | null) => {
      left--;
      if (fault !== null) reject(new Error(`${load.direction}: ${fault}`));
      if (fault === null && left > 0) return;
      clearTimeout(timer);
      resolve();
    };
    serverSide(
      () =>
        new Transfer({
          opening: nothing,
          awaitBytes: openings[0]!.length,
          answer: greeting,
          sendBytes: down,
          receiveBytes: up,
          over,
        }),
    );
    for (let connection = 0; connection < load.connections; connection++) {
      const client = {
        opening: openings[connection]!,
        awaitBytes: greeting.length,
        answer: nothing,
        sendBytes: up,
        receiveBytes: down,
        over,
      };
      wire.connect(loopback(proxy.ports[0]!), new Transfer(client));
    }
  });
}

async function main(): Promise<void> {
  pinSelf(loadCore);
  let makeServerSide: () => Transfer = () => {
    throw new Error("nobody is awaited yet");
  };
  const backend = await startBackend((connection) => {
    const side = makeServerSide();
    connection.owner = side;
    side.onConnect(connection);
  });
  const routes: readonly Route[] = [{ to: [backend.port], protocol: "tcp" }];
  // A check would be taken for a side of a transfer; HAProxy makes none either.
  const options = { routes, threads: 1, cores: proxyCore, healthInterval: "0s" };
  const proxies = {
    postern: await startProxy("postern", options),
    haproxy: await startProxy("haproxy", options),
  };
  const measure = async (name: Name, load: Load): Promise<Figures> => {
    const proxy = proxies[name];
    const before = cpuMs(proxy.pid);
    const began = performance.now();
    await transfer(proxy, load, (make) => {
      makeServerSide = make;
    });
    const seconds = (performance.now() - began) / 1000;
    const after = cpuMs(proxy.pid);
    const ms = after.userMs + after.systemMs - before.userMs - before.systemMs;
    return { cpuMsPerGiB: (ms * GIBIBYTE) / TOTAL_BYTES, gibPerSecond: TOTAL_BYTES / GIBIBYTE / seconds };
  };

  const count = roundsAsked(5);
  const rows = [];
  for (const load of LOADS) {
    const rounds = await inRounds(count, async () => ({
      postern: await measure("postern", load),
      haproxy: await measure("haproxy", load),
    }));
    const middle = (name: Name, figure: keyof Figures) =>
      rounded(median(rounds.map((round) => round[name][figure])));
    rows.push({
      ...load,
      posternCpuMsPerGiB: middle("postern", "cpuMsPerGiB"),
      haproxyCpuMsPerGiB: middle("haproxy", "cpuMsPerGiB"),
      posternGiBPerSecond: middle("postern", "gibPerSecond"),
      haproxyGiBPerSecond: middle("haproxy", "gibPerSecond"),
      ratio: rounded(median(rounds.map((round) => round.postern.cpuMsPerGiB / round.haproxy.cpuMsPerGiB))),
    });
  }
  for (const name of NAMES) await proxies[name].stop();
  backend.close();

  console.table(rows);
  report("bulk", { rounds: count, rows });
}

await main();

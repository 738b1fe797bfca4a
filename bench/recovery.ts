/**
 * How soon are the parked served? The time from a server's return to the first and to the last greeting, with 500 clients
 * waiting; alone, and while 100 more come each second, who stand behind them.
 *
 *     node bench/recovery.ts [ROUNDS] [SECONDS]
 *
 * SECONDS is how long they wait before the server is back: one, in which only sessions have found it down, unless it is to
 * be seen how it goes when checks have, which are at their defaults and take ten at most.
 */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { loadConfiguration } from "../src/config/load.ts";
import { Gateway } from "../src/threads/gateway.ts";
import { inRounds, median, report, rounded, roundsAsked } from "./harness/report.ts";

const PARKED = 500;
const MORE_PER_SECOND = 100;
const LOOK_MS = 50;
/** Less than the parked may wait for. */
const AWAY_SECONDS_MAX = 240;

interface Round {
  readonly firstMs: number;
  readonly aloneMs: number;
  readonly withMoreMs: number;
}

/** A port on which nobody listens. */
async function deafPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  server.close();
  await once(server, "close");
  return bound !== null && typeof bound === "object" ? bound.port : 0;
}

function secondsAsked(): number {
  const asked = Number(process.argv[3] ?? 1);
  if (Number.isInteger(asked) && asked >= 1 && asked <= AWAY_SECONDS_MAX) return asked;
  throw new Error(`seconds: 1 to ${AWAY_SECONDS_MAX}`);
}

async function startGateway(server: number): Promise<Gateway> {
  const file = {
    threads: 2,
    listeners: {
      smtp: { listen: "127.0.0.1:0", protocol: "smtp", proxy: { mode: "off" }, pool: "servers" },
    },
    pools: {
      servers: { servers: [`127.0.0.1:${server}`], identity: "none", park: { timeout: "5m", max: 5000 } },
    },
    limits: { default: { connectionCount: 0 } },
    log: { level: "error" },
    admin: { listen: "127.0.0.1:0" },
    drain: "0s",
  };
  const options = { name: "bench", environment: {}, readFile: () => "", nowMs: Date.now() };
  const loaded = loadConfiguration(JSON.stringify(file), options);
  if (!loaded.ok) throw new Error(loaded.errors.join("\n"));
  return Gateway.start(loaded.configuration, "bench");
}

/** The times to the first and to the last of the parked, from the server's return. */
async function recover(more: number): Promise<{ firstMs: number; lastMs: number }> {
  const server = await deafPort();
  const gateway = await startGateway(server);
  const port = Number(gateway.listeners.smtp?.[0]?.split(":").at(-1));
  const clients: Socket[] = [];
  const greetedAtMs: number[] = [];
  const come = (isCounted: boolean) => {
    const client = connect(port, "127.0.0.1").on("error", () => {});
    client.once("data", () => isCounted && greetedAtMs.push(performance.now()));
    clients.push(client);
    return once(client, "connect");
  };
  for (let count = 0; count < PARKED; count++) await come(true);
  await sleep(awaySeconds * 1000);
  const back = createServer((socket) => {
    socket.on("error", () => {}).on("data", () => socket.end("221 bye\r\n"));
    socket.write("220 hi\r\n");
  });
  back.listen(server, "127.0.0.1");
  const backAtMs = performance.now();
  let late = 0;
  while (greetedAtMs.length < PARKED) {
    await sleep(LOOK_MS);
    while (late < ((performance.now() - backAtMs) / 1000) * more) {
      late++;
      await come(false);
    }
  }
  for (const client of clients) client.destroy();
  back.close();
  await gateway.drain();
  return { firstMs: greetedAtMs[0]! - backAtMs, lastMs: greetedAtMs.at(-1)! - backAtMs };
}

async function measure(): Promise<Round> {
  const alone = await recover(0);
  const withMore = await recover(MORE_PER_SECOND);
  return { firstMs: alone.firstMs, aloneMs: alone.lastMs, withMoreMs: withMore.lastMs };
}

const awaySeconds = secondsAsked();
const rounds = await inRounds(roundsAsked(3), measure);
const figures = {
  firstMs: rounded(median(rounds.map(({ firstMs }) => firstMs))),
  aloneMs: rounded(median(rounds.map(({ aloneMs }) => aloneMs))),
  withMoreMs: rounded(median(rounds.map(({ withMoreMs }) => withMoreMs))),
};
console.log(
  `${PARKED} parked for ${awaySeconds} s: the first greeting after ${figures.firstMs} ms, the last after ${figures.aloneMs} ms`,
);
console.log(`and after ${figures.withMoreMs} ms while ${MORE_PER_SECOND} more come each second`);
report("recovery", { awaySeconds, ...figures });

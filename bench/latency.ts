/**
 * What a proxy adds to the time from accept to banner: sessions begin at a steady 500 a second, each with a PROXY header and a
 * mail, and go to the server itself, through postern, which reads them, and through HAProxy.
 *
 *     node bench/latency.ts [ROUNDS]
 *
 * A time counts from when its session was meant to begin. The three are measured in turn; what a proxy adds is its percentile
 * less the direct one of the same round.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { percentile } from "./harness/pace.ts";
import { loadCore, pinSelf, proxyCore } from "./harness/process.ts";
import { inRounds, median, report, rounded, roundsAsked } from "./harness/report.ts";
import { runSessions, SteadySessions, sessionsTo, startMailServer } from "./harness/sessions.ts";
import { startProxy } from "./peers/start.ts";

const SESSIONS_PER_SECOND = 500;
const PARALLEL = 32;

/** What V8 needs to have compiled everything that counts, here and in the gateway. */
const WARM_UP_SESSIONS = 8000;

/** So short that what disturbs the machine meanwhile spoils few of the rounds, and seven sessions lie above the 99th percentile. */
const PIECE_MS = 1500;

/** Until the first sessions' ends and the later ones' beginnings go hand in hand. */
const LEAD_MS = 200;

const NAMES = ["postern", "haproxy"] as const;

type Name = (typeof NAMES)[number];
const WAYS = ["direct", ...NAMES] as const;

type Way = (typeof WAYS)[number];

interface Figures {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** By how much sessions began later than they were meant to: the load's own part. */
  readonly lateP99Ms: number;
}

async function measure(port: number): Promise<Figures> {
  const sessions = new SteadySessions(port, SESSIONS_PER_SECOND);
  const fromMs = performance.now() + LEAD_MS;
  await sleep(LEAD_MS + PIECE_MS);
  await sessions.stop();
  const begun = sessions.between(fromMs, fromMs + PIECE_MS);
  const latencies = begun.map(({ latencyMs }) => latencyMs);
  const lates = begun.map(({ lateMs }) => lateMs);
  return {
    p50Ms: percentile(latencies, 50),
    p99Ms: percentile(latencies, 99),
    lateP99Ms: percentile(lates, 99),
  };
}

async function main(): Promise<void> {
  pinSelf(loadCore);
  const backend = await startMailServer();
  const start = (name: Name) =>
    startProxy(name, {
      routes: [{ to: [backend.port], protocol: "smtp" }],
      threads: 1,
      cores: proxyCore,
    });
  const proxies = { postern: await start("postern"), haproxy: await start("haproxy") };
  const ports: Readonly<Record<Way, number>> = {
    direct: backend.port,
    postern: proxies.postern.ports[0]!,
    haproxy: proxies.haproxy.ports[0]!,
  };
  for (const way of WAYS) await runSessions(sessionsTo(ports[way]), WARM_UP_SESSIONS, PARALLEL);
  const rounds = await inRounds(roundsAsked(15), async () => ({
    direct: await measure(ports.direct),
    postern: await measure(ports.postern),
    haproxy: await measure(ports.haproxy),
  }));
  for (const name of NAMES) await proxies[name].stop();
  backend.close();

  const rows = WAYS.map((way) => {
    const middle = (figure: keyof Figures) => rounded(median(rounds.map((round) => round[way][figure])));
    return { way, p50Ms: middle("p50Ms"), p99Ms: middle("p99Ms"), lateP99Ms: middle("lateP99Ms") };
  });
  const added = NAMES.map((proxy) => {
    const more = (figure: "p50Ms" | "p99Ms") =>
      rounded(median(rounds.map((round) => round[proxy][figure] - round.direct[figure])));
    return { proxy, p50Ms: more("p50Ms"), p99Ms: more("p99Ms") };
  });
  console.table(rows);
  console.table(added);
  report("latency", { sessionsPerSecond: SESSIONS_PER_SECOND, rounds: rounds.length, added, rows });
}

await main();

/**
 * What bans cost a session whose client is not banned: postern's CPU for one mail of 3 KB with a list of 50,000 decisions
 * and with one of 500,000, beside its own without CrowdSec.
 *
 *     node bench/banchurn.ts [ROUNDS]
 *
 * The load is that of `churn.ts`, in smaller pieces that follow one another closely: what is looked for is less than what
 * one minute differs from the next by. LAPI is asked as often as by default, and has nothing new.
 */
import { StandInLapi, untilHeld } from "./harness/lapi.ts";
import { cpuNs } from "./harness/proc.ts";
import { loadCore, pinSelf, proxyCore } from "./harness/process.ts";
import { inRounds, median, report, rounded, roundsAsked } from "./harness/report.ts";
import { runSessions, sessionsTo, startMailServer } from "./harness/sessions.ts";
import { type ProxyProcess, startProxy } from "./peers/start.ts";

const SIZES = [0, 50_000, 500_000] as const;
const PARALLEL = 32;

/** A third of a second of CPU each. */
const SESSIONS = 1000;

/** What V8 needs to have compiled everything that counts. */
const WARM_UP_SESSIONS = 8000;

type Size = (typeof SIZES)[number];

/** There and back, so that what gets slower or faster meanwhile does so for all. */
const ORDER = [0, 50_000, 500_000, 500_000, 50_000, 0] as const;

/** Microseconds of CPU for a session, by the size of the list. */
type Figures = Readonly<Record<Size, number>>;

/** Started one after the other, each with its list. */
async function start(size: Size, backend: number): Promise<ProxyProcess> {
  const common = { routes: [{ to: [backend], protocol: "smtp" }], threads: 1, cores: proxyCore } as const;
  if (size === 0) return startProxy("postern", common);
  const lapi = await StandInLapi.start({ decisions: size, startsEmpty: false });
  const proxy = await startProxy("postern", { ...common, lapi: { url: lapi.url, updateFrequency: "10s" } });
  await untilHeld(proxy.adminPort, size);
  return { ...proxy, stop: () => proxy.stop().finally(() => lapi.stop()) };
}

async function measure(proxies: Readonly<Record<Size, ProxyProcess>>): Promise<Figures> {
  const sums = { 0: 0, 50000: 0, 500000: 0 };
  for (const size of ORDER) {
    const { pid, ports } = proxies[size];
    const before = cpuNs(pid);
    await runSessions(sessionsTo(ports[0]!), SESSIONS, PARALLEL);
    sums[size] += (cpuNs(pid) - before) / 1000 / (2 * SESSIONS);
  }
  return sums;
}

async function main(): Promise<void> {
  pinSelf(loadCore);
  const backend = await startMailServer();
  const proxies = {
    0: await start(0, backend.port),
    50000: await start(50_000, backend.port),
    500000: await start(500_000, backend.port),
  };
  for (const size of SIZES)
    await runSessions(sessionsTo(proxies[size].ports[0]!), WARM_UP_SESSIONS, PARALLEL);
  const rounds = await inRounds(roundsAsked(30), () => measure(proxies));
  for (const size of SIZES) await proxies[size].stop();
  backend.close();

  const rows = SIZES.map((decisions) => ({
    decisions,
    cpuUs: rounded(median(rounds.map((round) => round[decisions]))),
    ratio: rounded(median(rounds.map((round) => round[decisions] / round[0]))),
  }));
  console.table(rows);
  report("banchurn", { rounds: rounds.length, rows });
}

await main();

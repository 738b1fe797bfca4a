/**
 * What a session costs: the proxy's CPU, in user and kernel mode, for one mail of 3 KB over PROXY v2 in and out, beside
 * HAProxy's for the same.
 *
 *     node bench/churn.ts [ROUNDS]
 *
 * The load is a closed loop, so that neither proxy ever has a queue that the other has not.
 */
import { cpuMs, loadCore, pinSelf, proxyCore } from "./harness/process.ts";
import { type Name, type ProxyProcess, startProxy } from "./harness/proxies.ts";
import { inRounds, median, report, rounded, roundsAsked, verdict } from "./harness/report.ts";
import { runSessions, startMailServer } from "./harness/sessions.ts";

const GOAL = { atMost: 1.35 };
const PARALLEL = 32;

/** About a second of a proxy's CPU, so that the clock's ticks of 10 ms are a hundredth of it. */
const SESSIONS = 8000;

/** What V8 needs to have compiled everything that counts. */
const WARM_UP_SESSIONS = 8000;

const NAMES: readonly Name[] = ["postern", "haproxy"];

interface Figures {
  readonly userUs: number;
  readonly systemUs: number;
  readonly cpuUs: number;
  readonly sessionsPerSecond: number;
}

async function measure({ pid, ports }: ProxyProcess): Promise<Figures> {
  const before = cpuMs(pid);
  const seconds = await runSessions(ports[0]!, SESSIONS, PARALLEL);
  const after = cpuMs(pid);
  const userUs = ((after.userMs - before.userMs) * 1000) / SESSIONS;
  const systemUs = ((after.systemMs - before.systemMs) * 1000) / SESSIONS;
  return { userUs, systemUs, cpuUs: userUs + systemUs, sessionsPerSecond: SESSIONS / seconds };
}

async function main(): Promise<void> {
  pinSelf(loadCore);
  const backend = await startMailServer();
  const options = { backends: [[backend.port]], threads: 1, cores: proxyCore };
  const proxies = {
    postern: await startProxy("postern", options),
    haproxy: await startProxy("haproxy", options),
  };
  for (const name of NAMES) await runSessions(proxies[name].ports[0]!, WARM_UP_SESSIONS, PARALLEL);
  const rounds = await inRounds(roundsAsked(9), async () => ({
    postern: await measure(proxies.postern),
    haproxy: await measure(proxies.haproxy),
  }));
  for (const name of NAMES) await proxies[name].stop();
  backend.close();

  const middle = (name: Name, figure: keyof Figures) =>
    rounded(median(rounds.map((round) => round[name][figure])));
  const rows = NAMES.map((proxy) => ({
    proxy,
    userUs: middle(proxy, "userUs"),
    systemUs: middle(proxy, "systemUs"),
    cpuUs: middle(proxy, "cpuUs"),
    sessionsPerSecond: middle(proxy, "sessionsPerSecond"),
  }));
  const ratios = rounds.map(({ postern, haproxy }) => postern.cpuUs / haproxy.cpuUs);
  console.table(rows);
  console.log(verdict("CPU for a session, postern to HAProxy", median(ratios), GOAL));
  report("churn", { ratio: rounded(median(ratios)), ratios: ratios.map(rounded), goal: GOAL, rows });
}

await main();

/**
 * What a session costs: the proxy's CPU, in user and kernel mode, for one mail of 3 KB over PROXY v2 in and out, beside
 * HAProxy's for the same. Postern has it twice: `inspected`, reading all of it, and `opaque`, as blind as HAProxy.
 *
 *     node bench/churn.ts [ROUNDS]
 *
 * The load is a closed loop, so that neither proxy ever has a queue that the other has not.
 */
import { cpuMs } from "./harness/proc.ts";
import { loadCore, pinSelf, proxyCore } from "./harness/process.ts";
import { inRounds, median, report, rounded, roundsAsked } from "./harness/report.ts";
import { runSessions, sessionsTo, startMailServer } from "./harness/sessions.ts";
import { type ProxyProcess, startProxy } from "./peers/start.ts";

const PARALLEL = 32;

/** About a second of a proxy's CPU, so that the clock's ticks of 10 ms are a hundredth of it. */
const SESSIONS = 8000;

/** What V8 needs to have compiled everything that counts. */
const WARM_UP_SESSIONS = 8000;

const WAYS = ["inspected", "opaque"] as const;
const NAMES = [...WAYS, "haproxy"] as const;

type Name = (typeof NAMES)[number];

interface Figures {
  readonly userUs: number;
  readonly systemUs: number;
  readonly cpuUs: number;
  readonly sessionsPerSecond: number;
}

async function measure({ pid, ports }: ProxyProcess): Promise<Figures> {
  const before = cpuMs(pid);
  const seconds = await runSessions(sessionsTo(ports[0]!), SESSIONS, PARALLEL);
  const after = cpuMs(pid);
  const userUs = ((after.userMs - before.userMs) * 1000) / SESSIONS;
  const systemUs = ((after.systemMs - before.systemMs) * 1000) / SESSIONS;
  return { userUs, systemUs, cpuUs: userUs + systemUs, sessionsPerSecond: SESSIONS / seconds };
}

async function main(): Promise<void> {
  pinSelf(loadCore);
  const backend = await startMailServer();
  const start = (name: "postern" | "haproxy", protocol: "smtp" | "tcp") =>
    startProxy(name, { routes: [{ to: [backend.port], protocol }], threads: 1, cores: proxyCore });
  const proxies: Readonly<Record<Name, ProxyProcess>> = {
    inspected: await start("postern", "smtp"),
    opaque: await start("postern", "tcp"),
    haproxy: await start("haproxy", "tcp"),
  };
  for (const name of NAMES)
    await runSessions(sessionsTo(proxies[name].ports[0]!), WARM_UP_SESSIONS, PARALLEL);
  const rounds = await inRounds(roundsAsked(9), async () => ({
    inspected: await measure(proxies.inspected),
    opaque: await measure(proxies.opaque),
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
  const results = WAYS.map((way) => {
    const ratios = rounds.map((round) => round[way].cpuUs / round.haproxy.cpuUs);
    return { way, ratio: rounded(median(ratios)), ratios: ratios.map(rounded) };
  });
  console.table(rows);
  report("churn", { results, rows });
}

await main();

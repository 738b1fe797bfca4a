/**
 * What reading a message costs: the gateway's CPU for each GiB of mails of 10 MB by DATA, `inspected` beside `opaque`, which
 * passes the same bytes unread; HAProxy, which is blind as well, beside both.
 *
 *     node bench/data.ts [ROUNDS]
 */
import { cpuMs } from "./harness/proc.ts";
import { loadCore, pinSelf, proxyCore } from "./harness/process.ts";
import { inRounds, median, report, rounded, roundsAsked } from "./harness/report.ts";
import { runSessions, sessionsTo, startMailServer } from "./harness/sessions.ts";
import { attachmentLine, mailOf } from "./harness/talk.ts";
import { type ProxyProcess, startProxy } from "./peers/start.ts";

const NAMES = ["inspected", "opaque", "haproxy"] as const;

type Name = (typeof NAMES)[number];

const MAIL_BYTES = 10_000_000;

/** A GB and a half: more than half a second of a proxy's CPU. */
const MAILS = 150;

/** One sender has the gateway to itself, or shares it. */
const PARALLEL = [1, 4] as const;

const GIBIBYTE = 2 ** 30;

const script = mailOf(attachmentLine.repeat(MAIL_BYTES / attachmentLine.length));

/** Milliseconds for each GiB. */
interface Figures {
  readonly userMs: number;
  readonly systemMs: number;
  readonly cpuMs: number;
}

async function measure({ pid, ports }: ProxyProcess, parallel: number): Promise<Figures> {
  const before = cpuMs(pid);
  await runSessions(sessionsTo(ports[0]!, script), MAILS, parallel);
  const after = cpuMs(pid);
  const gibibytes = (MAILS * MAIL_BYTES) / GIBIBYTE;
  const userMs = (after.userMs - before.userMs) / gibibytes;
  const systemMs = (after.systemMs - before.systemMs) / gibibytes;
  return { userMs, systemMs, cpuMs: userMs + systemMs };
}

async function main(): Promise<void> {
  pinSelf(loadCore);
  const backend = await startMailServer(script);
  const start = (name: "postern" | "haproxy", protocol: "smtp" | "tcp") =>
    startProxy(name, { routes: [{ to: [backend.port], protocol }], threads: 1, cores: proxyCore });
  const proxies: Readonly<Record<Name, ProxyProcess>> = {
    inspected: await start("postern", "smtp"),
    opaque: await start("postern", "tcp"),
    haproxy: await start("haproxy", "tcp"),
  };
  const count = roundsAsked(5);
  const rows = [];
  for (const parallel of PARALLEL) {
    for (const name of NAMES) await measure(proxies[name], parallel);
    const rounds = await inRounds(count, async () => ({
      inspected: await measure(proxies.inspected, parallel),
      opaque: await measure(proxies.opaque, parallel),
      haproxy: await measure(proxies.haproxy, parallel),
    }));
    const middle = (name: Name, figure: keyof Figures) =>
      rounded(median(rounds.map((round) => round[name][figure])));
    const ratioTo = (name: Name) =>
      rounded(median(rounds.map((round) => round.inspected.cpuMs / round[name].cpuMs)));
    rows.push({
      parallel,
      inspectedUserMs: middle("inspected", "userMs"),
      inspectedCpuMs: middle("inspected", "cpuMs"),
      opaqueUserMs: middle("opaque", "userMs"),
      opaqueCpuMs: middle("opaque", "cpuMs"),
      haproxyCpuMs: middle("haproxy", "cpuMs"),
      toOpaque: ratioTo("opaque"),
      toHaproxy: ratioTo("haproxy"),
    });
  }
  for (const name of NAMES) await proxies[name].stop();
  backend.close();

  console.table(rows);
  report("data", { rounds: count, rows });
}

await main();

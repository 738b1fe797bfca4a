/**
 * What a mail costs that a client fetches: the gateway's CPU for each GiB of mails of 10 MB over IMAP, `followed` until the
 * login beside `opaque`, which never looked; HAProxy, which is blind as well, beside both.
 *
 *     node bench/fetch.ts [ROUNDS]
 */
import { cpuMs } from "./harness/proc.ts";
import { loadCore, pinSelf, proxyCore } from "./harness/process.ts";
import { inRounds, median, report, rounded, roundsAsked } from "./harness/report.ts";
import { runSessions, sessionsTo, startMailServer } from "./harness/sessions.ts";
import { attachmentLine, fetchOf } from "./harness/talk.ts";
import { type ProxyProcess, startProxy } from "./peers/start.ts";

/** Of the opaque figure. */

const NAMES = ["followed", "opaque", "haproxy"] as const;

type Name = (typeof NAMES)[number];

const MAIL_BYTES = 10_000_000;

/** As when a mail program catches up. */
const FETCHES = 10;

/** Three GB: more than a second of a proxy's CPU. */
const SESSIONS = 32;

/** One client has the gateway to itself, or shares it. */
const PARALLEL = [1, 4] as const;

const GIBIBYTE = 2 ** 30;

const script = fetchOf(attachmentLine.repeat(MAIL_BYTES / attachmentLine.length), FETCHES);

/** The CPU for each GiB. */
async function measure({ pid, ports }: ProxyProcess, parallel: number): Promise<number> {
  const before = cpuMs(pid);
  await runSessions(sessionsTo(ports[0]!, script), SESSIONS, parallel);
  const after = cpuMs(pid);
  const gibibytes = (SESSIONS * FETCHES * MAIL_BYTES) / GIBIBYTE;
  const ms = after.userMs + after.systemMs - before.userMs - before.systemMs;
  return ms / gibibytes;
}

async function main(): Promise<void> {
  pinSelf(loadCore);
  const backend = await startMailServer(script);
  const start = (name: "postern" | "haproxy", protocol: "imap" | "tcp") =>
    startProxy(name, { routes: [{ to: [backend.port], protocol }], threads: 1, cores: proxyCore });
  const proxies: Readonly<Record<Name, ProxyProcess>> = {
    followed: await start("postern", "imap"),
    opaque: await start("postern", "tcp"),
    haproxy: await start("haproxy", "tcp"),
  };
  const count = roundsAsked(7);
  const rows = [];
  for (const parallel of PARALLEL) {
    for (const name of NAMES) await measure(proxies[name], parallel);
    const rounds = await inRounds(count, async () => ({
      followed: await measure(proxies.followed, parallel),
      opaque: await measure(proxies.opaque, parallel),
      haproxy: await measure(proxies.haproxy, parallel),
    }));
    const middle = (name: Name) => rounded(median(rounds.map((round) => round[name])));
    const ratioTo = (name: Name) => rounded(median(rounds.map((round) => round.followed / round[name])));
    rows.push({
      parallel,
      followedCpuMs: middle("followed"),
      opaqueCpuMs: middle("opaque"),
      haproxyCpuMs: middle("haproxy"),
      toOpaque: ratioTo("opaque"),
      toHaproxy: ratioTo("haproxy"),
    });
  }
  for (const name of NAMES) await proxies[name].stop();
  backend.close();

  console.table(rows);
  report("fetch", { rounds: count, rows });
}

await main();

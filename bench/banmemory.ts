/**
 * What the bans hold: the gateway's resident memory without any, with half a million decisions, and after these were loaded
 * and changed again and again, when there should be no more of it.
 *
 *     node bench/banmemory.ts [ROUNDS]
 *
 * Each round is a load, some deltas, and some sessions, so that every thread has reason to collect. The first quarter of the
 * rounds still finds memory that nobody has used before; the second is what the last is compared with.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { DELTA, StandInLapi } from "./harness/lapi.ts";
import { residentBytes } from "./harness/proc.ts";
import { loadCore, pinSelf, proxyCore } from "./harness/process.ts";
import { inRounds, median, report, rounded, roundsAsked } from "./harness/report.ts";
import { runSessions, sessionsTo, startMailServer } from "./harness/sessions.ts";
import { startProxy } from "./peers/start.ts";

const DECISIONS = 500_000;
const DELTAS = 2;
const WARM_UP_SESSIONS = 8000;
const SESSIONS = 1000;
const PARALLEL = 32;

/** Memory that is free goes back to the kernel within that. */
const SETTLE_MS = 1000;

async function main(): Promise<void> {
  pinSelf(loadCore);
  const backend = await startMailServer();
  const lapi = await StandInLapi.start({ decisions: DECISIONS, startsEmpty: true });
  const proxy = await startProxy("postern", {
    routes: [{ to: [backend.port], protocol: "smtp" }],
    threads: 1,
    cores: proxyCore,
    lapi: { url: lapi.url, updateFrequency: "1s" },
  });
  const resident = async () => {
    await sleep(SETTLE_MS);
    return residentBytes(proxy.pid) / 2 ** 20;
  };
  const run = (sessions: number) => runSessions(sessionsTo(proxy.ports[0]!), sessions, PARALLEL);
  await run(WARM_UP_SESSIONS);
  const emptyMiB = await resident();
  const rounds = await inRounds(roundsAsked(16), async () => {
    await lapi.load();
    const loadedMiB = await resident();
    for (let delta = 0; delta < DELTAS; delta++) await lapi.change();
    await run(SESSIONS);
    return { loadedMiB, changedMiB: await resident() };
  });
  await proxy.stop();
  lapi.stop();
  backend.close();

  const changed = rounds.map(({ changedMiB }) => changedMiB);
  const edge = Math.ceil(changed.length / 4);
  const figures = {
    emptyMiB: rounded(emptyMiB),
    loadedMiB: rounded(rounds[0]!.loadedMiB),
    earlyMiB: rounded(median(changed.slice(edge, 2 * edge))),
    lateMiB: rounded(median(changed.slice(-edge))),
    mostMiB: rounded(Math.max(...changed)),
  };
  console.table([figures]);
  const grownMiB = figures.lateMiB - figures.earlyMiB;
  report("banmemory", { decisions: DECISIONS, delta: DELTA, ...figures, grownMiB, rounds });
}

await main();

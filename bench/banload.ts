/**
 * Whom a ban list holds up while it comes: the 99th percentile of the time from accept to banner while nothing happens, while
 * half a million decisions are loaded, and while 15,000 come and 15,000 go. Likewise the health page.
 *
 *     node bench/banload.ts [ROUNDS]
 *
 * Sessions are begun at a steady rate, in the clear, each with one mail. The bans' thread has the gateway's core to share with
 * all its others, which is the worst that can be: where there is a core to spare, the kernel puts it there.
 */
import { Agent, get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { DELTA, StandInLapi, type Update } from "./harness/lapi.ts";
import { Pace, percentile } from "./harness/pace.ts";
import { cpuMs } from "./harness/proc.ts";
import { loadCore, pinSelf, proxyCore } from "./harness/process.ts";
import { inRounds, median, report, rounded, roundsAsked } from "./harness/report.ts";
import { runSessions, SteadySessions, sessionsTo, startMailServer } from "./harness/sessions.ts";
import { type ProxyProcess, startProxy } from "./peers/start.ts";

const DECISIONS = 500_000;
const SESSIONS_PER_SECOND = 300;
const PAGES_PER_SECOND = 50;
const WARM_UP_SESSIONS = 8000;
const PARALLEL = 32;

/** As long as nothing happens but polls, in each round. */
const QUIET_MS = 5000;

/** A delta is over sooner than a load, so there are several. */
const DELTAS = 5;

/** Postern waits so long between an answer that it has dealt with and the next question; a second, less a tenth. */
const WAIT_MS = 900;

const PHASES = ["quiet", "load", "delta"] as const;

type Round = Readonly<Record<(typeof PHASES)[number], Figures>>;

type Span = readonly [fromMs: number, toMs: number];

interface Figures {
  readonly seconds: number;
  readonly sessions: number;
  readonly bannerP50Ms: number;
  readonly bannerP99Ms: number;
  readonly bannerMaxMs: number;
  /** By how much sessions began later than they were meant to. */
  readonly lateP99Ms: number;
  readonly pageP99Ms: number;
  readonly pageMaxMs: number;
  readonly cpuMs: number;
}

const agent = new Agent({ keepAlive: true });

function askPage(port: number, answered: () => void): void {
  get({ host: "127.0.0.1", port, path: "/healthz", agent }, (response) => {
    response.once("end", answered).resume();
  });
}

class Bench {
  readonly #lapi: StandInLapi;
  readonly #proxy: ProxyProcess;
  readonly #sessions: SteadySessions;
  readonly #pages: Pace;

  constructor(lapi: StandInLapi, proxy: ProxyProcess) {
    this.#lapi = lapi;
    this.#proxy = proxy;
    this.#sessions = new SteadySessions(proxy.ports[0]!, SESSIONS_PER_SECOND);
    this.#pages = new Pace(PAGES_PER_SECOND, (answered) => askPage(proxy.adminPort, answered));
  }

  async round(): Promise<Round> {
    const quiet = await this.#measure(async () => {
      const from = performance.now();
      await sleep(QUIET_MS);
      return [[from, performance.now()]];
    });
    const load = await this.#measure(async () => [spanOf(await this.#lapi.load())]);
    const delta = await this.#measure(async () => {
      const spans: Span[] = [];
      while (spans.length < DELTAS) spans.push(spanOf(await this.#lapi.change()));
      return spans;
    });
    return { quiet, load, delta };
  }

  stop(): Promise<void> {
    this.#pages.stop();
    return this.#sessions.stop();
  }

  async #measure(work: () => Promise<readonly Span[]>): Promise<Figures> {
    const before = cpuMs(this.#proxy.pid);
    const spans = await work();
    const after = cpuMs(this.#proxy.pid);
    // What began last is to be answered.
    await sleep(WAIT_MS / 2);
    const begun = spans.flatMap((span) => this.#sessions.between(...span));
    const banners = begun.map(({ latencyMs }) => latencyMs);
    const pages = spans.flatMap((span) => this.#pages.between(...span)).map(({ latencyMs }) => latencyMs);
    return {
      seconds: spans.reduce((sum, [from, to]) => sum + to - from, 0) / 1000,
      sessions: banners.length,
      bannerP50Ms: percentile(banners, 50),
      bannerP99Ms: percentile(banners, 99),
      bannerMaxMs: percentile(banners, 100),
      lateP99Ms: percentile(
        begun.map(({ lateMs }) => lateMs),
        99,
      ),
      pageP99Ms: percentile(pages, 99),
      pageMaxMs: percentile(pages, 100),
      cpuMs: after.userMs + after.systemMs - before.userMs - before.systemMs,
    };
  }
}

/** Up to a fifth of a second in which nothing happens any more is in it. */
function spanOf({ askedMs, nextAskedMs }: Update): Span {
  return [askedMs, nextAskedMs - WAIT_MS];
}

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
  await runSessions(sessionsTo(proxy.ports[0]!), WARM_UP_SESSIONS, PARALLEL);
  const bench = new Bench(lapi, proxy);
  const rounds = await inRounds(roundsAsked(5), () => bench.round());
  await bench.stop();
  await proxy.stop();
  agent.destroy();
  lapi.stop();
  backend.close();

  const rows = PHASES.map((phase) => {
    const of = (figure: keyof Figures) => rounds.map((round) => round[phase][figure]);
    const middle = (figure: keyof Figures) => rounded(median(of(figure)));
    const most = (figure: keyof Figures) => rounded(Math.max(...of(figure)));
    return {
      phase,
      seconds: middle("seconds"),
      sessions: middle("sessions"),
      bannerP50Ms: middle("bannerP50Ms"),
      bannerP99Ms: middle("bannerP99Ms"),
      bannerMaxMs: most("bannerMaxMs"),
      lateP99Ms: middle("lateP99Ms"),
      pageP99Ms: middle("pageP99Ms"),
      pageMaxMs: most("pageMaxMs"),
      cpuMs: middle("cpuMs"),
    };
  });
  const results = rows.slice(1).map(({ phase, pageMaxMs }) => {
    const delays = rounds.map((round) => round[phase].bannerP99Ms - round.quiet.bannerP99Ms);
    return { phase, delayMs: rounded(median(delays)), pageMaxMs, delays: delays.map(rounded) };
  });
  console.table(rows);
  report("banload", { decisions: DECISIONS, delta: DELTA, answerMB: rounded(lapi.megabytes), results, rows });
}

await main();

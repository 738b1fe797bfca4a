/**
 * What a second data thread brings: sessions per second at saturation, of postern with one thread and with two.
 *
 *     node bench/threads.ts [ROUNDS]
 *
 * Here nothing is pinned, and load and back end want cores as well: they cost about what the proxy costs, so that two
 * threads have a core each from four cores on. The second figure does not depend on that: the capacity, which is the
 * sessions for each second of the proxy's CPU, times its threads. It falls where threads wait for one another, or for
 * the same memory.
 */
import { availableParallelism } from "node:os";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { cpuMs } from "./harness/proc.ts";
import { inRounds, median, report, rounded, roundsAsked } from "./harness/report.ts";
import { runSessions, sessionsTo, startMailServer } from "./harness/sessions.ts";
import { type ProxyProcess, type Route, startProxy } from "./peers/start.ts";

/** Cores from which on sessions per second can show it: two for the proxy, two for the rest. */
const CORES_NEEDED = 4;

const SESSIONS = 8000;
const WARM_UP_SESSIONS = 8000;

/** For each thread of the load: more than one proxy thread can have in hand. */
const PARALLEL = 64;

const CREWS = ["one", "two"] as const;

/** A load thread says its back end's port, then does one `Task` after the other. */
interface Task {
  readonly port: number;
  readonly sessions: number;
}

interface Figures {
  readonly sessionsPerSecond: number;
  readonly cpuUs: number;
  readonly loadCpuUs: number;
  readonly capacity: number;
}

class Load {
  readonly #workers: readonly Worker[];

  constructor(threads: number) {
    this.#workers = Array.from({ length: threads }, () => new Worker(new URL(import.meta.url)));
  }

  /** The back ends' ports. */
  ports(): Promise<number[]> {
    return Promise.all(this.#workers.map((worker) => answerOf<number>(worker)));
  }

  async run(port: number, sessions: number): Promise<void> {
    const task: Task = { port, sessions: sessions / this.#workers.length };
    await Promise.all(
      this.#workers.map((worker) => {
        worker.postMessage(task);
        return answerOf<null>(worker);
      }),
    );
  }

  async stop(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

function answerOf<Answer>(worker: Worker): Promise<Answer> {
  return new Promise((resolve, reject) => {
    worker.once("error", reject);
    worker.once("message", (answer: Answer) => {
      worker.removeListener("error", reject);
      resolve(answer);
    });
  });
}

async function measure({ pid, ports }: ProxyProcess, threads: number, load: Load): Promise<Figures> {
  const before = cpuMs(pid);
  const loadBefore = process.cpuUsage();
  const began = performance.now();
  await load.run(ports[0]!, SESSIONS);
  const seconds = (performance.now() - began) / 1000;
  const after = cpuMs(pid);
  const own = process.cpuUsage(loadBefore);
  const cpuUs = ((after.userMs + after.systemMs - before.userMs - before.systemMs) * 1000) / SESSIONS;
  return {
    sessionsPerSecond: SESSIONS / seconds,
    cpuUs,
    loadCpuUs: (own.user + own.system) / SESSIONS,
    capacity: (1e6 / cpuUs) * threads,
  };
}

async function main(): Promise<void> {
  const cores = availableParallelism();
  const load = new Load(Math.max(1, cores - 2));
  const routes: readonly Route[] = [{ to: await load.ports(), protocol: "smtp" }];
  const threads = { one: 1, two: 2 };
  const proxies = {
    one: await startProxy("postern", { routes, threads: threads.one, cores: "all" }),
    two: await startProxy("postern", { routes, threads: threads.two, cores: "all" }),
  };
  for (const crew of CREWS) await load.run(proxies[crew].ports[0]!, WARM_UP_SESSIONS);
  const rounds = await inRounds(roundsAsked(7), async () => ({
    one: await measure(proxies.one, threads.one, load),
    two: await measure(proxies.two, threads.two, load),
  }));
  for (const crew of CREWS) await proxies[crew].stop();
  await load.stop();

  const middle = (crew: (typeof CREWS)[number], figure: keyof Figures) =>
    rounded(median(rounds.map((round) => round[crew][figure])));
  const gain = (figure: keyof Figures) =>
    rounded(median(rounds.map(({ one, two }) => two[figure] / one[figure])));
  const rows = CREWS.map((crew) => ({
    threads: threads[crew],
    sessionsPerSecond: middle(crew, "sessionsPerSecond"),
    cpuUs: middle(crew, "cpuUs"),
    loadCpuUs: middle(crew, "loadCpuUs"),
    capacity: middle(crew, "capacity"),
  }));
  console.table(rows);
  if (cores < CORES_NEEDED) console.log(`(${cores} cores: load and proxy compete for them)`);
  report("threads", {
    cores,
    gain: gain("sessionsPerSecond"),
    capacityGain: gain("capacity"),
    rounds: rounds.length,
    rows,
  });
}

async function work(port: NonNullable<typeof parentPort>): Promise<void> {
  port.on("message", async ({ port: proxyPort, sessions }: Task) => {
    await runSessions(sessionsTo(proxyPort), sessions, PARALLEL);
    port.postMessage(null);
  });
  port.postMessage((await startMailServer()).port);
}

if (isMainThread) await main();
else if (parentPort !== null) await work(parentPort);

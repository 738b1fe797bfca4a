/**
 * The load threads as the main thread sees them: it has them begin together, adds up what they tell, and ends them. A
 * thread that dies or falls silent is an error of the harness, and ends the run: `ready` or `over` rejects, in a line.
 */
import type { RecordableHistogram } from "node:perf_hooks";
import { Worker } from "node:worker_threads";
import type { FromWorker, ToWorker, WorkerData } from "./messages.ts";
import type { Plan } from "./plan.ts";
import type { Sample } from "./result.ts";
import { addCounts, newHistogram, noCounts, type Running, Tally } from "./tally.ts";

/** On a busy machine a thread takes seconds to load its code and to draw its clients. */
const START_MS = 60_000;

/** A thread that was told to cut has nothing to wait for. */
const CUT_MS = 10_000;

/** What a load thread has told last. */
interface Member {
  readonly worker: Worker;
  counts: Running | null;
}

export class Crew {
  /** What all threads' sessions came to, once they are `over`. */
  readonly tally = new Tally();
  readonly lateness = newHistogram();
  /** Rejects, as `over` does, with what kept a thread from it. */
  readonly ready: Promise<void>;
  readonly over: Promise<void>;
  cpuUs = 0;
  waitUs = 0;
  /** See `Sample`. */
  tricks: Sample["tricks"] = null;
  readonly #members: readonly Member[];
  #recent = newHistogram();
  #readyCount = 0;
  #overCount = 0;
  #whenReady: () => void = () => {};
  #whenOver: () => void = () => {};
  #fail: (error: Error) => void = () => {};
  #deadline: NodeJS.Timeout;

  constructor(plan: Plan) {
    const failed = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    this.ready = Promise.race([failed, new Promise<void>((resolve) => (this.#whenReady = resolve))]);
    this.over = Promise.race([failed, new Promise<void>((resolve) => (this.#whenOver = resolve))]);
    // Where no thread ever begins, nobody waits for their end.
    this.over.catch(() => {});
    const { threads } = plan;
    this.#members = Array.from({ length: threads }, (_, thread) =>
      this.#launch({ plan, share: { thread, threads } }),
    );
    this.#deadline = this.#expect("be ready", START_MS);
  }

  /** Once they are ready. */
  begin(): void {
    clearTimeout(this.#deadline);
    this.#order("begin");
  }

  /** No session begins any more. */
  stop(): void {
    this.#order("stop");
  }

  /** Ends all that is open. */
  cut(): void {
    this.#order("cut");
    this.#deadline = this.#expect("end", CUT_MS);
  }

  /** Ends the threads, whatever they do. */
  async close(): Promise<void> {
    clearTimeout(this.#deadline);
    await Promise.all(this.#members.map(({ worker }) => worker.terminate()));
  }

  /** What the threads have counted, as they told last. */
  get counts(): Running {
    const sum = noCounts();
    for (const { counts } of this.#members) if (counts !== null) addCounts(sum, counts);
    return sum;
  }

  /** The times of sessions that the threads told of since this was asked last. */
  takeRecent(): RecordableHistogram {
    const recent = this.#recent;
    this.#recent = newHistogram();
    return recent;
  }

  #launch(data: WorkerData): Member {
    const name = `load-${data.share.thread}`;
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: data, name });
    const member: Member = { worker, counts: null };
    worker.on("message", (message: FromWorker) => this.#heard(member, message));
    worker.on("error", (error) => this.#fail(new Error(`load thread ${name} died: ${messageOf(error)}`)));
    worker.on("exit", () => this.#fail(new Error(`load thread ${name} has ended`)));
    return member;
  }

  #heard(member: Member, message: FromWorker): void {
    switch (message.type) {
      case "ready":
        if (++this.#readyCount === this.#members.length) this.#whenReady();
        return;
      case "snapshot":
        member.counts = message.counts;
        this.#recent.add(message.recent);
        // They are played in one thread.
        this.tricks = message.tricks;
        return;
      case "over":
        this.tally.add(message.tally);
        this.lateness.add(message.lateness);
        this.cpuUs += message.cpuUs;
        this.waitUs += message.waitUs;
        if (++this.#overCount === this.#members.length) this.#whenOver();
        return;
      default:
        return message satisfies never;
    }
  }

  #order(order: ToWorker): void {
    for (const { worker } of this.#members) worker.postMessage(order);
  }

  #expect(what: string, withinMs: number): NodeJS.Timeout {
    return setTimeout(() => this.#fail(new Error(`a load thread does not ${what}`)), withinMs);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

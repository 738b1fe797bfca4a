/**
 * The thread that speaks with LAPI, as the control thread sees it: started, replaced when it dies, and asked what it has to
 * tell. What it keeps for all threads to see, the ban list, outlives it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { Networks } from "../address.ts";
import { systemClock } from "../clock.ts";
import type { Configuration } from "../config/options.ts";
import { Shelf } from "../crowdsec/shelf.ts";
import type { Signal } from "../crowdsec/signals.ts";
import type { StreamStatus } from "../crowdsec/stream.ts";
import type { Told } from "../crowdsec/usage.ts";
import { Counters } from "../observe/counters.ts";
import type { Log } from "../observe/log.ts";
import { BanView } from "./banview.ts";
import type { FromLapi, LapiData, ToLapi } from "./messages.ts";
import { counterShape } from "./registry.ts";
import { Restarts } from "./restarts.ts";
import { type SharedMemory, sparedOf } from "./shared.ts";

/** So long it may take to write the last list to its file, and to tell LAPI what is left to tell. */
const STOP_MS = 2000;

/** A start waits for a list that was kept on disk: half a million decisions take a second or two. */
const RESTORE_MS = 10_000;

/** And for LAPI's while another gateway serves: as many come in 5 seconds, on a busy machine in 30. */
const FIRST_ANSWER_MS = 30_000;

/**
 * So much V8 may give to the thread's young objects, which are decisions that are read and forgotten. By itself it lets them
 * grow to 48 MiB before it collects them; with a sixth of that a list is read no more slowly.
 */
const YOUNG_MIB = 8;

interface Parts {
  readonly memory: SharedMemory;
  readonly version: string;
  readonly log: Log;
  /** Whose place it takes; null: there was none. */
  readonly former: Liaison | null;
}

/** What is known by one thread and goes on to hold for those after it. */
interface Known {
  status: StreamStatus;
  told: Told | null;
}

export class Liaison {
  /** For metrics and pages. */
  readonly bans: BanView;
  readonly #data: Omit<LapiData, "told">;
  readonly #log: Log;
  readonly #restarts = new Restarts();
  #worker: Worker | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isStopping = false;
  readonly #known: Known;
  /** The first thread's list from the disk is there, or there is none. */
  readonly #restored = Promise.withResolvers<void>();
  /** LAPI has answered the first time, or has failed to. */
  readonly #answered = Promise.withResolvers<void>();

  /** Null where nobody is banned. */
  static of(configuration: Configuration, { memory, version, log, former }: Parts): Liaison | null {
    const { crowdsec: options } = configuration;
    const { shelf, counters } = memory;
    if (options === null || shelf === null) return null;
    const spared = sparedOf(configuration);
    const shape = counterShape(configuration.threads);
    const unknown = { status: { lastUpdateMs: null, errors: {}, ignored: {} }, told: null };
    const data = { options, version, shelf, counters, shape, spared };
    return new Liaison(data, former === null ? unknown : former.#known, log);
  }

  private constructor(data: Omit<LapiData, "told">, known: Known, log: Log) {
    this.#data = data;
    this.#known = known;
    this.#log = log;
    this.bans = new BanView({
      shelf: new Shelf(data.shelf),
      spared: new Networks(data.spared),
      counters: new Counters(data.counters, data.shape),
      clock: systemClock,
      status: () => known.status,
    });
  }

  /** The gateway is not to be ready before there is a list, and there is none yet. */
  get isAwaited(): boolean {
    return this.#data.options.requireList && !this.bans.isReceived;
  }

  start(): void {
    const startedMs = performance.now();
    const worker = new Worker(new URL("./lapi.ts", import.meta.url), {
      workerData: { ...this.#data, told: this.#known.told } satisfies LapiData,
      name: "lapi",
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
    });
    this.#worker = worker;
    worker.on("message", (message: FromLapi) => this.#hear(message));
    worker.on("error", (error) =>
      this.#log.event("error", "thread-error", { thread: "lapi", error: error.stack ?? error.message }),
    );
    worker.on("exit", () => this.#died(performance.now() - startedMs));
  }

  /** Resolves when a gateway may begin with the list that it has; one that takes another's place is not in a hurry. */
  async settled(isHurried: boolean): Promise<void> {
    const [wanted, timeoutMs] = isHurried ? [this.#restored, RESTORE_MS] : [this.#answered, FIRST_ANSWER_MS];
    await Promise.race([wanted.promise, sleep(timeoutMs, null, { ref: false })]);
  }

  /** LAPI may have told somebody else what was meant for us. */
  doubt(): void {
    this.#worker?.postMessage({ type: "doubt" } satisfies ToLapi);
  }

  /** Hands on what a data thread saw of misbehaving clients. */
  signal(signals: readonly Signal[]): void {
    this.#worker?.postMessage({ type: "signals", signals } satisfies ToLapi);
  }

  /** Resolves when the thread has ended. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const worker = this.#worker;
    if (worker === null) return;
    const ended = new Promise((resolve) => worker.once("exit", resolve));
    worker.postMessage({ type: "stop" } satisfies ToLapi);
    const timer = setTimeout(() => void worker.terminate(), STOP_MS);
    await ended;
    clearTimeout(timer);
  }

  /** For tests: the thread dies in the midst of its work. */
  kill(): void {
    void this.#worker?.terminate();
  }

  #hear(message: FromLapi): void {
    const known = this.#known;
    switch (message.type) {
      case "restored":
        return this.#restored.resolve();
      case "status": {
        // A thread that takes over has a list, and how old it is, from the one before it.
        const lastUpdateMs = message.status.lastUpdateMs ?? known.status.lastUpdateMs;
        known.status = { ...message.status, lastUpdateMs };
        return this.#answered.resolve();
      }
      case "told":
        known.told = message.told;
        return;
      case "event":
        return this.#log.event(message.level, message.event, message.fields);
      default:
        return message satisfies never;
    }
  }

  #died(lastedMs: number): void {
    this.#worker = null;
    this.#restored.resolve();
    this.#answered.resolve();
    if (this.#isStopping) return;
    const delayMs = this.#restarts.delayMs(lastedMs);
    this.#log.event("error", "thread-died", { thread: "lapi", replacedInMs: delayMs });
    this.#timer = setTimeout(() => this.start(), delayMs);
  }
}

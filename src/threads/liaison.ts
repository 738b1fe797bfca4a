/**
 * The thread that speaks with LAPI, as the control thread sees it: started, replaced when it dies, and asked what it has to
 * tell. What it keeps for all threads to see, the ban list, outlives it.
 */
import { Worker } from "node:worker_threads";
import { Networks } from "../address.ts";
import { systemClock } from "../clock.ts";
import type { Configuration } from "../config/options.ts";
import { Shelf } from "../crowdsec/shelf.ts";
import type { Signal } from "../crowdsec/signals.ts";
import type { StreamStatus } from "../crowdsec/stream.ts";
import { Counters } from "../observe/counters.ts";
import type { Log } from "../observe/log.ts";
import { BanView } from "./banview.ts";
import type { FromLapi, LapiData, ToLapi } from "./messages.ts";
import { counterShape } from "./registry.ts";
import { Restarts } from "./restarts.ts";
import { type SharedMemory, sparedOf } from "./shared.ts";

/** So long it may take to write the last list to its file, and to say goodbye. */
const STOP_MS = 2000;

/**
 * So much V8 may give to the thread's young objects, which are decisions that are read and forgotten. By itself it lets them
 * grow to 48 MiB before it collects them; with a sixth of that a list is read no more slowly.
 */
const YOUNG_MIB = 8;

interface Parts {
  readonly memory: SharedMemory;
  readonly version: string;
  readonly log: Log;
}

export class Liaison {
  /** For metrics and pages. */
  readonly bans: BanView;
  readonly #data: LapiData;
  readonly #log: Log;
  readonly #restarts = new Restarts();
  #worker: Worker | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isStopping = false;
  /** Of a thread that has died, until the next has something to tell. */
  #status: StreamStatus = { lastUpdateMs: null, errors: {}, ignored: {} };

  /** Null where nobody is banned. */
  static of(configuration: Configuration, { memory, version, log }: Parts): Liaison | null {
    const { crowdsec: options } = configuration;
    const { shelf, counters } = memory;
    if (options === null || shelf === null) return null;
    const spared = sparedOf(configuration);
    const shape = counterShape(configuration.threads);
    return new Liaison({ options, version, shelf, counters, shape, spared }, log);
  }

  private constructor(data: LapiData, log: Log) {
    this.#data = data;
    this.#log = log;
    this.bans = new BanView({
      shelf: new Shelf(data.shelf),
      spared: new Networks(data.spared),
      counters: new Counters(data.counters, data.shape),
      clock: systemClock,
      status: () => this.#status,
    });
  }

  /** The gateway is not to be ready before there is a list, and there is none yet. */
  get isAwaited(): boolean {
    return this.#data.options.requireList && !this.bans.isReceived;
  }

  start(): void {
    const log = this.#log;
    const startedMs = performance.now();
    const worker = new Worker(new URL("./lapi.ts", import.meta.url), {
      workerData: this.#data,
      name: "lapi",
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
    });
    this.#worker = worker;
    worker.on("message", (message: FromLapi) => {
      switch (message.type) {
        case "status": {
          // A thread that takes over has a list, and how old it is, from the one before it.
          const lastUpdateMs = message.status.lastUpdateMs ?? this.#status.lastUpdateMs;
          this.#status = { ...message.status, lastUpdateMs };
          return;
        }
        case "event":
          return log.event(message.level, message.event, message.fields);
        default:
          return message satisfies never;
      }
    });
    worker.on("error", (error) =>
      log.event("error", "thread-error", { thread: "lapi", error: error.stack ?? error.message }),
    );
    worker.on("exit", () => this.#died(performance.now() - startedMs));
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

  #died(lastedMs: number): void {
    this.#worker = null;
    if (this.#isStopping) return;
    const delayMs = this.#restarts.delayMs(lastedMs);
    this.#log.event("error", "thread-died", { thread: "lapi", replacedInMs: delayMs });
    this.#timer = setTimeout(() => this.start(), delayMs);
  }
}

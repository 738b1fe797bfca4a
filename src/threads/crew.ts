/**
 * The data threads as the control thread sees them: it starts them, passes on what they say, and replaces one that dies.
 *
 * The first thread binds all addresses before any other starts, so that an address that cannot be had is known at once,
 * and the others join it on the ports that it got.
 */
import { Worker } from "node:worker_threads";
import type { Configuration } from "../config/options.ts";
import type { Signal } from "../crowdsec/signals.ts";
import { Batch } from "../observe/batch.ts";
import type { Log } from "../observe/log.ts";
import type { StockSink } from "../observe/stocksink.ts";
import type { TlsMaterial } from "../tls/keeper.ts";
import type { Endpoints, ThreadData, ToControl, ToData } from "./messages.ts";
import { Restarts } from "./restarts.ts";
import type { SharedMemory } from "./shared.ts";

/** What a dead thread held cannot be given back yet, or the gateway has not started yet: asked again after this long. */
const RECLAIM_MS = 100;

export interface CrewOptions {
  readonly configuration: Configuration;
  readonly memory: SharedMemory;
  readonly log: Log;
  /** Null: the threads write none of its lines. */
  readonly stock: StockSink | null;
  /** What TLS with clients begins with; null: none does. */
  readonly tls: TlsMaterial | null;
  /** Takes what a thread saw of misbehaving clients. */
  signal(signals: readonly Signal[]): void;
  /** Gives back what a dead thread held; false while it cannot be done yet. */
  reclaim(thread: number): boolean;
}

interface Member {
  readonly worker: Worker;
  readonly thread: number;
  readonly startedMs: number;
  isListening: boolean;
  isDrained: boolean;
}

/**
 * So much V8 may give to a data thread's young objects. By itself it lets them grow to 48 MiB before it collects the dead
 * among them: 2 KiB for each of 9,000 idle sessions. With a sixth of that a session costs no more CPU.
 */
const YOUNG_MIB = 8;

/**
 * - `starting`: a thread that dies before it listens is a failure to start; one that dies later is replaced later.
 * - `running`: a thread that dies is replaced.
 * - `draining`: a thread that dies has drained.
 */
type State = "starting" | "running" | "draining";

export class Crew {
  readonly #options: CrewOptions;
  readonly #members: (Member | null)[];
  readonly #restarts: readonly Restarts[];
  #state: State = "starting";
  #endpoints: Endpoints;
  /** What a thread that starts now is born with. */
  #tls: TlsMaterial | null;
  #wire = "";
  #whenDrained: (() => void) | null = null;

  constructor(options: CrewOptions) {
    const { threads, listeners } = options.configuration;
    this.#options = options;
    this.#tls = options.tls;
    this.#endpoints = listeners.map((listener) => listener.listen);
    this.#members = Array.from({ length: threads }, () => null);
    this.#restarts = Array.from({ length: threads }, () => new Restarts());
  }

  /** What is listened on, with real ports. */
  get endpoints(): Endpoints {
    return this.#endpoints;
  }

  /** Which way the bytes go: see `wire/`. */
  get wire(): string {
    return this.#wire;
  }

  /** @throws Error that says which address could not be bound, and why; then no thread is left. */
  async start(): Promise<void> {
    try {
      this.#endpoints = await this.#launch(0);
      const others = [...this.#members.keys()].slice(1);
      await Promise.all(others.map((thread) => this.#launch(thread)));
      this.#state = "running";
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Handshakes from now on are made with these, in all threads, and in those to come. */
  equip(material: TlsMaterial): void {
    this.#tls = material;
    this.#tell({ type: "tls", material });
  }

  /** Ends every session that has not ended by itself within `drainMs`; resolves when none is left. */
  drain(drainMs: number): Promise<void> {
    this.#state = "draining";
    this.#tell({ type: "drain" });
    const timer = setTimeout(() => this.#tell({ type: "cut" }), drainMs);
    return new Promise((resolve) => {
      this.#whenDrained = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#checkDrained();
    });
  }

  async stop(): Promise<void> {
    this.#state = "draining";
    await Promise.all(this.#members.map((member) => member?.worker.terminate()));
  }

  /** For tests: a thread dies in the midst of its work. */
  kill(thread: number): void {
    void this.#members[thread]?.worker.terminate();
  }

  #tell(message: ToData): void {
    for (const member of this.#members) member?.worker.postMessage(message);
  }

  /** Starts a thread; resolves with what it listens on. */
  #launch(thread: number): Promise<Endpoints> {
    const { configuration, memory, log, stock, signal } = this.#options;
    const backlog = Batch.backlog();
    const workerData: ThreadData = { configuration, thread, memory, tls: this.#tls, backlog };
    const worker = new Worker(new URL("./data.ts", import.meta.url), {
      workerData,
      name: `data-${thread}`,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
    });
    const member: Member = {
      worker,
      thread,
      startedMs: performance.now(),
      isListening: false,
      isDrained: false,
    };
    this.#members[thread] = member;
    return new Promise((resolve, reject) => {
      worker.on("message", (message: ToControl) => {
        switch (message.type) {
          case "listening":
            this.#wire = message.wire;
            member.isListening = true;
            return resolve(message.endpoints);
          case "unbound":
            return reject(new Error(`listeners.${message.listener}.listen: ${message.message}`));
          case "log":
            return log.batch(message.lines, backlog);
          case "stock":
            Batch.taken(message.lines, backlog);
            return stock?.write(message.lines);
          case "signals":
            return signal(message.signals);
          case "drained":
            member.isDrained = true;
            return this.#checkDrained();
          default:
            return message satisfies never;
        }
      });
      worker.on("error", (error) => log.event("error", "thread-error", { thread, error: describe(error) }));
      worker.on("exit", () => {
        reject(new Error(`data thread ${thread} ended while it started`));
        this.#died(member);
      });
      worker.postMessage({ type: "listen", endpoints: this.#endpoints } satisfies ToData);
    });
  }

  #died(member: Member): void {
    const { thread } = member;
    this.#members[thread] = null;
    if (this.#state === "draining") return this.#checkDrained();
    if (this.#state === "starting" && !member.isListening) return;
    const delayMs = this.#restarts[thread]!.delayMs(performance.now() - member.startedMs);
    this.#options.log.event("error", "thread-died", { thread, replacedInMs: delayMs });
    setTimeout(() => this.#replace(thread), delayMs);
  }

  #replace(thread: number): void {
    if (this.#state === "draining") return;
    if (this.#state === "starting" || !this.#options.reclaim(thread)) {
      setTimeout(() => this.#replace(thread), RECLAIM_MS);
      return;
    }
    this.#launch(thread).catch((error) => {
      this.#options.log.event("error", "thread-start", { thread, error: describe(error) });
      this.kill(thread);
    });
  }

  #checkDrained(): void {
    if (this.#members.every((member) => member === null || member.isDrained)) this.#whenDrained?.();
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

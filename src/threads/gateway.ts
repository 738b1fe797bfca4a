/**
 * The running gateway, as its control thread: memory, log, admin address and data threads, started in this order and
 * ended in the opposite one. It carries no mail: a busy or blocked control thread holds no session up.
 */
import { type Address, endpointText } from "../address.ts";
import { systemClock } from "../clock.ts";
import type { Configuration } from "../config/options.ts";
import { CONTROL, Table } from "../limits/table.ts";
import { Total } from "../limits/total.ts";
import { type Admin, openAdmin, type Readiness } from "../observe/admin.ts";
import { Counters } from "../observe/counters.ts";
import type { Prospect } from "../observe/explain.ts";
import { type Log, openLog } from "../observe/log.ts";
import { Metrics, type ServerState } from "../observe/metrics.ts";
import { openStock, type StockSink } from "../observe/stocksink.ts";
import { Pool } from "../pools/pool.ts";
import { Keeper } from "../tls/keeper.ts";
import { clientSource } from "./clients.ts";
import { Crew } from "./crew.ts";
import { Liaison } from "./liaison.ts";
import { connectionsThatFit, watchOpenFiles } from "./openfiles.ts";
import { prospects } from "./prospects.ts";
import { allocate, bansOf, counterShape, scopesOf } from "./shared.ts";

/**
 * - `starting`: not all listeners accept yet.
 * - `ready`: they do.
 * - `draining`: nobody is accepted any more.
 */
type State = "starting" | "ready" | "draining";

/** Few certificates are in such a hurry, and a look costs two system calls for each. */
const CERTIFICATES_LOOK_MS = 10_000;

export class Gateway {
  readonly #configuration: Configuration;
  readonly #log: Log;
  /** Null: nobody wants its lines. */
  readonly #stock: StockSink | null;
  readonly #pools: readonly Pool[];
  readonly #crew: Crew;
  readonly #metrics: Metrics;
  readonly #table: Table;
  readonly #prospects: (client: Address) => Prospect[];
  /** Null: nobody is banned. */
  readonly #liaison: Liaison | null;
  /** Null where there is no certificate. */
  readonly #keeper: Keeper | null;
  #admin: Admin | null = null;
  #timers: readonly NodeJS.Timeout[] = [];
  #state: State = "starting";

  /** Starts the gateway; resolves when every listener accepts. @throws Error that says what could not be had, and why. */
  static async start(asked: Configuration, version: string): Promise<Gateway> {
    const keeper = asked.tls.certificates.length === 0 ? null : new Keeper(asked.tls, systemClock.seconds());
    const log = openLog(asked.log);
    const stock = asked.log.stockLines && openStock(asked.log.stockLines, log);
    const gateway = new Gateway(capped(asked, log), { log, stock, keeper, version });
    try {
      await gateway.#open();
    } catch (error) {
      await gateway.#close();
      throw error;
    }
    return gateway;
  }

  private constructor(configuration: Configuration, { log, stock, keeper, version }: Parts) {
    const memory = allocate(configuration);
    const counters = new Counters(memory.counters, counterShape(configuration));
    this.#configuration = configuration;
    this.#log = log;
    this.#stock = stock;
    this.#keeper = keeper;
    this.#pools = configuration.pools.map(
      (options, index) => new Pool(options, memory.pools[index]!, CONTROL),
    );
    this.#table = new Table(memory.table, CONTROL);
    this.#prospects = prospects(configuration, {
      table: this.#table,
      total: memory.total,
      pools: this.#pools,
      bans: bansOf(configuration, memory),
      clock: systemClock,
    });
    this.#liaison = Liaison.of(configuration, { memory, version, log });
    this.#crew = new Crew({
      configuration,
      memory,
      log,
      stock,
      tls: keeper?.material ?? null,
      signal: (signals) => this.#liaison?.signal(signals),
      reclaim: (thread) => {
        if (!this.#table.reclaim(thread)) return false;
        Total.reclaim(memory.total, thread);
        for (const pool of this.#pools) pool.reclaim(thread);
        const sessions = counters.threadDied(thread);
        log.event("error", "thread-reclaimed", { thread, sessions });
        return true;
      },
    });
    this.#metrics = new Metrics({
      version,
      listeners: configuration.listeners.map(({ name }) => name),
      pools: configuration.pools.map(({ name }) => name),
      counters,
      clients: this.#clients(),
      servers: () => this.#servers(),
      bans: this.#liaison?.bans ?? null,
      linesDropped: () => log.linesDropped + (stock?.linesDropped ?? 0),
      topClients: configuration.admin.topClients,
    });
  }

  /** The bound addresses by listener, as in the `ready` line. */
  get listeners(): Readonly<Record<string, readonly string[]>> {
    const names = this.#configuration.listeners.map(({ name }) => name);
    return Object.fromEntries(
      names.map((name, index) => [name, this.#crew.endpoints[index]!.map(endpointText)]),
    );
  }

  get admin(): string {
    return this.#admin === null ? "" : endpointText(this.#admin.endpoint);
  }

  get crew(): Crew {
    return this.#crew;
  }

  /** Null: nobody is banned. */
  get liaison(): Liaison | null {
    return this.#liaison;
  }

  /** Accepts nobody any more, lets the sessions end within the configured time, then ends. */
  async drain(): Promise<void> {
    this.#state = "draining";
    this.#log.event("info", "draining");
    await this.#crew.drain(this.#configuration.drainMs);
    this.#log.event("info", "drained");
    await this.#close();
  }

  /** What a signal asks for: opens the log's files anew, after somebody has renamed them, and looks at the certificates'. */
  refresh(): void {
    this.#log.reopen();
    this.#stock?.reopen();
    this.#log.event("info", "reopened");
    this.#lookAtCertificates();
  }

  async #open(): Promise<void> {
    const { admin } = this.#configuration;
    this.#admin = await openAdmin(admin, {
      metrics: this.#metrics,
      clients: this.#clients(),
      bans: this.#liaison?.bans ?? null,
      prospects: this.#prospects,
      log: this.#log,
      state: () => this.#readiness(),
    });
    this.#liaison?.start();
    await this.#crew.start();
    this.#timers = [
      watchOpenFiles(this.#log),
      setInterval(() => this.#lookAtCertificates(), CERTIFICATES_LOOK_MS).unref(),
    ];
    this.#state = "ready";
    const { listeners, crew } = this;
    this.#log.event("info", "ready", { listeners, admin: this.admin, wire: crew.wire });
  }

  async #close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#crew.stop();
    await this.#liaison?.stop();
    await this.#admin?.close();
    await this.#stock?.close();
    await this.#log.close();
  }

  #lookAtCertificates(): void {
    const keeper = this.#keeper;
    if (keeper === null) return;
    const news = keeper.look(systemClock.seconds());
    switch (news.kind) {
      case "same":
        return;
      case "failed":
        return this.#log.event("error", "tls-reload-failed", { file: news.file, reason: news.reason });
      case "reloaded":
        this.#log.event("info", "tls-reloaded", { certificates: news.certificates });
        break;
      case "rotated":
        break;
      default:
        return news satisfies never;
    }
    this.#crew.equip(keeper.material);
  }

  #readiness(): Readiness {
    if (this.#state !== "ready") return { ready: false, reason: this.#state };
    const now = systemClock.seconds();
    if (this.#liaison?.isAwaited === true) return { ready: false, reason: "there is no ban list yet" };
    const down = this.#pools.find((pool) => pool.isDown(now));
    if (down === undefined) return { ready: true, reason: null };
    return { ready: false, reason: `pool ${down.options.name} has no server` };
  }

  *#servers(): Generator<ServerState> {
    const now = systemClock.seconds();
    for (const pool of this.#pools) {
      for (const server of pool.servers) {
        yield {
          pool: pool.options.name,
          server: server.name,
          isUp: pool.isUp(server, now),
          sessions: pool.sessionsOn(server),
        };
      }
    }
  }

  #clients() {
    return clientSource(this.#table, scopesOf(this.#configuration), systemClock);
  }
}

interface Parts {
  readonly log: Log;
  readonly stock: StockSink | null;
  readonly keeper: Keeper | null;
  readonly version: string;
}

/** The configuration with no more connections than there can be open files for. */
function capped(configuration: Configuration, log: Log): Configuration {
  const { maxConnections, threads } = configuration;
  const fit = connectionsThatFit(threads);
  if (fit === null || fit >= maxConnections) return configuration;
  log.event("warn", "open-files", {
    detail: `the limit of open files holds ${fit} connections, not ${maxConnections}: raise it (ulimit -n), or lower maxConnections`,
    maxConnections: fit,
  });
  return { ...configuration, maxConnections: fit };
}

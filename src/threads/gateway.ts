/**
 * The running gateway, as its control thread: memory, log, admin address and data threads, started in this order and
 * ended in the opposite one. It carries no mail: a busy or blocked control thread holds no session up.
 *
 * Another configuration comes into force in two steps: all that can fail is done beside what is in force, down to the data
 * threads' sockets; then everything changes over at once.
 */
import { isDeepStrictEqual } from "node:util";
import { endpointText } from "../address.ts";
import { systemClock } from "../clock.ts";
import type { Configuration } from "../config/options.ts";
import { CONTROL, Table } from "../limits/table.ts";
import { Total } from "../limits/total.ts";
import { type Admin, type AdminSources, openAdmin, type Readiness } from "../observe/admin.ts";
import { Counters } from "../observe/counters.ts";
import type { Log } from "../observe/log.ts";
import { ProcessMetrics } from "../observe/metrics.ts";
import { Keeper } from "../tls/keeper.ts";
import { bequeath, type Inherited } from "../wire/bequest.ts";
import { Crew } from "./crew.ts";
import { Liaison } from "./liaison.ts";
import { watchOpenFiles } from "./openfiles.ts";
import { Outputs } from "./outputs.ts";
import { counterShape, Registry } from "./registry.ts";
import { type Applied, type Origin, type Reloaded, Reloads } from "./reloads.ts";
import type { Servers } from "./servers.ts";
import { asksOtherwise, capped, lasting } from "./settings.ts";
import { allocate, extended, type SharedMemory } from "./shared.ts";
import { awaitAdmin, inheritance, type Predecessor, succeed } from "./succession.ts";
import { View } from "./view.ts";

/**
 * - `starting`: not all listeners accept yet.
 * - `ready`: they do.
 * - `draining`: nobody is accepted any more.
 */
type State = "starting" | "ready" | "draining";

/** Few certificates are in such a hurry, and a look costs two system calls for each. */
const CERTIFICATES_LOOK_MS = 10_000;

export class Gateway {
  readonly #version: string;
  readonly #outputs: Outputs;
  readonly #log: Log;
  readonly #table: Table;
  readonly #counters: Counters;
  readonly #crew: Crew;
  readonly #registry = new Registry();
  /** Null: nobody came before it, nobody will come after it, and nobody can end it from outside. */
  readonly #terms: ServeTerms | null;
  readonly #process = new ProcessMetrics();
  /** Null where there is no file to read again. */
  readonly #reloads: Reloads | null;
  /** What is in force, from here on. */
  #configuration: Configuration;
  #memory: SharedMemory;
  #view: View;
  /** Null: nobody is banned. */
  #liaison: Liaison | null;
  /** Null where there is no certificate. */
  #keeper: Keeper | null;
  #admin: Admin | null = null;
  #timers: readonly NodeJS.Timeout[] = [];
  #state: State = "starting";
  /** The last change to another configuration; nothing is drained in the midst of it. */
  #changing: Promise<unknown> = Promise.resolve();

  /** Starts the gateway; resolves when every listener accepts. @throws Error that says what could not be had, and why. */
  static async start(
    asked: Configuration,
    version: string,
    terms: ServeTerms | null = null,
  ): Promise<Gateway> {
    const keeper = keeperOf(asked, null);
    const outputs = new Outputs(asked.log);
    const gateway = new Gateway(capped(asked, outputs.log), { outputs, keeper, version, terms });
    try {
      await gateway.#open();
    } catch (error) {
      await gateway.#close();
      throw error;
    }
    return gateway;
  }

  private constructor(configuration: Configuration, { outputs, keeper, version, terms }: Parts) {
    const { log } = outputs;
    const memory = allocate(configuration);
    const places = this.#registry.admit(configuration);
    this.#version = version;
    this.#configuration = configuration;
    this.#memory = memory;
    this.#outputs = outputs;
    this.#log = log;
    this.#keeper = keeper;
    this.#table = new Table(memory.table, CONTROL);
    this.#counters = new Counters(memory.counters, counterShape(configuration.threads));
    this.#liaison = Liaison.of(configuration, { memory, version, log, former: null });
    this.#view = this.#makeView(null);
    this.#crew = new Crew({
      draft: { configuration, places, memory, tls: keeper?.material ?? null },
      log,
      stock: (lines) => outputs.stock(lines),
      signal: (signals) => this.#liaison?.signal(signals),
      reclaim: (thread) => this.#reclaim(thread),
    });
    this.#terms = terms;
    const origin = terms?.origin ?? null;
    const apply = (wanted: Configuration) => {
      const change = this.#apply(wanted);
      this.#changing = change;
      return change;
    };
    this.#reloads = origin && new Reloads({ origin, log, apply });
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
    await this.#changing.catch(() => {});
    // Whoever takes our place may have our key, and LAPI tells each news to one of us.
    const silent = this.#liaison?.stop();
    this.#view.servers.retire();
    await this.#crew.drain(this.#configuration.drainMs);
    await silent;
    this.#log.event("info", "drained");
    await this.#close();
  }

  /**
   * What a signal asks for: opens the log's files anew, after somebody has renamed them, looks at the certificates', and
   * reads the configuration again.
   */
  async refresh(): Promise<void> {
    this.#outputs.reopen();
    this.#lookAtCertificates();
    if (this.#reloads !== null) await this.reload();
  }

  /** Reads the configuration again, and brings it into force as far as that can be done in a running process. */
  async reload(): Promise<Reloaded> {
    if (this.#reloads === null) return { ok: false, errors: ["there is no file that could be read again"] };
    return this.#reloads.ask();
  }

  async #open(): Promise<void> {
    const open = () => openAdmin(this.#configuration.admin, this.#adminSources());
    const predecessor = await this.#openAdmin(open);
    const [sockets, wishes] = await Promise.all([inheritance(predecessor, this.#log), predecessor?.wishes()]);
    const inherited = this.#ours(sockets);
    this.#liaison?.start();
    await this.#liaison?.settled(predecessor === null);
    this.#view.servers.adopt(wishes ?? []);
    this.#view.servers.start(null);
    await this.#crew.start(inherited);
    this.#timers = [
      watchOpenFiles(this.#log),
      setInterval(() => this.#lookAtCertificates(), CERTIFICATES_LOOK_MS).unref(),
    ];
    this.#state = "ready";
    if (predecessor !== null) {
      const terms = { open, log: this.#log, sockets: inherited.length };
      const opened = (admin: Admin) => {
        this.#admin = admin;
        // The other had our key, and asked LAPI until now.
        this.#liaison?.doubt();
      };
      const admin = await succeed(predecessor, terms);
      if (admin === null) this.#timers = [...this.#timers, awaitAdmin(terms, opened)];
      else opened(admin);
    }
    const { listeners, crew } = this;
    this.#log.event("info", "ready", { listeners, admin: this.admin, wire: crew.wire });
  }

  /** Gives who has the address, when that is a gateway whose place is to be taken. @throws Error for anybody else. */
  async #openAdmin(open: () => Promise<Admin>): Promise<Predecessor | null> {
    try {
      this.#admin = await open();
      return null;
    } catch (error) {
      const isTaken = error instanceof Error && error.cause === "EADDRINUSE";
      const predecessor = isTaken ? await this.#terms?.findPredecessor() : null;
      if (predecessor == null) throw error;
      return predecessor;
    }
  }

  /** Those that are listened on. A client would wait in the others in vain, so they are closed. */
  #ours(inherited: readonly Inherited[]): readonly Inherited[] {
    const wanted = this.#crew.endpoints.flat().map(endpointText);
    return inherited.filter((socket) => {
      const address = endpointText(socket.endpoint);
      const isOurs = wanted.includes(address);
      if (!isOurs) this.#log.event("warn", "not-listened-on", { address });
      if (!isOurs) socket.close();
      return isOurs;
    });
  }

  async #close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#view.servers.end();
    await this.#crew.stop();
    await this.#liaison?.stop();
    await this.#admin?.close();
    await this.#outputs.close();
  }

  /** @throws Error that says why it cannot come into force; then nothing has changed. */
  async #apply(wanted: Configuration): Promise<Applied> {
    if (this.#state !== "ready") throw new Error(`the gateway is ${this.#state}`);
    const before = this.#configuration;
    const now = capped(lasting(before, wanted), this.#log);
    const asked = { ...wanted, maxConnections: now.maxConnections };
    const keeper = isDeepStrictEqual(now.tls, before.tls) ? this.#keeper : keeperOf(now, this.#keeper);
    const places = this.#registry.admit(now);
    const memory = extended(this.#memory, before, now);
    this.#outputs.prepare(now.log);
    try {
      await this.#crew.prepare({ configuration: now, places, memory, tls: keeper?.material ?? null });
    } catch (error) {
      this.#outputs.abort();
      throw error;
    }
    this.#outputs.commit();
    this.#configuration = now;
    this.#memory = memory;
    this.#keeper = keeper;
    const former = this.#liaison;
    if (asksOtherwise(now, before)) this.#liaison = this.#makeLiaison();
    const { servers } = this.#view;
    this.#view = this.#makeView(servers);
    await this.#crew.commit(keeper?.material ?? null);
    servers.stop();
    this.#view.servers.start(servers);
    if (this.#liaison !== former) {
      // One thread at a time makes lists.
      await former?.stop();
      this.#liaison?.start();
    }
    return { before, asked, now };
  }

  #makeLiaison(): Liaison | null {
    const parts = { memory: this.#memory, version: this.#version, log: this.#log, former: this.#liaison };
    return Liaison.of(this.#configuration, parts);
  }

  /** `former`: what was found of servers that stay goes on. */
  #makeView(former: Servers | null): View {
    return new View({
      configuration: this.#configuration,
      places: this.#registry,
      memory: this.#memory,
      table: this.#table,
      counters: this.#counters,
      bans: this.#liaison?.bans ?? null,
      process: this.#process,
      former,
      log: this.#log,
      version: this.#version,
      linesDropped: () => this.#outputs.linesDropped,
    });
  }

  /** Each page is of the configuration that is in force when it is asked for. */
  #adminSources(): AdminSources {
    const view = () => this.#view;
    return {
      get metrics() {
        return view().metrics;
      },
      get clients() {
        return view().clients;
      },
      get bans() {
        return view().bans;
      },
      get servers() {
        return view().servers;
      },
      prospects: (client) => view().prospects(client),
      log: this.#log,
      state: (judgesPools) => this.#readiness(judgesPools),
      reload: () => this.reload(),
      process: { pid: process.pid, version: this.#version },
      bequeath: async () => {
        // A socket that is closed meanwhile leaves its number to another.
        await this.#changing.catch(() => {});
        return bequeath(this.#crew.descriptors);
      },
      drain: () => this.#terms?.end(),
    };
  }

  /** Gives back what a thread held that has ended; false while that cannot be done. */
  #reclaim(thread: number): boolean {
    if (!this.#table.reclaim(thread)) return false;
    Total.reclaim(this.#memory.total, thread);
    this.#view.reclaim(thread);
    const sessions = this.#counters.threadDied(thread);
    this.#log.event("error", "thread-reclaimed", { thread, sessions });
    return true;
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

  #readiness(judgesPools: boolean): Readiness {
    if (this.#state !== "ready") return { ready: false, reason: this.#state };
    if (this.#liaison?.isAwaited === true) return { ready: false, reason: "there is no ban list yet" };
    const { poolDown } = this.#view;
    if (poolDown === null || !judgesPools) return { ready: true, reason: null };
    return { ready: false, reason: `pool ${poolDown} has no server` };
  }
}

interface Parts {
  readonly outputs: Outputs;
  readonly keeper: Keeper | null;
  readonly version: string;
  readonly terms: ServeTerms | null;
}

/** What a gateway has around it that runs for long. */
export interface ServeTerms {
  /** Null where there is no file to read again. */
  readonly origin: Origin | null;
  /** The gateway that has our admin address, if it is one. */
  findPredecessor(): Promise<Predecessor | null>;
  /** What SIGTERM does. */
  end(): void;
}

/** Null where no certificate is named. @throws Error that says which file will not serve, and why. */
function keeperOf({ tls }: Configuration, before: Keeper | null): Keeper | null {
  return tls.certificates.length === 0 ? null : new Keeper(tls, systemClock.seconds(), before);
}

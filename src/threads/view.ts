/**
 * One configuration as the control thread sees it: its pools, and what metrics and pages show while it is in force. It
 * counts nothing; all that it shows stands in memory which outlives it.
 */
import type { Address } from "../address.ts";
import { systemClock, systemTimers } from "../clock.ts";
import type { Configuration } from "../config/options.ts";
import { CONTROL, type Table } from "../limits/table.ts";
import type { ClientSource } from "../observe/clients.ts";
import type { Counters } from "../observe/counters.ts";
import type { Prospect } from "../observe/explain.ts";
import type { EventLog } from "../observe/logger.ts";
import { Metrics, type ProcessMetrics } from "../observe/metrics.ts";
import { Pool } from "../pools/pool.ts";
import { chooseWire } from "../wire/choose.ts";
import type { BanView } from "./banview.ts";
import { clientSource } from "./clients.ts";
import { prospects } from "./prospects.ts";
import type { Places } from "./registry.ts";
import { Servers } from "./servers.ts";
import { bansOf, type SharedMemory } from "./shared.ts";

export interface ViewTerms {
  readonly configuration: Configuration;
  readonly places: Places;
  readonly memory: SharedMemory;
  readonly table: Table;
  readonly counters: Counters;
  /** Null: nobody is banned. */
  readonly bans: BanView | null;
  readonly process: ProcessMetrics;
  /** Of the configuration before. */
  readonly former: Servers | null;
  readonly log: EventLog;
  readonly version: string;
  linesDropped(): number;
}

export class View {
  readonly clients: ClientSource;
  readonly bans: BanView | null;
  readonly metrics: Metrics;
  readonly servers: Servers;
  readonly prospects: (client: Address) => Prospect[];
  readonly #pools: readonly Pool[];

  constructor(terms: ViewTerms) {
    const { configuration, places, memory, table, counters, bans } = terms;
    const clock = systemClock;
    this.#pools = configuration.pools.map(
      (options, index) => new Pool(options, memory.pools[index]!, CONTROL),
    );
    this.clients = clientSource(table, places.scopes, clock);
    this.bans = bans;
    this.prospects = prospects(configuration, {
      table,
      total: memory.total,
      places,
      pools: this.#pools,
      bans: bansOf(configuration, memory),
      clock,
    });
    this.servers = new Servers({
      configuration,
      pools: this.#pools,
      former: terms.former,
      wire: chooseWire(process.env),
      log: terms.log,
      clock,
      timers: systemTimers,
    });
    this.metrics = new Metrics(
      {
        version: terms.version,
        listeners: numbersOf(configuration.listeners, places.listeners),
        pools: numbersOf(configuration.pools, places.pools),
        counters,
        clients: this.clients,
        servers: this.servers,
        parked: (name) => this.#pools.find(({ options }) => options.name === name)?.queue?.size ?? 0,
        bans,
        linesDropped: terms.linesDropped,
        topClients: configuration.admin.topClients,
      },
      terms.process,
    );
  }

  /** The first pool without a server that is up; null: each has one. */
  get poolDown(): string | null {
    const now = systemClock.seconds();
    return this.#pools.find((pool) => pool.isDown(now))?.options.name ?? null;
  }

  /** Gives back what a thread that has ended held of the servers. */
  reclaim(thread: number): void {
    for (const pool of this.#pools) pool.reclaim(thread);
  }
}

/** Of all that was ever named, what this configuration names. */
function numbersOf(
  named: readonly { readonly name: string }[],
  numbers: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  return new Map(named.map(({ name }) => [name, numbers.get(name)!]));
}

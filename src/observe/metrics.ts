/**
 * Everything that `GET /metrics` shows: the table of postern's metrics, and Node's own beside them.
 *
 * It counts nothing itself: each metric says where its values stand. The names and labels are a contract with users'
 * dashboards. No label takes a value that a client could choose freely: clients are the busiest few, all others are one.
 *
 * A series whose label values are known beforehand is there from the start with 0: Prometheus's `increase()` does not see
 * the first event of a series that begins with it. Only a dry run's reasons appear when they are first met, as most
 * listeners have no dry run at all.
 */
import { collectDefaultMetrics, Registry } from "prom-client";
import { outcomes, parkOutcomes, reasons } from "../outcome.ts";
import { type BanFigures, banMetrics } from "./banmetrics.ts";
import {
  type ClientEntry,
  type ClientSource,
  type ClientTotals,
  isPrefix,
  type Ranking,
  rank,
} from "./clients.ts";
import { type Counters, connectSecondsBounds, type Distribution, sessionSecondsBounds } from "./counters.ts";
import { histogram, type Sample, Series, type SeriesOptions } from "./series.ts";
import { type ServerState, serverMetrics } from "./servers.ts";

export interface MetricsSources {
  readonly version: string;
  /** The listeners' and the pools' names, and the numbers by which the counters know them. */
  readonly listeners: ReadonlyMap<string, number>;
  readonly pools: ReadonlyMap<string, number>;
  /** How many clients a pool keeps waiting now, by its name. */
  parked(pool: string): number;
  readonly counters: Counters;
  readonly clients: ClientSource;
  readonly servers: {
    states(): Iterable<ServerState>;
    /** Of the checks of a pool, by its place. */
    checkSeconds(pool: string): Distribution;
  };
  /** Null where nobody is banned. */
  readonly bans: BanFigures | null;
  /** Lines that the log's destination did not take; those that data threads drop are in the counters. */
  linesDropped(): number;
  /** How many clients have metrics of their own. */
  readonly topClients: number;
}

/**
 * How often the event loop's lag is looked at, which its figures include. Every 10 ms, as prom-client has it by itself, wakes a
 * core a hundred times a second, whether there is work or not.
 */
const LAG_SAMPLE_MS = 100;

/** Node's own figures: taken from the moment that this is made, and once in a process. */
export class ProcessMetrics {
  readonly registry = new Registry();

  constructor() {
    const eventLoopMonitoringPrecision = LAG_SAMPLE_MS;
    collectDefaultMetrics({ register: this.registry, prefix: "postern_", eventLoopMonitoringPrecision });
  }
}

/** The metrics of one configuration: what another one does not name has no series in its own. */
export class Metrics {
  readonly #registry: Registry;
  readonly #sources: MetricsSources;
  /** One walk over the table serves all of a scrape's metrics. */
  #ranking: Ranking | null = null;

  /** `process` goes on from one configuration's metrics to the next's. */
  constructor(sources: MetricsSources, process: ProcessMetrics) {
    this.#sources = sources;
    const own = new Registry();
    const table = [
      ...this.#trafficMetrics(),
      ...this.#endingMetrics(),
      ...this.#poolMetrics(),
      ...this.#clientMetrics(),
      ...(sources.bans === null ? [] : banMetrics(sources.bans)),
      ...this.#ownMetrics(),
    ];
    for (const options of table) new Series(own, options);
    this.#registry = Registry.merge([own, process.registry]);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The exposition, in Prometheus's text format. */
  text(): Promise<string> {
    this.#ranking = null;
    return this.#registry.metrics();
  }

  #trafficMetrics(): SeriesOptions[] {
    const { counters } = this.#sources;
    const seconds = "postern_session_seconds";
    return [
      {
        name: "postern_connections_total",
        type: "counter",
        help: "Connections accepted.",
        read: this.#eachListener((listener, labels) => [{ labels, value: counters.accepted(listener) }]),
      },
      {
        name: "postern_sessions_active",
        type: "gauge",
        help: "Connections that are open now.",
        read: this.#eachListener((listener, labels) => [{ labels, value: counters.active(listener) }]),
      },
      {
        name: "postern_bytes_total",
        type: "counter",
        help: "Bytes of ended sessions: in is from the clients, out is to them.",
        read: this.#eachListener((listener, labels) => [
          { labels: { ...labels, direction: "in" }, value: counters.bytes(listener, "in") },
          { labels: { ...labels, direction: "out" }, value: counters.bytes(listener, "out") },
        ]),
      },
      {
        name: "postern_messages_total",
        type: "counter",
        help: "Messages that the servers took, where the session could be read.",
        read: this.#eachListener((listener, labels) => [{ labels, value: counters.messages(listener) }]),
      },
      {
        name: "postern_auth_total",
        type: "counter",
        help: "Logins that the servers judged, where the session could be read.",
        read: this.#eachListener((listener, labels) => [
          { labels: { ...labels, result: "ok" }, value: counters.logins(listener, true) },
          { labels: { ...labels, result: "failed" }, value: counters.logins(listener, false) },
        ]),
      },
      {
        name: seconds,
        type: "histogram",
        help: "How long sessions lasted.",
        read: this.#eachListener((listener, labels) =>
          histogram(seconds, labels, sessionSecondsBounds, counters.sessionSeconds(listener)),
        ),
      },
    ];
  }

  #endingMetrics(): SeriesOptions[] {
    const { counters } = this.#sources;
    return [
      {
        name: "postern_sessions_total",
        type: "counter",
        help: "Connections that have ended, by how they ended.",
        read: this.#eachListener((listener, labels) =>
          outcomes.map((outcome) => {
            return { labels: { ...labels, outcome }, value: counters.sessions(listener, outcome) };
          }),
        ),
      },
      {
        name: "postern_refused_total",
        type: "counter",
        help: "Connections and commands refused by postern, by reason.",
        read: this.#eachListener((listener, labels) =>
          reasons.map((reason) => {
            return { labels: { ...labels, reason }, value: counters.refused(listener, reason) };
          }),
        ),
      },
      {
        name: "postern_dry_run_refusals_total",
        type: "counter",
        help: "Connections and commands let pass that a limit would have refused without its dry run, by reason.",
        read: this.#eachListener((listener, labels) =>
          reasons
            .map((reason) => ({ labels: { ...labels, reason }, value: counters.dryRun(listener, reason) }))
            .filter(({ value }) => value > 0),
        ),
      },
      {
        name: "postern_healthchecks_total",
        type: "counter",
        help: "Health checks of load balancers, answered by postern itself.",
        read: this.#eachListener((listener, labels) => [
          { labels, value: counters.sessions(listener, "healthcheck") },
        ]),
      },
    ];
  }

  #poolMetrics(): SeriesOptions[] {
    const { counters, pools, servers } = this.#sources;
    const seconds = "postern_upstream_connect_seconds";
    const checkSeconds = "postern_server_check_seconds";
    return [
      {
        name: seconds,
        type: "histogram",
        help: "How long it took until a server had taken a connection.",
        read: () =>
          Array.from(pools, ([name, pool]) => [
            ...histogram(seconds, { pool: name }, connectSecondsBounds, counters.connectSeconds(pool)),
          ]).flat(),
      },
      {
        name: checkSeconds,
        type: "histogram",
        help: "How long it took to check a server.",
        read: () =>
          [...pools.keys()].flatMap((name) => [
            ...histogram(checkSeconds, { pool: name }, connectSecondsBounds, servers.checkSeconds(name)),
          ]),
      },
      ...serverMetrics(() => servers.states()),
      {
        name: "postern_parked",
        type: "gauge",
        help: "Clients that are kept waiting now because no server can take them.",
        read: () =>
          Array.from(pools.keys(), (pool) => ({ labels: { pool }, value: this.#sources.parked(pool) })),
      },
      {
        name: "postern_parked_total",
        type: "counter",
        help: "Clients that no server could take at once, by what became of them.",
        read: () =>
          Array.from(pools, ([pool, index]) =>
            parkOutcomes.map((outcome) => {
              return { labels: { pool, outcome }, value: counters.unparked(index, outcome) };
            }),
          ).flat(),
      },
    ];
  }

  #clientMetrics(): SeriesOptions[] {
    const clientMetric = (total: keyof ClientTotals, help: string): SeriesOptions => ({
      name: `postern_client_${total}_total`,
      type: "counter",
      help: `${help}, of the busiest clients; "other" is all others together.`,
      read: () => clientSamples(this.#ranked(), total),
    });
    return [
      clientMetric("connections", "Connections"),
      clientMetric("messages", "Messages that servers took"),
      clientMetric("refused", "Connections refused"),
      clientMetric("bytes", "Bytes, both directions"),
      {
        name: "postern_table_entries",
        type: "gauge",
        help: "Clients in the table: one for each scope of limits that a client has met.",
        read: () => [{ labels: {}, value: this.#ranked().entries }],
      },
      {
        name: "postern_table_evictions_total",
        type: "counter",
        help: "Clients that the table forgot to make room for others.",
        read: () => [{ labels: {}, value: this.#sources.clients.evictions() }],
      },
    ];
  }

  #ownMetrics(): SeriesOptions[] {
    const { counters, version } = this.#sources;
    return [
      {
        name: "postern_log_lines_dropped_total",
        type: "counter",
        help: "Log lines lost because their destination did not take them in time.",
        read: () => [{ labels: {}, value: counters.linesDropped() + this.#sources.linesDropped() }],
      },
      {
        name: "postern_build_info",
        type: "gauge",
        help: "Always 1; the label says which version runs.",
        read: () => [{ labels: { version }, value: 1 }],
      },
    ];
  }

  #eachListener(read: (listener: number, labels: { listener: string }) => Iterable<Sample>): () => Sample[] {
    return () =>
      Array.from(this.#sources.listeners, ([name, listener]) => [
        ...read(listener, { listener: name }),
      ]).flat();
  }

  #ranked(): Ranking {
    this.#ranking ??= rank(this.#sources.clients, this.#sources.topClients);
    return this.#ranking;
  }
}

/** One sample for each label: a client that is among the busiest in several scopes is one client all the same. */
function clientSamples({ busiest, others }: Ranking, total: keyof ClientTotals): Sample[] {
  const values = new Map<string, number>();
  for (const entry of busiest) {
    const client = clientLabel(entry);
    values.set(client, (values.get(client) ?? 0) + entry[total]);
  }
  values.set("other", others[total]);
  return Array.from(values, ([client, value]) => ({ labels: { client }, value }));
}

/** `203.0.113.7`, or `2001:db8::/64` where the entry is a network's. */
function clientLabel(entry: ClientEntry): string {
  return isPrefix(entry) ? `${entry.address.text}/${entry.prefixLength}` : entry.address.text;
}

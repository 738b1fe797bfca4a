/**
 * From the text of a configuration file to the options that the gateway starts from, or to all that is wrong with it.
 *
 * Reads other files only through a function that it is given; touches no network. Every fault is a line with its place;
 * none is an exception, and none shows what a secret or a variable holds.
 */
import { availableParallelism, hostname } from "node:os";
import type { CrowdsecOptions, LapiCredentials } from "../crowdsec/options.ts";
import type { LimitOptions } from "../limits/options.ts";
import type { PoolOptions } from "../pools/options.ts";
import type { ListenerOptions, Protocol } from "../proxy/options.ts";
import { crossFaults, draftOf } from "./checks.ts";
import type { CrowdsecSettings } from "./crowdsec.ts";
import type { Environment } from "./environment.ts";
import { type Files, type FilesOptions, readFiles } from "./files.ts";
import { faultsOf, messageOf } from "./messages.ts";
import type { Configuration } from "./options.ts";
import type { PoolSettings } from "./pools.ts";
import {
  type LimitSettings,
  type ListenerSettings,
  limitSet,
  type Settings,
  settings,
  THREADS_MAX,
} from "./schema.ts";
import { type Fault, Source } from "./source.ts";
import { warningsOf } from "./warnings.ts";

export interface LoadOptions extends FilesOptions {
  /** What the file is called in messages. */
  readonly name: string;
  readonly environment: Environment;
}

export type LoadedFile =
  | { readonly ok: true; readonly configuration: Configuration; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly errors: readonly string[] };

export function loadConfiguration(text: string, options: LoadOptions): LoadedFile {
  const source = new Source(text, options.environment);
  const failed = (faults: readonly Fault[]): LoadedFile => ({
    ok: false,
    errors: source.report(options.name, faults),
  });
  if (source.value === null) return failed([]);
  const draft = draftOf(source.value);
  const files = readFiles(draft, options);
  const parsed = settings.safeParse(source.value, { error: messageOf });
  const faults = [
    ...(parsed.success ? [] : parsed.error.issues.flatMap((issue) => faultsOf(issue))),
    ...crossFaults(draft),
    ...files.faults,
  ];
  if (!parsed.success || faults.length > 0 || source.faulty) return failed(faults);
  const configuration = configurationOf(parsed.data, files);
  const warnings = source.report(options.name, [...warningsOf(configuration), ...files.warnings]);
  return { ok: true, configuration, warnings };
}

/** IMAP clients may be silent for 29 minutes (RFC 2177); a server gives them at least 30 (RFC 9051 5.4), plus some. */
const idleTimeoutMs: Readonly<Record<Protocol, number>> = {
  smtp: 5 * 60_000,
  imap: 31 * 60_000,
  tcp: 31 * 60_000,
};

function configurationOf(from: Settings, files: Files): Configuration {
  const { token, authorities } = files;
  const sets = { default: limitSet.parse({}), ...from.limits };
  return {
    hostname: from.hostname ?? hostname(),
    threads: from.threads ?? Math.min(availableParallelism(), THREADS_MAX),
    maxConnections: from.maxConnections,
    tableSize: from.tableSize,
    drainMs: from.drain,
    listeners: Object.entries(from.listeners).map(([name, listener]) => listenerOf(name, listener)),
    pools: Object.entries(from.pools).map(([name, pool]) =>
      poolOf(name, pool, authorities.get(name) ?? null),
    ),
    limits: Object.fromEntries(Object.entries(sets).map(([name, set]) => [name, limitsOf(set)])),
    tls: from.tls,
    crowdsec: from.crowdsec === null ? null : crowdsecOf(from.crowdsec, files),
    log: from.log,
    admin: { listen: from.admin.listen, token, topClients: from.admin.topClients },
  };
}

function listenerOf(name: string, from: ListenerSettings): ListenerOptions {
  const { listen, protocol, proxy, tls, ban, smtp, pool, limits, idleTimeout, monitors } = from;
  return {
    name,
    listen,
    protocol,
    proxy: proxy.mode === "off" ? null : { from: proxy.from, timeoutMs: proxy.timeout },
    tls,
    ban,
    smtp,
    pool,
    limits,
    idleTimeoutMs: idleTimeout ?? idleTimeoutMs[protocol],
    monitors,
  };
}

function poolOf(name: string, from: PoolSettings, ca: string | null): PoolOptions {
  const { servers, balance, identity, tls, connectTimeout, greetTimeout, health } = from;
  const { interval, timeout, ...checks } = health;
  const { timeout: timeoutMs, ...park } = from.park;
  return {
    name,
    servers: servers.map(({ address: endpoint, ...same }) => ({ endpoint, ...same })),
    balance,
    identity,
    tls: { ...tls, ca },
    connectTimeoutMs: connectTimeout,
    greetTimeoutMs: greetTimeout,
    health: { intervalMs: interval, timeoutMs: timeout, ...checks },
    park: { timeoutMs, ...park },
  };
}

function limitsOf({ timeUnit, authFailureDelay, ...same }: LimitSettings): LimitOptions {
  return { timeUnitSeconds: timeUnit, authFailureDelayMs: authFailureDelay, ...same };
}

function crowdsecOf(from: CrowdsecSettings, files: Files): CrowdsecOptions {
  const { alerts } = from;
  return {
    url: from.url,
    credentials: credentialsOf(from, files),
    ca: from.tls?.ca ?? null,
    updateFrequencyMs: from.updateFrequency,
    neverBan: from.neverBan,
    onFailure: from.onFailure,
    requireList: from.requireList,
    origins: from.origins,
    closeSessions: from.closeSessions,
    otherTypes: from.otherTypes,
    usageMetricsIntervalMs: from.usageMetricsInterval,
    cache: from.cache,
    alerts: alerts && { machineId: alerts.machineId, password: alerts.password ?? files.password! },
  };
}

/** There is one of them: what a file says too much or too little has been found before. */
function credentialsOf({ apiKey, tls }: CrowdsecSettings, files: Files): LapiCredentials {
  const { cert, key } = tls ?? { cert: null, key: null };
  if (cert !== null && key !== null) return { kind: "certificate", files: { cert, key } };
  return { kind: "key", apiKey: apiKey ?? files.apiKey! };
}

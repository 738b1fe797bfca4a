/**
 * From the text of a configuration file to the options that the gateway starts from, or to all that is wrong with it.
 *
 * Reads other files only through a function that it is given; touches no network. Every fault is a line with its place;
 * none is an exception, and none shows what a secret or a variable holds.
 */
import { availableParallelism, hostname } from "node:os";
import { Address } from "../address.ts";
import type { LimitOptions } from "../limits/options.ts";
import type { PoolOptions } from "../pools/options.ts";
import type { ListenerOptions, Protocol } from "../proxy/options.ts";
import { crossFaults, draftOf } from "./checks.ts";
import type { Environment } from "./environment.ts";
import { type Files, type FilesOptions, readFiles } from "./files.ts";
import { faultsOf, messageOf } from "./messages.ts";
import type { Configuration } from "./options.ts";
import { unreachable } from "./reach.ts";
import {
  type LimitSettings,
  type ListenerSettings,
  limitSet,
  type PoolSettings,
  type Settings,
  settings,
  THREADS_MAX,
} from "./schema.ts";
import { type Fault, Source } from "./source.ts";

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

function configurationOf(from: Settings, { token, authorities }: Files): Configuration {
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
    crowdsec: null,
    log: { ...from.log, stockLines: null },
    admin: { listen: from.admin.listen, token, topClients: from.admin.topClients },
  };
}

function listenerOf(name: string, from: ListenerSettings): ListenerOptions {
  const { listen, protocol, proxy, tls, smtp, pool, limits, idleTimeout } = from;
  return {
    name,
    listen,
    protocol,
    proxy: proxy.mode === "off" ? null : { from: proxy.from, timeoutMs: proxy.timeout },
    tls,
    ban: { action: "reply", text: null },
    smtp,
    pool,
    limits,
    idleTimeoutMs: idleTimeout ?? idleTimeoutMs[protocol],
  };
}

function poolOf(name: string, from: PoolSettings, ca: string | null): PoolOptions {
  const { servers, identity, tls, connectTimeout, greetTimeout } = from;
  return {
    name,
    servers,
    identity,
    tls: { ...tls, ca },
    connectTimeoutMs: connectTimeout,
    greetTimeoutMs: greetTimeout,
  };
}

function limitsOf({ timeUnit, authFailureDelay, ...same }: LimitSettings): LimitOptions {
  return { timeUnitSeconds: timeUnit, authFailureDelayMs: authFailureDelay, ...same };
}

/** Limits that are set where they can never hold. */
function* reachWarnings({ listeners, pools, limits }: Configuration): Generator<Fault> {
  for (const listener of listeners) {
    const pool = pools.find(({ name }) => name === listener.pool)!;
    const lost = unreachable(listener, pool, limits[listener.limits]!);
    if (lost === null) continue;
    const message = `${lost.limits.join(" and ")} of limits.${listener.limits} cannot hold here: ${lost.why}`;
    yield { path: ["listeners", listener.name, "limits"], message };
  }
}

/**
 * Logins that come in the clear and would reach a server that takes them for encrypted: what can be read of them does not
 * pass, unless the file wants it. In SMTP there is much to do without one, in IMAP nothing.
 */
function* loginWarnings({ listeners, pools }: Configuration): Generator<Fault> {
  for (const { name, protocol, tls, smtp, pool } of listeners) {
    const mode = pools.find((one) => one.name === pool)?.tls.mode ?? "off";
    if (tls !== "off" || mode === "off" || (protocol === "smtp" && smtp.authOnlyOverTls)) continue;
    const taken = "its servers take logins for encrypted that come here in the clear";
    const message = `tls ${mode} of pool "${pool}": ${taken}${protocol === "imap" ? ", so that none passes" : ""}`;
    yield { path: ["listeners", name, "pool"], message };
  }
}

/** What is allowed, and seldom what was meant. */
function warningsOf(configuration: Configuration): Fault[] {
  const { pools, limits, admin, tableSize, maxConnections } = configuration;
  const warnings = [...reachWarnings(configuration), ...loginWarnings(configuration)];
  for (const { name, identity, tls } of pools) {
    if (identity === "none") {
      const message =
        "identity none: every client has the gateway's own address, an open relay where the gateway is in mynetworks";
      warnings.push({ path: ["pools", name, "identity"], message });
    }
    if (tls.ca !== null && tls.verify === "none") {
      const message = "nothing is verified with it: verify is none";
      warnings.push({ path: ["pools", name, "tls", "ca"], message });
    }
  }
  for (const [name, { dryRun }] of Object.entries(limits)) {
    if (dryRun)
      warnings.push({ path: ["limits", name, "dryRun"], message: "a dry run: these limits refuse nothing" });
  }
  if (tableSize < maxConnections) {
    const message = `smaller than maxConnections (${maxConnections}): clients are refused when all entries are in use`;
    warnings.push({ path: ["tableSize"], message });
  }
  if (admin.token === null && Address.parse(admin.listen.host)?.isLoopback === false) {
    const message = "not a loopback address, and there is no tokenFile: /api refuses everybody";
    warnings.push({ path: ["admin", "listen"], message });
  }
  return warnings;
}

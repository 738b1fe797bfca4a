/**
 * From the text of a configuration file to the options that the gateway starts from, or to all that is wrong with it.
 *
 * Reads no file but the one that holds the admin token, and that through a function that it is given; touches no network.
 * Every fault is a line with its place; none is an exception, and none shows what a secret or a variable holds.
 */
import { availableParallelism, hostname } from "node:os";
import { Address } from "../address.ts";
import type { LimitOptions } from "../limits/options.ts";
import type { PoolOptions } from "../pools/options.ts";
import type { ListenerOptions, Protocol } from "../proxy/options.ts";
import { crossFaults, draftOf } from "./checks.ts";
import type { Environment } from "./environment.ts";
import { faultsOf, messageOf } from "./messages.ts";
import type { Configuration } from "./options.ts";
import { commandLimitsOf, readsCommands } from "./reach.ts";
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

export interface LoadOptions {
  /** What the file is called in messages. */
  readonly name: string;
  readonly environment: Environment;
  /** The text of another file that the configuration names; throws where it cannot be read. */
  readFile(path: string): string;
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
  const token = readToken(draft.admin.tokenFile ?? null, options);
  const parsed = settings.safeParse(source.value, { error: messageOf });
  const faults = [
    ...(parsed.success ? [] : parsed.error.issues.flatMap((issue) => faultsOf(issue))),
    ...crossFaults(draft),
    ...token.faults,
  ];
  if (!parsed.success || faults.length > 0 || source.faulty) return failed(faults);
  const configuration = configurationOf(parsed.data, token.token);
  return { ok: true, configuration, warnings: source.report(options.name, warningsOf(configuration)) };
}

interface Token {
  readonly token: string | null;
  readonly faults: readonly Fault[];
}

function readToken(path: string | null, { readFile }: LoadOptions): Token {
  if (path === null) return { token: null, faults: [] };
  const bad = (message: string): Token => ({
    token: null,
    faults: [{ path: ["admin", "tokenFile"], message }],
  });
  try {
    const token = readFile(path).trim();
    if (token === "") return bad("the file is empty");
    // What a header can carry (RFC 9110 5.5), so that a token that nobody can send is found now.
    return /^[\x21-\x7e]+$/.test(token)
      ? { token, faults: [] }
      : bad("the file must hold one line of plain characters");
  } catch (error) {
    return bad(`the file cannot be read (${errorCode(error)})`);
  }
}

/** ENOENT and its like. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

/** IMAP clients may be silent for 29 minutes (RFC 2177); a server gives them at least 30 (RFC 9051 5.4), plus some. */
const idleTimeoutMs: Readonly<Record<Protocol, number>> = {
  smtp: 5 * 60_000,
  imap: 35 * 60_000,
  tcp: 35 * 60_000,
};

function configurationOf(from: Settings, token: string | null): Configuration {
  const sets = { default: limitSet.parse({}), ...from.limits };
  return {
    hostname: from.hostname ?? hostname(),
    threads: from.threads ?? Math.min(availableParallelism(), THREADS_MAX),
    maxConnections: from.maxConnections,
    tableSize: from.tableSize,
    drainMs: from.drain,
    listeners: Object.entries(from.listeners).map(([name, listener]) => listenerOf(name, listener)),
    pools: Object.entries(from.pools).map(([name, pool]) => poolOf(name, pool)),
    limits: Object.fromEntries(Object.entries(sets).map(([name, set]) => [name, limitsOf(set)])),
    log: from.log,
    admin: { listen: from.admin.listen, token, topClients: from.admin.topClients },
  };
}

function listenerOf(name: string, from: ListenerSettings): ListenerOptions {
  const { listen, protocol, proxy, tls, pool, limits, idleTimeout } = from;
  return {
    name,
    listen,
    protocol,
    proxy: proxy.mode === "off" ? null : { from: proxy.from, timeoutMs: proxy.timeout },
    tls,
    pool,
    limits,
    idleTimeoutMs: idleTimeout ?? idleTimeoutMs[protocol],
  };
}

function poolOf(
  name: string,
  { servers, identity, connectTimeout, greetTimeout }: PoolSettings,
): PoolOptions {
  return { name, servers, identity, connectTimeoutMs: connectTimeout, greetTimeoutMs: greetTimeout };
}

function limitsOf({ timeUnit, ...same }: LimitSettings): LimitOptions {
  return { timeUnitSeconds: timeUnit, ...same };
}

/** Limits that are set where they can never hold. */
function* reachWarnings({ listeners, limits }: Configuration): Generator<Fault> {
  for (const listener of listeners) {
    const keys = commandLimitsOf(limits[listener.limits]!);
    if (keys.length === 0 || readsCommands(listener)) continue;
    const message = `${keys.join(" and ")} of limits.${listener.limits} cannot hold here: only smtp with tls off is read`;
    yield { path: ["listeners", listener.name, "limits"], message };
  }
}

/** What is allowed, and seldom what was meant. */
function warningsOf(configuration: Configuration): Fault[] {
  const { pools, limits, admin, tableSize, maxConnections } = configuration;
  const warnings = [...reachWarnings(configuration)];
  for (const { name, identity } of pools) {
    if (identity !== "none") continue;
    const message =
      "identity none: every client has the gateway's own address, an open relay where the gateway is in mynetworks";
    warnings.push({ path: ["pools", name, "identity"], message });
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

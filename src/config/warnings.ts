/** What a configuration allows, and its owner seldom meant: said at its place, and refused nowhere. */
import { Address, Network } from "../address.ts";
import type { Configuration } from "./options.ts";
import { refusesInWords, unreachable } from "./reach.ts";
import type { Fault, Path } from "./source.ts";

/** What is allowed, and seldom what was meant. */
export function warningsOf(configuration: Configuration): Fault[] {
  const { pools, limits, admin, tableSize, maxConnections } = configuration;
  const warnings = [
    ...reachWarnings(configuration),
    ...loginWarnings(configuration),
    ...banWarnings(configuration),
    ...lapiWarnings(configuration),
    ...monitorWarnings(configuration),
  ];
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

/** Bans that nobody can be under, and words that nobody will read. */
function* banWarnings({ listeners, crowdsec }: Configuration): Generator<Fault> {
  for (const { name, proxy, ban, ...listener } of listeners) {
    const path = ["listeners", name];
    if (ban.text !== null && (ban.action === "drop" || !refusesInWords(listener))) {
      yield { path: [...path, "ban", "text"], message: "a banned client hears no word here" };
    }
    if (crowdsec !== null) yield* coverWarnings([...path, "proxy", "from"], proxy?.from ?? []);
  }
  yield* coverWarnings(["crowdsec", "neverBan"], crowdsec?.neverBan ?? []);
}

/** Networks of which nobody is ever banned, and which hold everybody. */
function* coverWarnings(path: Path, networks: readonly string[]): Generator<Fault> {
  for (const [index, text] of networks.entries()) {
    const network = Network.parse(text);
    if (network?.length !== 0) continue;
    const message = `this is all of IPv${network.address.family}, and nobody in it is ever banned`;
    yield { path: [...path, index], message };
  }
}

/** What CrowdSec asks of bouncers: every 30 minutes, and never more often than this. */
const USAGE_METRICS_MIN_MS = 10 * 60_000;

function* lapiWarnings({ crowdsec }: Configuration): Generator<Fault> {
  if (crowdsec === null) return;
  const { url, onFailure, cache, usageMetricsIntervalMs } = crowdsec;
  if (url.startsWith("http:") && !isLoopback(new URL(url).hostname)) {
    const message = "http to another machine: secrets and decisions pass in the clear";
    yield { path: ["crowdsec", "url"], message };
  }
  if (onFailure === "closed" && cache === null) {
    const message =
      "closed without a cache: after a start while LAPI is away nobody is let in until it answers";
    yield { path: ["crowdsec", "onFailure"], message };
  }
  if (usageMetricsIntervalMs > 0 && usageMetricsIntervalMs < USAGE_METRICS_MIN_MS) {
    const message = "shorter than the 10m that CrowdSec asks for at least";
    yield { path: ["crowdsec", "usageMetricsInterval"], message };
  }
}

/** The widest networks that can be one's own: 10.0.0.0/8 (RFC 1918) and fc00::/7 (RFC 4193). */
const OWN_LENGTH_MIN = { 4: 8, 6: 7 } as const;

/** Monitors of which most must be clients. */
function* monitorWarnings({ listeners }: Configuration): Generator<Fault> {
  for (const { name, monitors } of listeners) {
    for (const [index, text] of monitors.entries()) {
      const network = Network.parse(text);
      if (network === null || network.length >= OWN_LENGTH_MIN[network.address.family]) continue;
      const message =
        "too wide to be monitors alone: a client in it is taken for a check, and nothing of it reaches a server";
      yield { path: ["listeners", name, "monitors", index], message };
    }
  }
}

/** Of a URL's host, where IPv6 addresses stand in brackets. */
function isLoopback(host: string): boolean {
  return host === "localhost" || Address.parse(host.replace(/^\[|\]$/g, ""))?.isLoopback === true;
}

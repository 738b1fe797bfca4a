/** A configuration in sentences, for people: what each listener does, and what it cannot do. Pure. */
import { endpointText } from "../address.ts";
import type { Configuration } from "../config/options.ts";
import { commandLimitsOf, readsCommands } from "../config/reach.ts";
import { durationText } from "../config/units.ts";
import type { LimitOptions } from "../limits/options.ts";
import type { Identity, PoolOptions } from "../pools/options.ts";
import type { ListenerOptions } from "../proxy/options.ts";

export function summary(configuration: Configuration): string {
  const { pools, limits, listeners } = configuration;
  const lines = gatewayLines(configuration);
  for (const listener of listeners) {
    lines.push("", `listener ${listener.name}: ${listener.listen.map(endpointText).join(", ")}`);
    const pool = pools.find(({ name }) => name === listener.pool);
    const set = limits[listener.limits];
    lines.push(row("protocol", protocolText(listener)), row("proxy", proxyText(listener)));
    if (pool !== undefined)
      lines.push(row("pool", poolText(pool)), row("identity", identityTexts[pool.identity]));
    if (set !== undefined) lines.push(row("limits", limitText(listener, set)));
    lines.push(row("idle", `a session that is silent for ${durationText(listener.idleTimeoutMs)} is ended`));
    if (set !== undefined) lines.push(row("note", noteText(listener, set)));
  }
  return `${lines.join("\n")}\n`;
}

function row(title: string, text: string): string {
  return `  ${title.padEnd(10)}${text}`;
}

function gatewayLines({
  hostname,
  threads,
  maxConnections,
  tableSize,
  drainMs,
  log,
  admin,
}: Configuration): string[] {
  const api = admin.token === null ? "/api without a token, on loopback only" : "/api with a token";
  return [
    `gateway ${hostname}`,
    row("threads", `${threads}`),
    row("bounds", `at most ${maxConnections} connections; ${tableSize} clients remembered`),
    row(
      "drain",
      drainMs === 0 ? "sessions are cut at once" : `sessions may go on for ${durationText(drainMs)}`,
    ),
    row("log", `level ${log.level}, to ${log.destination}`),
    row("admin", `${endpointText(admin.listen)}; ${api}; metrics of the ${admin.topClients} busiest clients`),
  ];
}

function protocolText({ protocol, tls }: ListenerOptions): string {
  return tls === "passthrough" ? `${protocol} in implicit TLS, passed through` : `${protocol}, cleartext`;
}

function proxyText({ proxy }: ListenerOptions): string {
  if (proxy === null) return "off: clients connect directly";
  return `required within ${durationText(proxy.timeoutMs)}, from ${proxy.from.join(", ")}; others are closed at once`;
}

function poolText({ name, servers, connectTimeoutMs, greetTimeoutMs }: PoolOptions): string {
  const times = `connect ${durationText(connectTimeoutMs)}, greet ${durationText(greetTimeoutMs)}`;
  return `${name}: ${servers.map(endpointText).join(", ")} (${times})`;
}

const identityTexts: Readonly<Record<Identity, string>> = {
  "proxy-v2": "proxy-v2: a header in front of the session; the server must expect one",
  "proxy-v1": "proxy-v1: a header in front of the session; the server must expect one",
  xclient: "xclient: the server must authorise the gateway (smtpd_authorized_xclient_hosts)",
  id: "id: the server must trust the gateway (login_trusted_networks)",
  none: "none: every client has the gateway's own address",
};

function limitText(listener: ListenerOptions, set: LimitOptions): string {
  const { connectionCount, connectionRate, timeUnitSeconds, ipv4PrefixLength, ipv6PrefixLength } = set;
  const texts = [
    `${listener.limits}: ${connectionCount === 0 ? "unlimited" : connectionCount} at once`,
    `${connectionRate === 0 ? "unlimited" : connectionRate} in ${durationText(timeUnitSeconds * 1000)}`,
    ...commandLimitsOf(set).map((key) => `${key} ${set[key]}`),
    `a client is an IPv4 /${ipv4PrefixLength} or IPv6 /${ipv6PrefixLength}`,
    `counted as ${set.scope ?? listener.name}`,
  ];
  if (set.exceptions.length > 0) texts.push(`never for ${set.exceptions.join(", ")}`);
  if (set.dryRun) texts.push("dry run: nothing is refused");
  return texts.join("; ");
}

/** What nobody should expect of the listener, because it cannot read what passes. */
function noteText(listener: ListenerOptions, set: LimitOptions): string {
  if (listener.tls === "passthrough" || listener.protocol === "tcp") {
    return "nothing in it can be read: only limits on connections hold, and a refusal closes without a word";
  }
  if (!readsCommands(listener)) return "only limits on connections hold; a refusal is said before STARTTLS";
  const keys = commandLimitsOf(set);
  const limits = keys.length === 0 ? "limits on commands" : keys.join(" and ");
  return `${limits} hold until a client's STARTTLS: behind it nothing can be read, and only limits on connections hold`;
}

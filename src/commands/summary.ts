/** A configuration in sentences, for people: what each listener does, and what it cannot do. Pure. */
import { endpointText } from "../address.ts";
import type { Configuration } from "../config/options.ts";
import { endsTls, limitsOn, reaches, readingOf, refusesInWords } from "../config/reach.ts";
import { durationText } from "../config/units.ts";
import type { CrowdsecOptions } from "../crowdsec/options.ts";
import type { LimitOptions } from "../limits/options.ts";
import type { LogOptions } from "../observe/options.ts";
import type {
  HealthOptions,
  Identity,
  ParkOptions,
  PoolOptions,
  PoolTlsOptions,
  ServerOptions,
} from "../pools/options.ts";
import type { ListenerOptions } from "../proxy/options.ts";
import type { MinVersion } from "../tls/options.ts";

export function summary(configuration: Configuration): string {
  const { pools, limits, listeners, tls } = configuration;
  const lines = gatewayLines(configuration);
  for (const listener of listeners) {
    const pool = pools.find(({ name }) => name === listener.pool)!;
    const set = limits[listener.limits]!;
    lines.push("", `listener ${listener.name}: ${listener.listen.map(endpointText).join(", ")}`);
    lines.push(row("protocol", listener.protocol), row("proxy", proxyText(listener)));
    lines.push(row("tls", tlsText(listener, pool, tls.minVersion)));
    const isRead = readingOf(listener, pool) !== "nowhere";
    if (isRead && listener.protocol === "smtp") lines.push(row("smtp", smtpText(listener, pool)));
    if (isRead && listener.protocol === "imap") lines.push(row("imap", imapText(listener, pool)));
    if (configuration.crowdsec !== null) lines.push(row("ban", banText(listener)));
    lines.push(row("pool", poolText(pool)), row("identity", identityTexts[pool.identity]));
    lines.push(row("health", healthText(pool)), row("park", parkText(pool.park)));
    lines.push(row("limits", limitText(listener, set)));
    lines.push(row("idle", `a session that is silent for ${durationText(listener.idleTimeoutMs)} is ended`));
    if (listener.monitors.length > 0) lines.push(row("monitors", monitorText(listener.monitors, isRead)));
    lines.push(row("note", noteText(listener, pool, set)));
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
  tls,
  crowdsec,
  log,
  admin,
}: Configuration): string[] {
  const api = admin.token === null ? "/api without a token, on loopback only" : "/api with a token";
  const certificates = tls.certificates.map(({ cert }) => cert).join(", ");
  return [
    `gateway ${hostname}`,
    row("threads", `${threads}`),
    row("bounds", `at most ${maxConnections} connections; ${tableSize} clients remembered`),
    row(
      "drain",
      drainMs === 0 ? "sessions are cut at once" : `sessions may go on for ${durationText(drainMs)}`,
    ),
    row("tls", certificates === "" ? "no certificate" : `certificates, watched: ${certificates}`),
    row("crowdsec", crowdsec === null ? "no crowdsec: nobody is banned" : crowdsecText(crowdsec)),
    row("log", logText(log)),
    row("admin", `${endpointText(admin.listen)}; ${api}; metrics of the ${admin.topClients} busiest clients`),
  ];
}

function crowdsecText(from: CrowdsecOptions): string {
  const { url, credentials, origins, onFailure, requireList, otherTypes, cache, alerts } = from;
  const whose = origins.length === 0 ? "decisions" : `decisions of ${origins.join(", ")}`;
  const texts = [
    `${whose} from ${url}, by ${credentials.kind}, every ${durationText(from.updateFrequencyMs)}`,
    `${onFailure === "open" ? "everybody" : "nobody"} is let in before the first list${requireList ? ", and the gateway not ready" : ""}`,
    `never banned: ${[...from.neverBan, "who may send a PROXY header"].join(", ")}`,
    otherTypeTexts[otherTypes],
    from.closeSessions ? "open sessions of the banned are ended" : "open sessions of the banned go on",
  ];
  if (cache !== null) texts.push(`the last list is kept in ${cache}`);
  if (from.usageMetricsIntervalMs > 0) {
    texts.push(`usage metrics every ${durationText(from.usageMetricsIntervalMs)}`);
  }
  if (alerts !== null) texts.push(`alerts as ${alerts.machineId}`);
  return texts.join("; ");
}

const otherTypeTexts: Readonly<Record<CrowdsecOptions["otherTypes"], string>> = {
  ignore: "only decisions of type ban count",
  ban: "decisions of any type ban",
  tarpit: "decisions of another type than ban hold the client",
};

function logText({ level, destination, stockLines }: LogOptions): string {
  const text = `level ${level}, to ${destination}`;
  if (stockLines === null) return text;
  const { kind } = stockLines;
  const where = kind === "udp" ? `${endpointText(stockLines.endpoint)} by UDP` : stockLines.path;
  return `${text}; lines for CrowdSec's stock parsers to ${where}`;
}

/** What a banned client gets, in the order in which it gets it. */
function banText(listener: ListenerOptions): string {
  const { action, text } = listener.ban;
  const words = listener.protocol === "smtp" ? "554 5.7.1" : "* BYE";
  const said = refusesInWords(listener)
    ? `${words} with ${text === null ? "postern's own words" : JSON.stringify(text)}, then the end`
    : "closed without a word";
  switch (action) {
    case "reply":
      return `reply: ${said}`;
    case "drop":
      return "drop: closed without a word";
    case "tarpit":
      return `tarpit: nothing for a while, then ${said}`;
    default:
      return action satisfies never;
  }
}

function tlsText({ tls, protocol }: ListenerOptions, pool: PoolOptions, minVersion: MinVersion): string {
  switch (tls) {
    case "off":
      if (protocol === "tcp") return "off: nothing is looked into";
      return pool.tls.mode === "off" ? "off: cleartext; STARTTLS passes through" : "off: cleartext alone";
    case "starttls":
      return `starttls: cleartext; STARTTLS ends here, from ${minVersion} on`;
    case "passthrough":
      return "passthrough: implicit TLS, passed through unread";
    case "implicit":
      return `implicit: implicit TLS, which ends here, from ${minVersion} on`;
    default:
      return tls satisfies never;
  }
}

function smtpText({ tls, smtp }: ListenerOptions, pool: PoolOptions): string {
  const texts = [
    smtp.earlyTalk === "pass" ? "early talk is the server's to judge" : "early talk is refused",
    smtp.bareNewline === "reject"
      ? "a message with a bare CR or LF is rejected"
      : "a bare CR or LF ends the session",
  ];
  if (smtp.authOnlyOverTls && tls === "starttls") texts.push("no login before TLS");
  if (smtp.authOnlyOverTls && tls === "off" && pool.tls.mode !== "off") texts.push(NO_LOGIN);
  return texts.join("; ");
}

const NO_LOGIN = "no login at all: it would come in the clear, and the server take it for encrypted";

function imapText({ tls }: ListenerOptions, pool: PoolOptions): string {
  if (tls === "off" && pool.tls.mode !== "off") return NO_LOGIN;
  const read = "read until the client is logged in";
  return tls === "starttls" ? `${read}; no login before TLS` : read;
}

function proxyText({ proxy }: ListenerOptions): string {
  if (proxy === null) return "off: clients connect directly";
  return `required within ${durationText(proxy.timeoutMs)}, from ${proxy.from.join(", ")}; others are closed at once`;
}

function poolText({ name, servers, balance, tls, connectTimeoutMs, greetTimeoutMs }: PoolOptions): string {
  const times = `connect ${durationText(connectTimeoutMs)}, greet ${durationText(greetTimeoutMs)}`;
  const secured = upstreamTlsText(tls);
  const chosen = servers.length === 1 ? "" : ` by ${balance}`;
  return `${name}: ${servers.map(serverText).join(", ")}${chosen} (${secured === "" ? "" : `${secured}, `}${times})`;
}

function serverText({ endpoint, weight, backup, maxConnections }: ServerOptions): string {
  const texts: string[] = [];
  if (weight > 1) texts.push(`weight ${weight}`);
  if (backup) texts.push("backup");
  if (maxConnections > 0) texts.push(`at most ${maxConnections} at once`);
  const more = texts.length === 0 ? "" : ` (${texts.join(", ")})`;
  return `${endpointText(endpoint)}${more}`;
}

function upstreamTlsText({ mode, verify, name, ca }: PoolTlsOptions): string {
  if (mode === "off") return "";
  const begin = mode === "starttls" ? "STARTTLS" : "implicit TLS";
  if (verify === "none") return `${begin}, with any certificate`;
  return `${begin}, certificate of ${name ?? "its address"} by ${ca === null ? "the system's" : "its own"} authorities`;
}

const identityTexts: Readonly<Record<Identity, string>> = {
  "proxy-v2": "proxy-v2: a header in front of the session; the server must expect one",
  "proxy-v1": "proxy-v1: a header in front of the session; the server must expect one",
  xclient: "xclient: the server must authorise the gateway (smtpd_authorized_xclient_hosts)",
  id: "id: the server must trust the gateway (login_trusted_networks)",
  none: "none: every client has the gateway's own address",
};

function healthText({ health, identity }: PoolOptions): string {
  const { intervalMs, timeoutMs, address, logIdentity, rise, fall } = health;
  if (intervalMs === 0) return "no checks: only sessions show whether a server is there";
  const where = address === null ? "" : ` at ${checkedText(address)}, by ${health.identity ?? identity}`;
  const texts = [
    `each server is checked${where} every ${durationText(intervalMs)}, and has ${durationText(timeoutMs)} to greet`,
    `down after ${fall} in a row that fail, up after ${rise} that succeed`,
    `a check says that it is ${logIdentity}`,
  ];
  return texts.join("; ");
}

function checkedText({ host, port }: NonNullable<HealthOptions["address"]>): string {
  return host === null ? `its port ${port}` : endpointText({ host, port });
}

function parkText({ timeoutMs, max, healthchecks }: ParkOptions): string {
  if (timeoutMs === 0 || max === 0) return "off: a client that no server can take is refused at once";
  return `at most ${max} clients wait for a server, each up to ${durationText(timeoutMs)}; health checks are told ${healthchecks} meanwhile`;
}

function limitText(listener: ListenerOptions, set: LimitOptions): string {
  const { connectionCount, connectionRate, timeUnitSeconds, ipv4PrefixLength, ipv6PrefixLength } = set;
  const texts = [
    `${listener.limits}: ${connectionCount === 0 ? "unlimited" : connectionCount} at once`,
    `${connectionRate === 0 ? "unlimited" : connectionRate} in ${durationText(timeUnitSeconds * 1000)}`,
    ...limitsOn(set).map(
      ({ name, value }) => `${name} ${name === "authFailureDelay" ? durationText(value) : value}`,
    ),
    `a client is an IPv4 /${ipv4PrefixLength} or IPv6 /${ipv6PrefixLength}`,
    `counted as ${set.scope ?? listener.name}`,
  ];
  if (set.exceptions.length > 0) texts.push(`never for ${set.exceptions.join(", ")}`);
  if (set.dryRun) texts.push("dry run: nothing is refused");
  return texts.join("; ");
}

function monitorText(monitors: readonly string[], isRead: boolean): string {
  const answer = isRead ? "are answered here" : "hear nothing, and are held until they close";
  return `${monitors.join(", ")}: only check, and ${answer}; no ban and no limit holds for them, and no server hears of them`;
}

/** Which limits hold: what nobody should expect of the listener, because it cannot read what passes. */
function noteText(listener: ListenerOptions, pool: PoolOptions, set: LimitOptions): string {
  const held = endsTls(listener) ? "limits on connections and on new TLS sessions" : "limits on connections";
  const reading = readingOf(listener, pool);
  switch (reading) {
    case "end":
      return endsTls(listener)
        ? "every limit holds, to the session's end"
        : "every limit holds but newTlsSessionRate: TLS with clients does not end here";
    case "login":
      return `${held} hold, and those on logins; behind the login nothing is read`;
    case "starttls": {
      const found = limitsOn(set).filter((limit) => reaches(limit, listener, pool));
      const readable = listener.protocol === "smtp" ? "limits on commands and logins" : "limits on logins";
      const limits = found.length === 0 ? readable : found.map(({ name }) => name).join(" and ");
      return `${limits} hold until a client's STARTTLS: behind it nothing can be read, and only ${held} hold`;
    }
    case "nowhere":
      return `nothing in it can be read: only ${held} hold, and a refusal closes without a word`;
    default:
      return reading satisfies never;
  }
}

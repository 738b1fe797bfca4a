/** Any configuration, written as a file and loaded again, is the same. */
import assert from "node:assert";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import t from "tap";
import { stringify } from "yaml";
import { Address, endpointText } from "../../src/address.ts";
import type { Configuration } from "../../src/config/options.ts";
import { durationText } from "../../src/config/units.ts";
import type { CrowdsecOptions } from "../../src/crowdsec/options.ts";
import type { LimitOptions } from "../../src/limits/options.ts";
import type { LogOptions, StockDestination } from "../../src/observe/options.ts";
import type { HealthOptions, PoolOptions, ServerOptions } from "../../src/pools/options.ts";
import type { BanOptions, ListenerOptions } from "../../src/proxy/options.ts";
import { makeCertificate } from "../servers/certificate.ts";
import { defaultLimits, defaultSmtp, loaded, serverAt } from "./fixtures.ts";

function listenerEntry(from: ListenerOptions): [string, object] {
  const { name, listen, proxy, ban, smtp, idleTimeoutMs, ...same } = from;
  const written =
    proxy === null
      ? { mode: "off" }
      : { mode: "required", from: proxy.from, timeout: durationText(proxy.timeoutMs) };
  const addresses = listen.map(endpointText);
  return [
    name,
    {
      ...same,
      ...(same.protocol === "smtp" ? { smtp } : {}),
      listen: addresses.length === 1 ? addresses[0] : addresses,
      proxy: written,
      ban: { ...ban, text: ban.text && verbatim(ban.text) },
      idleTimeout: durationText(idleTimeoutMs),
    },
  ];
}

/** What would be a variable is to stay as it is. */
function verbatim(text: string): string {
  return text.replaceAll("${", () => "$${");
}

/** The key stands in the file, the password in one of its own. */
function crowdsecEntry(from: CrowdsecOptions): object {
  const { credentials, ca, updateFrequencyMs, usageMetricsIntervalMs, alerts, ...same } = from;
  const files = credentials.kind === "certificate" ? credentials.files : {};
  return {
    ...same,
    ...(credentials.kind === "key" ? { apiKey: verbatim(credentials.apiKey) } : {}),
    tls: { ...files, ca },
    updateFrequency: durationText(updateFrequencyMs),
    usageMetricsInterval: durationText(usageMetricsIntervalMs),
    alerts: alerts && { machineId: alerts.machineId, passwordFile: "password" },
  };
}

function logEntry({ stockLines, ...same }: LogOptions): object {
  if (stockLines === null) return same;
  const written = stockLines.kind === "file" ? stockLines.path : `udp://${endpointText(stockLines.endpoint)}`;
  return { ...same, stockLines: written };
}

function healthEntry({ intervalMs, timeoutMs, address, ...same }: HealthOptions): object {
  const [host, port] = [address?.host ?? null, address?.port];
  const written = host === null ? `:${port}` : endpointText({ host, port: port! });
  return {
    ...same,
    interval: durationText(intervalMs),
    timeout: durationText(timeoutMs),
    address: address && written,
  };
}

/** The authorities are in a file of the pool's name; a mode alone is the short form. */
function poolEntry(from: PoolOptions): [string, object] {
  const { name, servers, balance, identity, tls, connectTimeoutMs, greetTimeoutMs, health } = from;
  const { timeoutMs, ...park } = from.park;
  const { mode, verify, ca } = tls;
  const isShort = verify === "none" && tls.name === null && ca === null;
  const times = {
    connectTimeout: durationText(connectTimeoutMs),
    greetTimeout: durationText(greetTimeoutMs),
    health: healthEntry(health),
  };
  const written = isShort ? mode : { ...tls, ca: ca === null ? null : name };
  return [
    name,
    {
      servers: servers.map(serverEntry),
      balance,
      identity,
      tls: written,
      ...times,
      park: { timeout: durationText(timeoutMs), ...park },
    },
  ];
}

/** One with nothing special about it is written as its address alone. */
function serverEntry({ endpoint, ...more }: ServerOptions): string | object {
  const address = endpointText(endpoint);
  const isPlain = more.weight === 1 && !more.backup && more.maxConnections === 0;
  return isPlain ? address : { address, ...more };
}

const { certFile, keyFile } = makeCertificate(t.testdir(), "mx.example.test");
const authority = readFileSync(certFile, "utf8");
const key = readFileSync(keyFile, "utf8");

const PASSWORD = "s3cret";

/** The file that says `configuration`. */
function render(from: Configuration): string {
  const { listeners, pools, limits, drainMs, crowdsec, log, admin, ...same } = from;
  const sets = Object.entries(limits).map(([name, { timeUnitSeconds, authFailureDelayMs, ...rest }]) => [
    name,
    {
      ...rest,
      timeUnit: durationText(timeUnitSeconds * 1000),
      authFailureDelay: durationText(authFailureDelayMs),
    },
  ]);
  return stringify({
    ...same,
    drain: durationText(drainMs),
    listeners: Object.fromEntries(listeners.map(listenerEntry)),
    pools: Object.fromEntries(pools.map(poolEntry)),
    limits: Object.fromEntries(sets),
    crowdsec: crowdsec && crowdsecEntry(crowdsec),
    log: logEntry(log),
    admin: { listen: endpointText(admin.listen), topClients: admin.topClients },
  });
}

/** Letters first: an object would move names that look like indices to its front. */
const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_.-]{0,12}$/);
const names = fc.uniqueArray(name, { minLength: 1, maxLength: 4 });
const host = fc.oneof(fc.ipV4(), fc.ipV6()).map((text) => Address.parse(text)?.text ?? "192.0.2.1");
const network = fc.oneof(
  host,
  fc.ipV4().map((text) => `${text}/24`),
  fc.ipV6().map((text) => `${text}/48`),
);
const plain = { noNullPrototype: true };

const ban: fc.Arbitrary<BanOptions> = fc.record(
  {
    action: fc.constantFrom("reply", "drop", "tarpit"),
    text: fc.option(fc.stringMatching(/^[!-~]([ -~]{0,30}[!-~])?$/)),
  },
  plain,
);

const secret = fc.stringMatching(/^[!-~]{1,30}$/);

/** Only where TLS comes first there is a certificate or an authority. */
const crowdsec: fc.Arbitrary<CrowdsecOptions> = fc.boolean().chain((isSecure) => {
  const key = fc.record({ kind: fc.constant("key" as const), apiKey: secret }, plain);
  const files = { cert: certFile, key: keyFile };
  const certificate = fc.constant({ kind: "certificate" as const, files });
  const places = fc.constantFrom("192.0.2.1:8080", "lapi.example.test", "[2001:db8::1]/some/path");
  return fc.record(
    {
      url: places.map((place) => `${isSecure ? "https" : "http"}://${place}`),
      credentials: isSecure ? fc.oneof(key, certificate) : key,
      ca: isSecure ? fc.constantFrom(null, certFile) : fc.constant(null),
      updateFrequencyMs: fc.integer({ min: 1_000, max: 3_600_000 }),
      neverBan: fc.array(network, { maxLength: 3 }),
      onFailure: fc.constantFrom("open", "closed"),
      requireList: fc.boolean(),
      origins: fc.array(fc.stringMatching(/^[A-Za-z0-9_:.-]{1,64}$/), { maxLength: 3 }),
      closeSessions: fc.boolean(),
      otherTypes: fc.constantFrom("ignore", "ban", "tarpit"),
      usageMetricsIntervalMs: fc.nat(86_400_000),
      cache: fc.constantFrom(null, "/var/lib/postern/bans"),
      alerts: fc.option(fc.record({ machineId: name, password: fc.constant(PASSWORD) }, plain)),
    },
    plain,
  );
});

const stockLines: fc.Arbitrary<StockDestination> = fc.oneof(
  fc.record({ kind: fc.constant("file"), path: fc.constantFrom("/var/log/mail: #", "udp") }, plain),
  fc.record(
    {
      kind: fc.constant("udp"),
      endpoint: fc.record({ host, port: fc.integer({ min: 1, max: 65_535 }) }, plain),
    },
    plain,
  ),
);

/** Ports differ, so that no two listeners are in each other's way. */
function listener(
  name: string,
  index: number,
  pools: string[],
  sets: string[],
): fc.Arbitrary<ListenerOptions> {
  const port = (offset: number) => 1000 + 10 * index + offset;
  const from = fc.array(network, { minLength: 1, maxLength: 3 });
  return fc.record(
    {
      name: fc.constant(name),
      listen: fc
        .array(host, { minLength: 1, maxLength: 3 })
        .map((hosts) => hosts.map((host, offset) => ({ host, port: port(offset) }))),
      protocol: fc.constantFrom("smtp", "imap", "tcp"),
      proxy: fc.option(fc.record({ from, timeoutMs: fc.integer({ min: 100, max: 60_000 }) }, plain)),
      tls: fc.constantFrom("off", "starttls", "passthrough", "implicit"),
      ban,
      smtp: fc.record(
        {
          earlyTalk: fc.constantFrom("pass", "refuse"),
          bareNewline: fc.constantFrom("reject", "close"),
          authOnlyOverTls: fc.boolean(),
        },
        plain,
      ),
      pool: fc.constantFrom(...pools),
      limits: fc.constantFrom("default", ...sets),
      idleTimeoutMs: fc.integer({ min: 1_000, max: 86_400_000 }),
      monitors: fc.array(network, { maxLength: 3 }),
    },
    plain,
  );
}

/** Identities that fit every listener. */
function pool(name: string): fc.Arbitrary<PoolOptions> {
  const endpoint = fc.record({ host, port: fc.integer({ min: 1, max: 65_535 }) }, plain);
  const plainServer = endpoint.map((at) => serverAt(at.host, at.port));
  const server = fc.record(
    {
      endpoint,
      weight: fc.integer({ min: 1, max: 256 }),
      backup: fc.boolean(),
      maxConnections: fc.oneof(fc.constant(0), fc.nat()),
    },
    plain,
  );
  return fc.record(
    {
      name: fc.constant(name),
      servers: fc.uniqueArray(fc.oneof(server, plainServer), {
        minLength: 1,
        maxLength: 3,
        selector: ({ endpoint }) => endpointText(endpoint),
      }),
      balance: fc.constantFrom("roundrobin", "leastconn", "source"),
      identity: fc.constantFrom("proxy-v2", "proxy-v1", "none"),
      tls: fc.record(
        {
          mode: fc.constantFrom("off", "starttls", "implicit"),
          verify: fc.constantFrom("none", "ca"),
          name: fc.option(fc.domain()),
          ca: fc.constantFrom(null, authority),
        },
        plain,
      ),
      connectTimeoutMs: fc.integer({ min: 100, max: 300_000 }),
      greetTimeoutMs: fc.integer({ min: 100, max: 600_000 }),
      health: fc.record(
        {
          intervalMs: fc.oneof(fc.constant(0), fc.integer({ min: 100, max: 3_600_000 })),
          timeoutMs: fc.integer({ min: 100, max: 300_000 }),
          address: fc.option(
            fc.record({ host: fc.option(host), port: fc.integer({ min: 1, max: 65_535 }) }, plain),
          ),
          identity: fc.constantFrom("proxy-v2", "proxy-v1", "none", null),
          logIdentity: host,
          rise: fc.integer({ min: 1, max: 100 }),
          fall: fc.integer({ min: 1, max: 100 }),
        },
        plain,
      ),
      park: fc.record(
        {
          timeoutMs: fc.integer({ min: 0, max: 300_000 }),
          max: fc.integer({ min: 0, max: 10_000 }),
          healthchecks: fc.constantFrom("up", "down"),
        },
        plain,
      ),
    },
    plain,
  );
}

/** Sets that share no scope, so that they may say what they like. */
const limitSet: fc.Arbitrary<LimitOptions> = fc.record(
  {
    timeUnitSeconds: fc.integer({ min: 1, max: 86_400 }),
    connectionCount: fc.nat(),
    connectionRate: fc.nat(),
    messageRate: fc.nat(),
    recipientRate: fc.nat(),
    authRate: fc.nat(),
    newTlsSessionRate: fc.nat(),
    authFailureRate: fc.nat(),
    authFailureDelayMs: fc.nat(30_000),
    exceptions: fc.array(network, { maxLength: 3 }),
    ipv4PrefixLength: fc.nat(32),
    ipv6PrefixLength: fc.nat(128),
    scope: fc.constant(null),
    dryRun: fc.boolean(),
  },
  plain,
);

function configuration(listeners: string[], pools: string[], sets: string[]): fc.Arbitrary<Configuration> {
  const limits = fc.tuple(...sets.map(() => limitSet)).map((found) => ({
    default: defaultLimits,
    ...Object.fromEntries(found.map((set, index) => [sets[index], set])),
  }));
  return fc.record(
    {
      hostname: fc.domain(),
      threads: fc.integer({ min: 1, max: 64 }),
      maxConnections: fc.integer({ min: 1, max: 1_000_000 }),
      tableSize: fc.integer({ min: 16, max: 16_777_216 }),
      drainMs: fc.nat(86_400_000),
      listeners: fc.tuple(...listeners.map((name, index) => listener(name, index, pools, sets))),
      pools: fc.tuple(...pools.map(pool)),
      limits,
      tls: fc.record(
        {
          certificates: fc.array(fc.constant({ cert: certFile, key: keyFile }), { maxLength: 2 }),
          minVersion: fc.constantFrom("TLSv1.2", "TLSv1.3"),
        },
        plain,
      ),
      crowdsec: fc.option(crowdsec),
      log: fc.record(
        {
          level: fc.constantFrom("debug", "info", "warn", "error"),
          destination: fc.constantFrom("stdout", "stderr", "/var/log/a: b.log", "# 5", "$HOME"),
          stockLines: fc.option(stockLines),
        },
        plain,
      ),
      admin: fc.record(
        {
          listen: fc.record({ host, port: fc.constant(9025) }, plain),
          token: fc.constant(null),
          topClients: fc.nat(1000),
        },
        plain,
      ),
    },
    plain,
  );
}

/** The same, without what `check` would call a contradiction. */
function coherent(from: Configuration): Configuration {
  const listeners = from.listeners.map((listener): ListenerOptions => {
    const { protocol, tls, smtp } = listener;
    const isSmtp = protocol === "smtp";
    const cannotEnd = from.tls.certificates.length === 0 || (tls === "starttls" && protocol === "tcp");
    return {
      ...listener,
      tls: tls !== "passthrough" && cannotEnd ? "off" : tls,
      smtp: isSmtp ? smtp : defaultSmtp,
    };
  });
  const pools = from.pools.map((pool): PoolOptions => {
    const users = listeners.filter((listener) => listener.pool === pool.name);
    const speaks = (wanted: string) => users.some(({ protocol }) => protocol === wanted);
    const wordless = speaks("tcp") || (speaks("smtp") && speaks("imap"));
    const isInside = users.some(({ tls }) => tls === "passthrough");
    const clashes = isInside || (pool.tls.mode === "starttls" && wordless);
    return clashes ? { ...pool, tls: { ...pool.tls, mode: "off" } } : pool;
  });
  return { ...from, listeners, pools };
}

t.test("loadConfiguration gives the same options when they are written as YAML", async () => {
  const any = fc.tuple(names, names, names).chain((three) => configuration(...three));
  fc.assert(
    fc.property(any.map(coherent), (configuration) => {
      const authorities = configuration.pools.map(({ name }) => [name, authority]);
      const files = {
        ...Object.fromEntries(authorities),
        [certFile]: authority,
        [keyFile]: key,
        password: PASSWORD,
      };
      assert.deepStrictEqual(loaded(render(configuration), { files }), configuration);
    }),
  );
});

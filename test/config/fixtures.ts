/** Loading in tests: no environment but the one given, no files but the ones given. */
import { type LoadedFile, loadConfiguration } from "../../src/config/load.ts";
import type { Configuration } from "../../src/config/options.ts";
import type { LimitOptions } from "../../src/limits/options.ts";
import type { HealthOptions, ParkOptions, PoolTlsOptions, ServerOptions } from "../../src/pools/options.ts";
import type { SmtpOptions } from "../../src/proxy/options.ts";

export interface World {
  readonly environment?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly nowMs?: number;
}

export function load(
  text: string,
  { environment = {}, files = {}, nowMs = Date.now() }: World = {},
): LoadedFile {
  return loadConfiguration(text, {
    name: "postern.yaml",
    environment,
    readFile(path) {
      const found = files[path];
      if (found === undefined) throw Object.assign(new Error("no such file"), { code: "ENOENT" });
      return found;
    },
    nowMs,
  });
}

export function loaded(text: string, world?: World): Configuration {
  const file = load(text, world);
  if (!file.ok) throw new Error(file.errors.join("\n"));
  return file.configuration;
}

/** The errors, without the file's name; none where the file is right. */
export function errorsOf(text: string, world?: World): readonly string[] {
  const file = load(text, world);
  return file.ok ? [] : file.errors.map((error) => error.replace(/^postern\.yaml:/, ""));
}

export function warningsOf(text: string, world?: World): readonly string[] {
  const file = load(text, world);
  return file.ok ? file.warnings.map((warning) => warning.replace(/^postern\.yaml:/, "")) : [];
}

/** The shortest file that is right; what follows it is appended. */
export const least = `listeners:
  smtp:
    listen: 0.0.0.0:2525
    protocol: smtp
    proxy: { mode: off }
    pool: postfix
pools:
  postfix:
    servers: ["127.0.0.1:25"]
    identity: xclient
`;

/** What the set `default` says where the file does not write it. */
export const defaultLimits: LimitOptions = {
  timeUnitSeconds: 60,
  connectionCount: 50,
  connectionRate: 0,
  messageRate: 0,
  recipientRate: 0,
  authRate: 0,
  newTlsSessionRate: 0,
  authFailureRate: 0,
  authFailureDelayMs: 0,
  exceptions: [],
  ipv4PrefixLength: 32,
  ipv6PrefixLength: 64,
  scope: null,
  dryRun: false,
};

/** What a listener's `smtp` says where the file does not write it. */
export const defaultSmtp: SmtpOptions = { earlyTalk: "pass", bareNewline: "reject", authOnlyOverTls: true };

/** What a pool's `tls` says where the file does not write it. */
export const defaultPoolTls: PoolTlsOptions = { mode: "off", verify: "none", name: null, ca: null };

/** What a pool's `health` says where the file does not write it. */
export const defaultHealth: HealthOptions = {
  intervalMs: 10_000,
  timeoutMs: 5000,
  address: null,
  identity: null,
  logIdentity: "192.0.2.1",
  rise: 2,
  fall: 3,
};

/** What a pool's `park` says where the file does not write it, and where it says that nobody is to wait. */
export const defaultPark: ParkOptions = { timeoutMs: 60_000, max: 500, healthchecks: "up" };
export const noPark: ParkOptions = { ...defaultPark, timeoutMs: 0 };

/** A server that stands in the file as an address alone. */
export function serverAt(host: string, port: number): ServerOptions {
  return { endpoint: { host, port }, weight: 1, backup: false, maxConnections: 0 };
}

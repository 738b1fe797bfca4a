/**
 * The two that are compared, each as an administrator would run it: PROXY v2 in, limits by the client's address, PROXY v2
 * out. Postern with its limits, metrics and a log file; HAProxy with timeouts and a stick table that counts the same. Where
 * there is a certificate, TLS with clients ends in either, and servers are told so.
 *
 * Both are told the same routes, and start with empty tables; what they write lies in a directory that goes with them.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Connection, nobody } from "../../src/wire/wire.ts";
import type { CertificateFiles } from "./certificate.ts";
import { type Child, type Cores, startChild } from "./process.ts";
import { loopback, wire } from "./wire.ts";

export type Name = "postern" | "haproxy";

/** What is behind a port that is listened on. */
export interface Route {
  /** The ports of the back ends. */
  readonly to: readonly number[];
  /** What postern makes of it: it follows SMTP, IMAP until login, and is blind to `tcp`, as HAProxy always is. */
  readonly protocol: "smtp" | "imap" | "tcp";
  /** Postern's; by default `reply`. HAProxy drops. */
  readonly banAction?: "reply" | "drop";
}

export interface ProxyOptions {
  readonly routes: readonly Route[];
  /** Of postern's; HAProxy always has one. */
  readonly threads: number;
  readonly cores: Cores;
  /** What clients are shown in TLS; without it they speak in the clear. */
  readonly certificate?: CertificateFiles;
  /** What one client may have in this time; without it nobody comes near. */
  readonly limit?: { readonly connections: number; readonly window: string };
  /** The addresses that HAProxy turns away; postern has them from LAPI. */
  readonly banned?: readonly string[];
  /** Where postern's bans come from, and how often it asks; without it nobody is banned. */
  readonly lapi?: { readonly url: string; readonly updateFrequency: string };
  /** Postern's; without it as by default. */
  readonly healthInterval?: string;
}

export interface ProxyProcess {
  readonly pid: number;
  /** Where clients connect, one for each of the `routes`. */
  readonly ports: readonly number[];
  /** Of postern's metrics and health pages. */
  readonly adminPort: number;
  stop(): Promise<void>;
}

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** Enough for every bench; with two files for each, below the usual limit of 20,000 open files. */
const connectionsMax = 9500;

/** What no client of a bench comes near, so that everything is counted and nobody refused. */
const unlimited = { connections: 1_000_000, window: "60s" };

const startMsMax = 10_000;
const pollMs = 20;

/** Of proxies that run; those that a bench leaves behind when it is interrupted go with it. */
const directories = new Set<string>();

process.once("exit", () => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

export async function startProxy(name: Name, options: ProxyOptions): Promise<ProxyProcess> {
  const directory = mkdtempSync(join(tmpdir(), `bench-${name}-`));
  directories.add(directory);
  const [adminPort = 0, ...ports] = await freePorts(1 + options.routes.length);
  const command =
    name === "postern"
      ? posternCommand(directory, { ports, adminPort }, options)
      : haproxyCommand(directory, ports, options);
  const child = startChild(command, options.cores);
  const stop = async () => {
    await child.stop();
    rmSync(directory, { recursive: true, force: true });
    directories.delete(directory);
  };
  for (const port of ports)
    await untilAccepting(name, port, child).catch((error) => stop().then(() => Promise.reject(error)));
  return { pid: child.pid, ports, adminPort, stop };
}

function posternCommand(
  directory: string,
  { ports, adminPort }: Pick<ProxyProcess, "ports" | "adminPort">,
  options: ProxyOptions,
): string[] {
  const file = join(directory, "postern.yaml");
  const { routes, certificate, lapi, healthInterval, limit = unlimited } = options;
  const health = healthInterval === undefined ? {} : { health: { interval: healthInterval } };
  const listener = ({ protocol, banAction = "reply" }: Route, index: number) => [
    `to${index}`,
    {
      listen: `127.0.0.1:${ports[index]}`,
      protocol,
      proxy: { mode: "required", from: ["127.0.0.0/8"] },
      tls: certificate === undefined ? "off" : "implicit",
      ban: { action: banAction },
      pool: `to${index}`,
    },
  ];
  const pool = ({ to }: Route, index: number) => [
    `to${index}`,
    { servers: to.map((port) => `127.0.0.1:${port}`), identity: "proxy-v2", ...health },
  ];
  const configuration = {
    hostname: "mx.example.test",
    threads: options.threads,
    maxConnections: connectionsMax,
    drain: "0s",
    listeners: Object.fromEntries(routes.map(listener)),
    pools: Object.fromEntries(routes.map(pool)),
    ...(certificate !== undefined && {
      tls: { certificates: [{ cert: certificate.certFile, key: certificate.keyFile }] },
    }),
    limits: {
      default: {
        connectionCount: connectionsMax,
        connectionRate: limit.connections,
        timeUnit: limit.window,
      },
    },
    ...(lapi !== undefined && { crowdsec: { ...lapi, apiKey: "bench", cache: join(directory, "bans") } }),
    log: { destination: join(directory, "postern.log") },
    admin: { listen: `127.0.0.1:${adminPort}` },
  };
  writeFileSync(file, JSON.stringify(configuration, null, 2));
  return [process.execPath, main, "serve", "-c", file];
}

function haproxyCommand(directory: string, ports: readonly number[], options: ProxyOptions): string[] {
  const file = join(directory, "haproxy.cfg");
  const { certificate, banned, limit = unlimited } = options;
  const bans = join(directory, "banned");
  if (banned !== undefined) writeFileSync(bans, banned.join("\n"));
  const reject = "tcp-request session reject if";
  const [bindOptions, serverOptions] =
    certificate === undefined
      ? ["accept-proxy", "send-proxy-v2"]
      : [
          `accept-proxy ssl crt ${certificate.bothFile} curves X25519:P-256`,
          "send-proxy-v2 proxy-v2-options ssl,ssl-cipher",
        ];
  const routes = options.routes.map((route, index) => {
    const servers = route.to.map((to) => `  server at${to} 127.0.0.1:${to} ${serverOptions}\n`);
    return `frontend in${index}
  bind 127.0.0.1:${ports[index]} ${bindOptions}
${banned === undefined ? "" : `  ${reject} { src -f ${bans} }\n`}  tcp-request session track-sc0 src table clients
  ${reject} { sc_conn_rate(0) gt ${limit.connections} }
  default_backend to${index}
backend to${index}
${servers.join("")}`;
  });
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn ${connectionsMax}
defaults
  mode tcp
  timeout connect 5s
  timeout client 5m
  timeout server 5m
  maxconn ${connectionsMax}
${routes.join("")}backend clients
  stick-table type ip size 64k expire 10m store conn_cur,conn_rate(${limit.window})
`,
  );
  return ["haproxy", "-db", "-q", "-f", file];
}

/** Ports that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const options = { endpoint: loopback(0), reusePort: false, onConnection() {}, onAcceptError() {} };
  const listening = await Promise.all(Array.from({ length: count }, () => wire.listen(options)));
  for (const each of listening) each.close();
  return listening.map((each) => each.endpoint.port);
}

/** Connects until somebody answers, and leaves without a word. */
async function untilAccepting(name: Name, port: number, child: Child): Promise<void> {
  const end = performance.now() + startMsMax;
  let isGone = false;
  void child.gone.then(() => {
    isGone = true;
  });
  while (!(await accepts(port))) {
    if (isGone) throw new Error(`${name} cannot be started`);
    if (performance.now() > end) throw new Error(`${name} does not listen on port ${port}`);
    await sleep(pollMs);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    wire.connect(loopback(port), {
      ...nobody,
      onConnect(connection: Connection) {
        connection.close();
        resolve(true);
      },
      onError: () => resolve(false),
    });
  });
}

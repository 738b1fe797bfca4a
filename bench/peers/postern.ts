/** Postern as a peer: by its launcher, with its limits, its metrics, and a log file that has a line for each session. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import manifest from "../../package.json" with { type: "json" };
import { CONNECTIONS_MAX, type Peer, type Place, type ProxyOptions, type Route, UNLIMITED } from "./peer.ts";

const launcher = fileURLToPath(new URL("../../bin/postern", import.meta.url));

export const postern: Peer = {
  hears: "v2",
  tells: "v2",
  lacks: {},
  differs: "",
  warmsUp: true,
  find: () => ({ kind: "found", program: launcher, version: manifest.version }),
  command,
};

function command({ program, directory, ports, adminPort }: Place, options: ProxyOptions): readonly string[] {
  const file = join(directory, "postern.yaml");
  const { routes, certificate, lapi, healthInterval, limit = UNLIMITED } = options;
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
    maxConnections: CONNECTIONS_MAX,
    drain: "0s",
    listeners: Object.fromEntries(routes.map(listener)),
    pools: Object.fromEntries(routes.map(pool)),
    ...(certificate !== undefined && {
      tls: { certificates: [{ cert: certificate.certFile, key: certificate.keyFile }] },
    }),
    limits: {
      default: {
        connectionCount: CONNECTIONS_MAX,
        connectionRate: limit.connections,
        timeUnit: limit.window,
      },
    },
    ...(lapi !== undefined && { crowdsec: { ...lapi, apiKey: "bench", cache: join(directory, "bans") } }),
    log: { destination: join(directory, "postern.log") },
    admin: { listen: `127.0.0.1:${adminPort}` },
  };
  writeFileSync(file, JSON.stringify(configuration, null, 2));
  return [program, "serve", "-c", file];
}

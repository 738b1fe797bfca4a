/**
 * `postern demo [--keep]`: an embedded upstream, the gateway and a little traffic on free loopback ports, with no
 * configuration at all. Prints what to look at, how it goes, and in the end who got through.
 *
 * Ends with 0 when every well-behaved client's message arrived under that client's own address and the one that hammers
 * was held to its limit; `--keep` repeats the traffic until a signal ends it.
 */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import manifest from "../../package.json" with { type: "json" };
import { type Endpoint, parseEndpoint } from "../address.ts";
import type { Configuration } from "../config/options.ts";
import { Traffic } from "../demo/traffic.ts";
import { type DemoUpstream, startUpstream } from "../demo/upstream.ts";
import type { HealthOptions } from "../pools/options.ts";
import { Gateway } from "../threads/gateway.ts";
import { chooseWire } from "../wire/choose.ts";
import { type Command, exitCodes, parseOptions } from "./command.ts";

/** What the client that hammers may have in a window of 60 s. */
const CONNECTION_RATE = 10;

const PROGRESS_MS = 1000;

/** The server is the demo's own, and would show checks as visitors. */
const UNCHECKED: HealthOptions = {
  intervalMs: 0,
  timeoutMs: 5000,
  address: null,
  identity: null,
  logIdentity: "192.0.2.1",
  rise: 2,
  fall: 3,
};

const LOOPBACK: Endpoint = { host: "127.0.0.1", port: 0 };

export const demo: Command = async (args) => {
  const { keep } = parseOptions("demo", args, { keep: { type: "boolean" } });
  const upstream = await startUpstream();
  const logFile = join(mkdtempSync(join(tmpdir(), "postern-demo-")), "postern.log");
  const gateway = await Gateway.start(configurationFor(upstream.endpoint, logFile), manifest.version);
  const listener = gateway.listeners.smtp?.[0] ?? "";
  introduce(gateway, listener, logFile);

  const traffic = new Traffic(chooseWire(process.env), parseEndpoint(listener)!);
  const interrupted = new Promise<void>((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
  const progress = setInterval(() => console.log(`  ${standing(traffic)}`), PROGRESS_MS);
  const isOver = await Promise.race([traffic.round().then(() => false), interrupted.then(() => true)]);
  clearInterval(progress);
  const well = report(traffic, upstream);
  if (keep && !isOver) {
    console.log("\n--keep: the gateway runs on, without traffic. Ctrl-C ends it.");
    await interrupted;
  }
  await gateway.drain();
  await upstream.close();
  return well || isOver ? exitCodes.well : exitCodes.failed;
};

function configurationFor(upstream: Endpoint, logFile: string): Configuration {
  return {
    hostname: "mx.demo.test",
    threads: 2,
    maxConnections: 1000,
    tableSize: 4096,
    drainMs: 2000,
    listeners: [
      {
        name: "smtp",
        listen: [LOOPBACK],
        protocol: "smtp",
        proxy: { from: ["127.0.0.1/32"], timeoutMs: 3000 },
        tls: "off",
        ban: { action: "reply", text: null },
        smtp: { earlyTalk: "pass", bareNewline: "reject", authOnlyOverTls: true },
        pool: "embedded",
        limits: "default",
        idleTimeoutMs: 60_000,
        monitors: [],
      },
    ],
    pools: [
      {
        name: "embedded",
        servers: [{ endpoint: upstream, weight: 1, backup: false, maxConnections: 0 }],
        balance: "roundrobin",
        identity: "proxy-v1",
        tls: { mode: "off", verify: "none", name: null, ca: null },
        connectTimeoutMs: 5000,
        greetTimeoutMs: 30_000,
        health: UNCHECKED,
        park: { timeoutMs: 60_000, max: 500, healthchecks: "up" },
      },
    ],
    limits: {
      default: {
        timeUnitSeconds: 60,
        connectionCount: 50,
        connectionRate: CONNECTION_RATE,
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
      },
    },
    tls: { certificates: [], minVersion: "TLSv1.2" },
    crowdsec: null,
    log: { level: "info", destination: logFile, stockLines: null },
    admin: { listen: LOOPBACK, token: null, topClients: 50 },
  };
}

function introduce(gateway: Gateway, listener: string, logFile: string): void {
  const admin = `http://${gateway.admin}`;
  console.log(`postern ${manifest.version}: a gateway at ${listener}, before an embedded mail server.
200 clients send a message each through a load balancer (PROXY v2); one more hammers.
Each client may connect ${CONNECTION_RATE} times in 60 s (limits.default.connectionRate).

Look at
  ${admin}/metrics           for Prometheus
  ${admin}/api/clients       the busiest clients
  ${admin}/api/clients/198.51.100.66
  ${logFile}   one line for each connection
`);
}

function standing(traffic: Traffic): string {
  const count = (kind: "delivered" | "refused" | "lost") => String(traffic.total(kind)).padStart(4);
  return `delivered ${count("delivered")}   refused ${count("refused")}   lost ${count("lost")}`;
}

/** Prints who got through; whether all went as it must. */
function report(traffic: Traffic, upstream: DemoUpstream): boolean {
  const rows = [...traffic.tallies].map(([client, tally]) => {
    return { client, ...tally, seen: upstream.delivered.get(client) ?? 0 };
  });
  const hammer = rows.filter(({ client }) => client === traffic.hammer);
  const others = rows.filter(({ client }) => client !== traffic.hammer);
  console.log(`\n${row("client", "delivered", "refused", "lost", "upstream saw")}`);
  for (const { client, delivered, refused, lost, seen } of [
    ...hammer,
    ...others.slice(0, 3),
    ...others.slice(-2),
  ]) {
    console.log(row(client, delivered, refused, lost, seen));
  }
  const sum = (key: "delivered" | "refused" | "lost" | "seen") =>
    rows.reduce((total, each) => total + each[key], 0);
  console.log(row(`all ${rows.length} clients`, sum("delivered"), sum("refused"), sum("lost"), sum("seen")));
  const reply = hammer[0]?.reply;
  if (reply) console.log(`\nThe one that hammers was told: ${reply}`);
  const heldToLimit = hammer[0]?.delivered === CONNECTION_RATE && hammer[0].refused > 0;
  return heldToLimit && others.every(({ delivered, seen }) => delivered === 1 && seen === 1);
}

function row(client: string, ...cells: (string | number)[]): string {
  return client.padEnd(24) + cells.map((cell) => String(cell).padStart(14)).join("");
}

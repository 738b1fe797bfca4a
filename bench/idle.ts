/**
 * What an idle connection holds: the proxy's resident memory for each of 9,000 clients that are silent. They have been
 * greeted and have said EHLO, or are logged in to IMAP and await new mails, in the clear or in TLS that ends here.
 *
 *     node bench/idle.ts [ROUNDS [smtp | imap | imaps]…]
 *
 * Each round starts every proxy anew. What it needs for itself is taken off: its memory after a warm-up of whole sessions.
 * IMAP stands beside the splice that never looked at it as well.
 */
import { setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";
import { Trust } from "../src/wire/trust.ts";
import { type Connection, nobody } from "../src/wire/wire.ts";
import { makeCertificate } from "./harness/certificate.ts";
import { residentBytes } from "./harness/proc.ts";
import { loadCore, pinSelf, proxyCore } from "./harness/process.ts";
import { inRounds, median, partsAsked, report, rounded, roundsAsked } from "./harness/report.ts";
import { nextOpening } from "./harness/sessions.ts";
import { hello, inbox, type Line, type Script, Talk } from "./harness/talk.ts";
import { GROUP } from "./harness/tls.ts";
import { type Backend, loopback, startBackend, wire } from "./harness/wire.ts";
import { type Name, type ProxyOptions, type Route, startProxy } from "./peers/start.ts";

const CONNECTIONS = 9000;
const WARM_UP_CONNECTIONS = 500;

/** Clients that connect at the same time: what waits in a queue is nothing that idles. */
const PARALLEL = 64;

/** So long nothing happens before memory is read, as on an idle connection. */
const SETTLE_MS = 3000;

const RUN_MS_MAX = 120_000;

interface Case {
  readonly session: "SMTP" | "IMAP" | "IMAP in TLS";
  readonly proxy: Name;
  readonly protocol: Route["protocol"];
}

const PARTS = ["smtp", "imap", "imaps"] as const;

const CASES: Readonly<Record<(typeof PARTS)[number], readonly Case[]>> = {
  smtp: [
    { session: "SMTP", proxy: "postern", protocol: "smtp" },
    { session: "SMTP", proxy: "haproxy", protocol: "tcp" },
  ],
  imap: [
    { session: "IMAP", proxy: "postern", protocol: "imap" },
    { session: "IMAP", proxy: "postern", protocol: "tcp" },
  ],
  imaps: [
    { session: "IMAP in TLS", proxy: "postern", protocol: "imap" },
    { session: "IMAP in TLS", proxy: "haproxy", protocol: "tcp" },
  ],
};

interface Figures {
  readonly baseMiB: number;
  readonly kbPerConnection: number;
}

const certificate = makeCertificate("ECDSA P-256");
const nothing = Buffer.alloc(0);

/** Before the clients' context is made: HAProxy's OpenSSL may not know what Node's would offer first. */
tls.DEFAULT_ECDH_CURVE = GROUP;
const trust = new Trust({ verify: "none", name: null, ca: null });

/** Says the PROXY header in the clear, and goes on inside TLS where it is asked for. */
function begin(
  port: number,
  isSecure: boolean,
  talk: Omit<ConstructorParameters<typeof Talk>[0], "opening">,
): void {
  const opening = nextOpening();
  if (!isSecure) {
    wire.connect(loopback(port), new Talk({ ...talk, opening }));
    return;
  }
  wire.connect(loopback(port), {
    ...nobody,
    onConnect(connection: Connection) {
      connection.write(opening);
      connection.owner = new Talk(talk);
      connection.secure({ side: "client", trust }, nothing);
    },
    onError: (_connection, code) => talk.over(code),
  });
}

/** Opens `count` connections, and resolves with them when the last has had all its answers. */
function open(port: number, count: number, { session }: Case): Promise<Line[]> {
  const { client: steps } = scriptOf(session);
  const isSecure = session === "IMAP in TLS";
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${count} connections took too long`)), RUN_MS_MAX);
    const idle: Line[] = [];
    let begun = 0;
    const next = () => {
      begun++;
      begin(port, isSecure, { steps, finished, over });
    };
    const finished = (connection: Line) => {
      idle.push(connection);
      if (begun < count) next();
      if (idle.length < count) return;
      clearTimeout(timer);
      resolve(idle);
    };
    const over = (fault: string | null) => reject(new Error(fault ?? "the proxy closed an idle connection"));
    while (begun < Math.min(PARALLEL, count)) next();
  });
}

function scriptOf(session: Case["session"]): Script {
  return session === "SMTP" ? hello : inbox;
}

function startServer(session: Case["session"]): Promise<Backend> {
  const { server: steps } = scriptOf(session);
  return startBackend((connection) => {
    const talk = new Talk({ steps, finished: () => {}, over: () => {} });
    connection.owner = talk;
    talk.onConnect(connection);
  });
}

async function measure(of: Case): Promise<Figures> {
  const backend = await startServer(of.session);
  const routes: readonly Route[] = [{ to: [backend.port], protocol: of.protocol }];
  const options: ProxyOptions = { routes, threads: 1, cores: proxyCore };
  const proxy = await startProxy(
    of.proxy,
    of.session === "IMAP in TLS" ? { ...options, certificate } : options,
  );
  const port = proxy.ports[0]!;
  try {
    for (const connection of await open(port, WARM_UP_CONNECTIONS, of)) connection.close();
    await sleep(SETTLE_MS);
    const base = residentBytes(proxy.pid);
    const connections = await open(port, CONNECTIONS, of);
    await sleep(SETTLE_MS);
    const grown = residentBytes(proxy.pid) - base;
    for (const connection of connections) connection.close();
    return { baseMiB: base / 2 ** 20, kbPerConnection: grown / 1000 / CONNECTIONS };
  } finally {
    await proxy.stop();
    backend.close();
  }
}

async function main(): Promise<void> {
  pinSelf(loadCore);
  const cases = partsAsked(PARTS).flatMap((part) => CASES[part]);
  const rounds = await inRounds(roundsAsked(3), async () => {
    const figures = [];
    for (const each of cases) figures.push(await measure(each));
    return figures;
  });
  const rows = cases.map((each, index) => {
    const middle = (figure: keyof Figures) => rounded(median(rounds.map((round) => round[index]![figure])));
    return { ...each, baseMiB: middle("baseMiB"), kbPerConnection: middle("kbPerConnection") };
  });
  console.table(rows);
  report("idle", { connections: CONNECTIONS, rounds: rounds.length, rows });
}

await main();

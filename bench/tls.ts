/**
 * What TLS costs where it ends at the proxy: the CPU for one mail of 3 KB, over PROXY v2 in and out, with a whole handshake
 * or a resumed one in front, beside HAProxy's for the same. Postern reads the mail, HAProxy does not.
 *
 *     node bench/tls.ts [ROUNDS [ecdsa | rsa | tls12]…]
 *
 * The clients see to it that both agree on the same version, cipher and group.
 */
import { type KeyKind, makeCertificate } from "./harness/certificate.ts";
import { cpuMs } from "./harness/proc.ts";
import { loadCore, pinSelf, proxyCore } from "./harness/process.ts";
import { inRounds, median, partsAsked, report, rounded, roundsAsked } from "./harness/report.ts";
import { type Begin, runSessions, startMailServer } from "./harness/sessions.ts";
import { GROUP, type Terms, TlsClients } from "./harness/tls.ts";
import { type ProxyProcess, startProxy } from "./peers/start.ts";

const NAMES = ["postern", "haproxy"] as const;

type Name = (typeof NAMES)[number];

const HANDSHAKES = ["full", "resumed"] as const;
const PARALLEL = 16;

/** Half a second of a proxy's CPU and more. */
const SESSIONS = 1500;

/** What V8 needs to have compiled everything that counts. */
const WARM_UP_SESSIONS = 7000;

interface Load {
  readonly key: KeyKind;
  readonly terms: Terms;
}

const tls13: Terms = { version: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" };

const PARTS = ["ecdsa", "rsa", "tls12"] as const;

const LOADS: Readonly<Record<(typeof PARTS)[number], Load>> = {
  ecdsa: { key: "ECDSA P-256", terms: tls13 },
  rsa: { key: "RSA 2048", terms: tls13 },
  tls12: { key: "ECDSA P-256", terms: { version: "TLSv1.2", cipher: "ECDHE-ECDSA-AES256-GCM-SHA384" } },
};

interface Figures {
  readonly userUs: number;
  readonly cpuUs: number;
}

/** A proxy, and what begins a session of either kind with it. */
interface Side {
  readonly proxy: ProxyProcess;
  readonly full: Begin;
  readonly resumed: Begin;
}

async function startSide(name: Name, backend: number, { key, terms }: Load): Promise<Side> {
  const proxy = await startProxy(name, {
    routes: [{ to: [backend], protocol: "smtp" }],
    threads: 1,
    cores: proxyCore,
    certificate: makeCertificate(key),
  });
  const clients = new TlsClients(proxy.ports[0]!, terms);
  const resumed = clients.sessions(await clients.ticket());
  const side = { proxy, full: clients.sessions(null), resumed };
  for (const handshake of HANDSHAKES) await runSessions(side[handshake], WARM_UP_SESSIONS / 2, PARALLEL);
  return side;
}

async function measure(pid: number, begin: Begin): Promise<Figures> {
  const before = cpuMs(pid);
  await runSessions(begin, SESSIONS, PARALLEL);
  const after = cpuMs(pid);
  const userUs = ((after.userMs - before.userMs) * 1000) / SESSIONS;
  const systemUs = ((after.systemMs - before.systemMs) * 1000) / SESSIONS;
  return { userUs, cpuUs: userUs + systemUs };
}

async function compare(load: Load, backend: number, count: number) {
  const sides = {
    postern: await startSide("postern", backend, load),
    haproxy: await startSide("haproxy", backend, load),
  };
  const rows = [];
  for (const handshake of HANDSHAKES) {
    const rounds = await inRounds(count, async () => ({
      postern: await measure(sides.postern.proxy.pid, sides.postern[handshake]),
      haproxy: await measure(sides.haproxy.proxy.pid, sides.haproxy[handshake]),
    }));
    const middle = (name: Name, figure: keyof Figures) =>
      rounded(median(rounds.map((round) => round[name][figure])));
    rows.push({
      version: load.terms.version,
      key: load.key,
      handshake,
      posternUserUs: middle("postern", "userUs"),
      posternCpuUs: middle("postern", "cpuUs"),
      haproxyUserUs: middle("haproxy", "userUs"),
      haproxyCpuUs: middle("haproxy", "cpuUs"),
      ratio: rounded(median(rounds.map(({ postern, haproxy }) => postern.cpuUs / haproxy.cpuUs))),
    });
  }
  for (const name of NAMES) await sides[name].proxy.stop();
  return rows;
}

async function main(): Promise<void> {
  pinSelf(loadCore);
  const backend = await startMailServer();
  const count = roundsAsked(5);
  const loads = partsAsked(PARTS).map((part) => LOADS[part]);
  const rows = [];
  for (const load of loads) rows.push(...(await compare(load, backend.port, count)));
  backend.close();

  console.table(rows);
  const ciphers = loads.map(({ terms }) => terms.cipher);
  report("tls", { group: GROUP, ciphers, rounds: count, rows });
}

await main();

/**
 * What a connection costs that is turned away, by a limit or by a ban: the proxy's CPU for each, beside HAProxy's
 * `tcp-request session reject` of the same clients by the same rule. Both know the client by PROXY v2, so that HAProxy's
 * `connection reject`, which sees the load balancer alone, can be no part of it.
 *
 *     node bench/refused.ts [ROUNDS]
 *
 * HAProxy rejects without a word. Postern does it in both ways: `reply`, in SMTP's words, as it does unless it is told
 * otherwise, and `silent`, the same as HAProxy. The goal counts for the words: they are what postern's users have on.
 */
import { Address } from "../src/address.ts";
import { encodeV2 } from "../src/proxy/header.ts";
import { type Connection, nobody } from "../src/wire/wire.ts";
import { bannedAddress, StandInLapi, untilHeld } from "./harness/lapi.ts";
import { cpuNs } from "./harness/proc.ts";
import { loadCore, pinSelf, proxyCore } from "./harness/process.ts";
import { inRounds, median, report, rounded, roundsAsked } from "./harness/report.ts";
import { type Begin, nextOpening, runSessions, sessionsTo, startMailServer } from "./harness/sessions.ts";
import { destination, openings } from "./harness/talk.ts";
import { loopback, wire } from "./harness/wire.ts";
import { type ProxyProcess, startProxy } from "./peers/start.ts";

const DECISIONS = 50_000;
const PARALLEL = 32;

/** A tenth of a second of a proxy's CPU, which the scheduler counts in nanoseconds. */
const CONNECTIONS = 4000;

/** What V8 needs to have compiled everything that counts. */
const WARM_UP_CONNECTIONS = 8000;

/** Each client has one connection in so long a time, which is longer than the bench, and is over its limit with the next. */
const LIMIT = { connections: 1, window: "1h" };

const REASONS = ["limit", "ban"] as const;
const WAYS = ["reply", "silent", "haproxy"] as const;

type Reason = (typeof REASONS)[number];
type Way = (typeof WAYS)[number];

/** Microseconds of CPU for each connection. */
type Figures = Readonly<Record<Reason, Readonly<Record<Way, number>>>>;

/** Where connections go, and the word that they are turned away with; empty where there is to be none. */
interface Target {
  readonly pid: number;
  readonly port: number;
  readonly word: string;
  readonly opening: () => Buffer;
}

type Targets = Readonly<Record<Reason, Readonly<Record<Way, Target>>>>;

const banned = Array.from({ length: DECISIONS }, (_, number) => bannedAddress(number));

/** No PROXY header may say that a client is this machine. */
const bannedOpenings = banned
  .filter((address) => !address.startsWith("127."))
  .slice(0, openings.length)
  .map((text, index) => {
    const address = Address.parse(text);
    if (address === null) throw new Error(`${text} is no address`);
    return encodeV2({ address, port: 1024 + index }, { ...destination, address });
  });

let begun = 0;

function nextBannedOpening(): Buffer {
  return bannedOpenings[begun++ % bannedOpenings.length]!;
}

/** Says who the client is, and nothing more; any end is one, but not any word. */
function refusedBy({ port, word, opening }: Target): Begin {
  return (over) => {
    let said = "";
    const end = () => over(said.startsWith(word) && (word !== "" || said === "") ? null : `was told ${said}`);
    wire.connect(loopback(port), {
      ...nobody,
      onConnect(connection: Connection) {
        connection.write(opening());
        connection.start();
      },
      onData(_connection, bytes) {
        said += Buffer.from(bytes).toString("latin1");
      },
      onEnd(connection) {
        connection.close();
        end();
      },
      // A rejection that did not wait for the client's end.
      onError: end,
    });
  };
}

async function measure(target: Target): Promise<number> {
  const before = cpuNs(target.pid);
  await runSessions(refusedBy(target), CONNECTIONS, PARALLEL);
  return (cpuNs(target.pid) - before) / 1000 / CONNECTIONS;
}

function targetsOf(
  by: Readonly<Record<Reason, Readonly<Record<"postern" | "haproxy", ProxyProcess>>>>,
): Targets {
  const of = (reason: Reason, word: string, opening: () => Buffer) => {
    const { postern, haproxy } = by[reason];
    const [replyPort = 0, silentPort = 0] = postern.ports;
    return {
      reply: { pid: postern.pid, port: replyPort, word, opening },
      silent: { pid: postern.pid, port: silentPort, word: "", opening },
      haproxy: { pid: haproxy.pid, port: haproxy.ports[0]!, word: "", opening },
    };
  };
  return { limit: of("limit", "421 ", nextOpening), ban: of("ban", "554 ", nextBannedOpening) };
}

async function main(): Promise<void> {
  pinSelf(loadCore);
  const backend = await startMailServer();
  const lapi = await StandInLapi.start({ decisions: DECISIONS, startsEmpty: false });
  const to = [backend.port];
  const room = { threads: 1, cores: proxyCore };
  // Where postern reads nothing it has no words for a refusal either.
  const limit = {
    ...room,
    limit: LIMIT,
    routes: [
      { to, protocol: "smtp" },
      { to, protocol: "tcp" },
    ],
  } as const;
  const ban = {
    ...room,
    lapi: { url: lapi.url, updateFrequency: "10s" },
    banned,
    routes: [
      { to, protocol: "smtp" },
      { to, protocol: "smtp", banAction: "drop" },
    ],
  } as const;
  const proxies = {
    limit: { postern: await startProxy("postern", limit), haproxy: await startProxy("haproxy", limit) },
    ban: { postern: await startProxy("postern", ban), haproxy: await startProxy("haproxy", ban) },
  };
  await untilHeld(proxies.ban.postern.adminPort, DECISIONS);
  const targets = targetsOf(proxies);
  for (const way of WAYS) await runSessions(sessionsTo(targets.limit[way].port), openings.length, PARALLEL);
  for (const reason of REASONS)
    for (const way of WAYS) await runSessions(refusedBy(targets[reason][way]), WARM_UP_CONNECTIONS, PARALLEL);

  const each = async (reason: Reason) => ({
    reply: await measure(targets[reason].reply),
    silent: await measure(targets[reason].silent),
    haproxy: await measure(targets[reason].haproxy),
  });
  const rounds = await inRounds(roundsAsked(9), async () => ({
    limit: await each("limit"),
    ban: await each("ban"),
  }));
  for (const reason of REASONS) for (const proxy of Object.values(proxies[reason])) await proxy.stop();
  lapi.stop();
  backend.close();
  tell(rounds);
}

function tell(rounds: readonly Figures[]): void {
  const rows = REASONS.flatMap((by) =>
    WAYS.map((way) => ({ by, way, cpuUs: rounded(median(rounds.map((round) => round[by][way]))) })),
  );
  const results = REASONS.flatMap((by) =>
    (["reply", "silent"] as const).map((way) => {
      const ratios = rounds.map((round) => round[by][way] / round[by].haproxy);
      return { by, way, ratio: rounded(median(ratios)), ratios: ratios.map(rounded) };
    }),
  );
  console.table(rows);
  report("refused", { decisions: DECISIONS, clients: openings.length, results, rows });
}

await main();

/**
 * Whether bytes arrive as they were sent where both readers are slow and the writers are not: eight connections with
 * numbered bytes in both directions, beside 1,000 short sessions a second through the same data thread, whose reads and
 * writes go through the same buffers.
 *
 *     node bench/slow-readers.ts [SECONDS]
 *
 * Exit code 1 when one byte is wrong or missing, or a session failed. POSTERN_WIRE=net tries the other wire.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Numbered } from "./harness/numbered.ts";
import { loadCore, pinSelf, proxyCore } from "./harness/process.ts";
import { report } from "./harness/report.ts";
import { sessionsTo, startMailServer } from "./harness/sessions.ts";
import { openings } from "./harness/talk.ts";
import { loopback, startBackend, wire } from "./harness/wire.ts";
import { startProxy } from "./peers/start.ts";

const CONNECTIONS = 8;
const SESSIONS_PER_SECOND = 1000;

/** Sessions begin in small groups: as often as Node's timers are worth. */
const TICK_MS = 5;

/** After its time is over, what is still on its way gets so long. */
const REST_MS = 60_000;

const greeting = Buffer.from("220 mx.example.test ESMTP\r\n");

/** Pieces of up to 256 KiB, so far apart, are 2.5 MB a second: far less than any writer could send. */
const pauseMs = () => 50 + Math.random() * 100;

interface Pair {
  readonly client: Numbered;
  readonly server: Numbered;
}

interface Ends {
  readonly faults: string[];
  /** Sides that are over. */
  count: number;
}

/** What became of the short sessions. */
interface Sessions {
  readonly done: number;
  readonly faults: readonly string[];
}

/** The connections are opened one by one, so that each side knows which one the other is. */
async function openPairs(port: number, accepted: () => Promise<Numbered>, ends: Ends): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (let index = 0; index < CONNECTIONS; index++) {
    const client = new Numbered({
      opening: openings[index]!,
      awaitBytes: greeting.length,
      sends: 2 * index,
      receives: 2 * index + 1,
      pauseMs,
      over: (fault) => end(ends, fault),
    });
    const server = accepted();
    wire.connect(loopback(port), client);
    pairs.push({ client, server: await server });
  }
  return pairs;
}

function end(ends: Ends, fault: string | null): void {
  ends.count++;
  if (fault !== null) ends.faults.push(fault);
}

/** An open loop: as many sessions as the time asks for, whatever became of the earlier ones. */
async function runShortSessions(port: number, seconds: number): Promise<Sessions> {
  const total = SESSIONS_PER_SECOND * seconds;
  const faults: string[] = [];
  const begin = sessionsTo(port);
  const began = performance.now();
  let begun = 0;
  let done = 0;
  const over = (fault: string | null) => {
    done++;
    if (fault !== null) faults.push(fault);
  };
  while (begun < total) {
    const due = Math.min(total, ((performance.now() - began) / 1000) * SESSIONS_PER_SECOND);
    for (; begun < due; begun++) begin(over);
    await sleep(TICK_MS);
  }
  await until(() => done === total);
  return { done, faults };
}

/** Looks again and again, for as long as a rest may take. */
async function until(isSo: () => boolean): Promise<void> {
  const endMs = performance.now() + REST_MS;
  while (!isSo() && performance.now() < endMs) await sleep(TICK_MS);
}

async function main(): Promise<void> {
  const seconds = Number(process.argv[2] ?? 10);
  if (!(seconds >= 1 && seconds <= 600)) throw new Error("seconds: 1 to 600");
  pinSelf(loadCore);
  const ends: Ends = { faults: [], count: 0 };
  let whenAccepted: (side: Numbered) => void = () => {};
  let accepts = 0;
  const accepted = () =>
    new Promise<Numbered>((resolve) => {
      whenAccepted = resolve;
    });
  const slow = await startBackend((connection) => {
    const index = accepts++;
    const side = new Numbered({
      opening: greeting,
      awaitBytes: openings[0]!.length,
      sends: 2 * index + 1,
      receives: 2 * index,
      pauseMs,
      over: (fault) => end(ends, fault),
    });
    connection.owner = side;
    side.onConnect(connection);
    whenAccepted(side);
  });
  const short = await startMailServer();
  const proxy = await startProxy("postern", {
    routes: [
      { to: [slow.port], protocol: "tcp" },
      { to: [short.port], protocol: "smtp" },
    ],
    threads: 1,
    cores: proxyCore,
  });

  const pairs = await openPairs(proxy.ports[0]!, accepted, ends);
  const sessions = await runShortSessions(proxy.ports[1]!, seconds);
  for (const { client, server } of pairs) {
    client.hurry();
    server.hurry();
  }
  await until(() => ends.count === 2 * CONNECTIONS);
  await proxy.stop();
  slow.close();
  short.close();

  process.exit(tell(pairs, ends.faults, sessions, seconds) ? 0 : 1);
}

/** Tells what came of it; whether all is well. */
function tell(
  pairs: readonly Pair[],
  slowFaults: readonly string[],
  sessions: Sessions,
  seconds: number,
): boolean {
  const rows = pairs.flatMap(({ client, server }, connection) => [
    { connection, direction: "upload", ...streamOf(client, server) },
    { connection, direction: "download", ...streamOf(server, client) },
  ]);
  const failed = sessions.faults.length + (SESSIONS_PER_SECOND * seconds - sessions.done);
  const faults = [...new Set([...slowFaults, ...sessions.faults])];
  const isWell =
    failed === 0 &&
    faults.length === 0 &&
    rows.every((row) => row.corruptBytes === 0 && row.sentBytes > 0 && row.sentBytes === row.receivedBytes);
  console.table(rows);
  console.log(`${sessions.done} short sessions in ${seconds} s, ${failed} failed`);
  console.log(isWell ? "every byte arrived as it was sent" : "NOT every byte arrived as it was sent");
  for (const fault of faults) console.log(`fault: ${fault}`);
  report("slow-readers", {
    seconds,
    sentBytes: sum(rows.map((row) => row.sentBytes)),
    receivedBytes: sum(rows.map((row) => row.receivedBytes)),
    corruptBytes: sum(rows.map((row) => row.corruptBytes)),
    sessions: sessions.done,
    failed,
    isWell,
  });
  return isWell;
}

function streamOf(from: Numbered, to: Numbered) {
  return { sentBytes: from.sentBytes, receivedBytes: to.receivedBytes, corruptBytes: to.corruptBytes };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

await main();

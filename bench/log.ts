/**
 * What a session's log line costs the data thread that writes it, in nanoseconds.
 *
 *     node bench/log.ts
 *
 * - `stringify`: the bare JSON of such a line, as a floor.
 * - `thread log`: as in a data thread: pino, the batch, and handing it over to nobody.
 * - `debug, off`: a health check's line at level info, which is not written.
 * - `counters`: what the same session costs in the counters, for comparison.
 */
import { Address } from "../src/address.ts";
import { Batch } from "../src/observe/batch.ts";
import { Counters, ThreadCounters } from "../src/observe/counters.ts";
import { ThreadLog } from "../src/observe/threadlog.ts";
import type { SessionRecord } from "../src/record.ts";

const LINES = 300_000;
const ROUNDS = 5;

/** Clients differ, so that no address has its text ready. */
function record(line: number, outcome: SessionRecord["outcome"]): SessionRecord {
  return {
    id: `k3x9${line}`,
    client: { address: Address.v4(0xcb007100 + (line % 65536)), port: 40123 },
    peer: { address: Address.v4(0x0a001401), port: 51234 },
    outcome,
    reason: null,
    ban: null,
    detail: null,
    server: "127.0.0.1:25",
    durationMs: 812,
    parkedMs: null,
    bytesIn: 4096,
    bytesOut: 733,
    smtp: { mails: 1, recipients: 1, refused: 0 },
    imap: null,
    inspected: "full",
    tls: null,
  };
}

/** The best round: the others had a neighbour. */
function measure(write: (line: number) => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    for (let line = 0; line < LINES; line++) write(line);
    best = Math.min(best, Number(process.hrtime.bigint() - start) / LINES);
  }
  return Math.round(best);
}

const listener = { name: "smtp", protocol: "smtp" };
const shape = { threads: 1, listeners: 1, pools: 1 };
const counters = new ThreadCounters(Counters.allocate(shape), shape, 0);
const backlog = Batch.backlog();
const log = new ThreadLog({
  level: "info",
  backlog,
  send: () => Atomics.store(backlog, 0, 0),
  dropped() {
    throw new Error("the backlog is never full here");
  },
});

let length = 0;
const results: Record<string, number> = {
  stringify: measure((line) => {
    const { client, peer, ...rest } = record(line, "closed");
    const parties = { client: client?.address.text, peer: peer?.address.text };
    length += JSON.stringify({ time: new Date().toISOString(), ...listener, ...rest, ...parties }).length;
  }),
  "thread log": measure((line) => log.session(listener, record(line, "closed"))),
  "debug, off": measure((line) => log.session(listener, record(line, "healthcheck"))),
  counters: measure((line) => {
    counters.accepted(0);
    counters.ended(0, record(line, "closed"));
  }),
};

console.table(Object.fromEntries(Object.entries(results).map(([name, ns]) => [name, { "ns per line": ns }])));
console.log(
  JSON.stringify({
    bench: "log",
    node: process.version,
    lineLength: Math.round(length / LINES / ROUNDS),
    ns: results,
  }),
);
process.exit(0);

/**
 * The target's own counters beside the harness's: read before a run and after it, over HTTP, as Prometheus reads them.
 *
 * What each known counter means to the harness stands in one table. Only what both sides can know is compared: a session
 * that broke off may have had its message taken or not, and what TLS adds to bytes is nobody's business. A target writes
 * its counters when it gets to it, so that a difference is one only when it stays.
 *
 * It changes nothing at the target, and follows no redirect: only the address that somebody named is asked.
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Agreement,
  connectedOf,
  type Finding,
  isSilentRefusal,
  type Phase,
  type Result,
} from "../load/result.ts";
import { parsePage, type Series } from "./exposition.ts";

/** Prometheus itself gives up after 10 s; nobody shall wait so long twice. */
const SCRAPE_MS_MAX = 5000;

/** An exporter with 10,000 series of 200 bytes each has 2 MB; of more there is no end in sight. */
const PAGE_BYTES_MAX = 16 * 1024 * 1024;

/** Sessions that the harness has left are over for the target when it has read their end, which is soon, or never. */
const PATIENCE_MS = 5000;

/** Between two looks at counters that do not agree yet. */
const POLL_MS = 100;

/** As much of a result as there is to compare. */
export type Ran = Pick<Result, "plan" | "counts" | "replies" | "faults">;

export interface Comparison {
  readonly agreements: readonly Agreement[];
  /** What kept the two from being compared. */
  readonly findings: readonly Finding[];
}

/** By how much the counters of this name have grown, over all series that `takes` lets in. */
type Growth = (name: string, takes?: (labels: Series["labels"]) => boolean) => number;

/** What both sides counted of one thing; null where they cannot both know it. */
interface Row {
  readonly what: string;
  pair(ran: Ran, growth: Growth): readonly [harness: number, target: number] | null;
  /** Only a target that reads its sessions can count it, and none need. */
  readonly isRead: boolean;
}

interface Known {
  /** The counter that every connection is in. */
  readonly connections: string;
  /** The label that tells listeners apart. The one whose connections have grown most is the one that the run went to. */
  readonly listener: string;
  /** The counters that stand still where the target does not read its sessions. */
  readonly reads: readonly string[];
  readonly rows: readonly Row[];
}

/** Why postern turns a client away before a server has greeted it, whatever it says. */
const atTheDoor = /^(?:banned|ban-list-missing|max-connections|connection-count|connection-rate|proxy-.*)$/;

const is = (label: string, value: string) => (labels: Series["labels"]) => labels.get(label) === value;

const known: readonly Known[] = [
  {
    connections: "postern_connections_total",
    listener: "listener",
    reads: ["postern_messages_total", "postern_auth_total"],
    rows: [
      row("sessions begun", (ran, growth) => [connectedOf(ran), growth("postern_connections_total")]),
      row("sessions turned away", (ran, growth) => {
        // Whom no server would have hears the same words as one that is refused, and whoever waits may be parked or banned.
        const isUnclear = ran.faults.some(
          ({ phase, kind }) => phase === "greeting" && (kind === "timeout" || kind === "cut"),
        );
        if (isUnclear || growth("postern_sessions_total", is("outcome", "failed")) > 0) return null;
        const isDoor = (labels: Series["labels"]) => atTheDoor.test(labels.get("reason") ?? "");
        return [turnedAway(ran), growth("postern_refused_total", isDoor)];
      }),
      read("messages taken", (ran, growth) => {
        if (ran.plan.protocol !== "smtp" || faults(ran, "final") > 0 || ran.counts.open > 0) return null;
        return [ran.counts.messages, growth("postern_messages_total")];
      }),
      read("logins taken", (ran, growth) => [
        replies(ran, "auth", "235") + replies(ran, "login", "OK"),
        growth("postern_auth_total", is("result", "ok")),
      ]),
      read("logins refused", (ran, growth) => [
        replies(ran, "auth", "535") + replies(ran, "login", "NO"),
        growth("postern_auth_total", is("result", "failed")),
      ]),
      row("bytes to the target", (ran, growth) => {
        return areBytesKnown(ran)
          ? [ran.counts.bytesOut, growth("postern_bytes_total", is("direction", "in"))]
          : null;
      }),
      row("bytes from the target", (ran, growth) => {
        return areBytesKnown(ran)
          ? [ran.counts.bytesIn, growth("postern_bytes_total", is("direction", "out"))]
          : null;
      }),
    ],
  },
  {
    connections: "haproxy_frontend_connections_total",
    listener: "proxy",
    reads: [],
    rows: [
      row("sessions begun", (ran, growth) => [
        connectedOf(ran),
        growth("haproxy_frontend_connections_total"),
      ]),
      row("bytes to the target", (ran, growth) =>
        areBytesKnown(ran) ? [ran.counts.bytesOut, growth("haproxy_frontend_bytes_in_total")] : null,
      ),
      row("bytes from the target", (ran, growth) =>
        areBytesKnown(ran) ? [ran.counts.bytesIn, growth("haproxy_frontend_bytes_out_total")] : null,
      ),
    ],
  },
];

export class TargetMetrics {
  readonly #url: string;
  /** Null where it could not be read: there is nothing to compare then. */
  #before: readonly Series[] | null = null;

  constructor(url: string) {
    this.#url = url;
  }

  /** Reads the page before the run. Null, or in a line why it cannot be read. */
  async begin(): Promise<string | null> {
    const page = await scrape(this.#url);
    if (typeof page === "string") return `${this.#url}: ${page}`;
    this.#before = page;
    return null;
  }

  /** Reads it until it agrees with what the harness has counted, or until that is not to be expected any more. */
  async compare(ran: Ran, patienceMs = PATIENCE_MS): Promise<Comparison> {
    const endMs = performance.now() + patienceMs;
    if (this.#before === null) return { agreements: [], findings: [] };
    for (;;) {
      const page = await scrape(this.#url);
      if (typeof page === "string") return only("the target's metrics", page, false);
      const comparison = compare(this.#before, page, ran);
      const agrees = comparison.agreements.every((agreement) => agreement.agrees);
      if (agrees || performance.now() > endMs) return comparison;
      await sleep(POLL_MS);
    }
  }
}

/** One comparison of two pages with what the harness has counted between them. */
export function compare(before: readonly Series[], after: readonly Series[], ran: Ran): Comparison {
  const what = "the target's metrics";
  const source = known.find(({ connections }) => after.some(({ name }) => name === connections));
  if (source === undefined) return only(what, "none of them is known here", null);
  // An attack is counted as whatever the target takes it for.
  if (ran.plan.scenario === "attack") return { agreements: [], findings: [] };
  const growths = growthOf(before, after, source);
  if (growths === null) return only(what, "they began anew: the target was started again", false);
  const agreements: Agreement[] = [];
  const findings: Finding[] = [];
  const reads = source.reads.some((name) => growths(name) > 0);
  for (const { what, pair, isRead } of source.rows) {
    const [harness, target] = pair(ran, growths) ?? [0, 0];
    if (harness === 0 && target === 0) continue;
    if (isRead && target === 0 && !reads) findings.push(unread(what));
    else agreements.push({ what, harness, target, agrees: harness === target });
  }
  return { agreements, findings };
}

/** How the counters of the run's listener have grown; null when they count from the start again. */
function growthOf(before: readonly Series[], after: readonly Series[], source: Known): Growth | null {
  const old = new Map(before.map((series) => [keyOf(series), series.value]));
  const grown = after.map((series) => ({ ...series, value: series.value - (old.get(keyOf(series)) ?? 0) }));
  const connections = grown.filter(({ name }) => name === source.connections);
  if (connections.some(({ value }) => value < 0)) return null;
  const busiest = connections.reduce((a, b) => (b.value > a.value ? b : a));
  const listener = busiest.labels.get(source.listener);
  return (name, takes = () => true) =>
    grown
      .filter((series) => series.name === name && series.labels.get(source.listener) === listener)
      .filter(({ labels }) => takes(labels))
      .reduce((sum, { value }) => sum + value, 0);
}

function keyOf({ name, labels }: Series): string {
  return JSON.stringify([name, ...[...labels].sort()]);
}

function row(what: string, pair: Row["pair"]): Row {
  return { what, pair, isRead: false };
}

function read(what: string, pair: Row["pair"]): Row {
  return { what, pair, isRead: true };
}

function only(what: string, outcome: string, isWell: boolean | null): Comparison {
  return { agreements: [], findings: [{ what, outcome, isWell }] };
}

function unread(what: string): Finding {
  return { what, outcome: "the target counts none: it does not read these sessions", isWell: null };
}

/** By a greeting that sends away, or without a word. */
function turnedAway({ counts, faults }: Ran): number {
  const silent = faults.filter(({ phase, kind }) => isSilentRefusal(phase, kind));
  return silent.reduce((sum, { count }) => sum + count, counts.turnedAway);
}

function faults(ran: Ran, phase: Phase): number {
  return ran.faults.reduce((sum, fault) => (fault.phase === phase ? sum + fault.count : sum), 0);
}

function replies(ran: Ran, phase: Phase, code: string): number {
  const those = ran.replies.filter((reply) => reply.phase === phase && reply.code === code);
  return those.reduce((sum, { count }) => sum + count, 0);
}

/** Whether every byte that one side wrote was read by the other: in the clear, and where no session was cut off. */
function areBytesKnown({ plan, counts }: Ran): boolean {
  return plan.tls === "off" && counts.failed === 0 && counts.open === 0 && counts.turnedAway === 0;
}

/** The page's series, or why there are none, in a line. */
async function scrape(url: string): Promise<readonly Series[] | string> {
  try {
    const response = await fetch(url, {
      signal: AbortSignal.timeout(SCRAPE_MS_MAX),
      redirect: "error",
      headers: { accept: "text/plain; version=0.0.4", connection: "close" },
    });
    if (response.status !== 200 || response.body === null) return `it answers with status ${response.status}`;
    const pieces: Uint8Array[] = [];
    let left = PAGE_BYTES_MAX;
    for await (const piece of response.body) {
      left -= piece.length;
      if (left < 0) return `it is longer than ${PAGE_BYTES_MAX} bytes`;
      pieces.push(piece);
    }
    const page = parsePage(Buffer.concat(pieces).toString("utf8"));
    return typeof page === "string" ? `it is no page of metrics: ${page}` : page;
  } catch (error) {
    return faultOf(error);
  }
}

/** What fetch has to say lies in its error's cause, where it has one. */
function faultOf(error: unknown): string {
  if (!(error instanceof Error)) return "it cannot be read";
  if (error.name === "TimeoutError") return `it does not answer in ${SCRAPE_MS_MAX} ms`;
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  return "code" in cause ? `it cannot be read: ${cause.code}` : cause.message;
}

/**
 * What peers are compared in: each case with its load, who can take part, and the figure that comes of a run. Plain data and
 * pure functions; nothing here runs anything.
 *
 * A case is one or more trials, each of which is one load. A trial gives one figure, or two of the same runs.
 */
import type { Plan } from "../load/plan.ts";
import { isSilentRefusal, type Result } from "../load/result.ts";
import { type Ability, NAMES, type Route } from "../peers/peer.ts";

/** `direct`: load and back end without anything between them. */
export const PEERS = [...NAMES, "direct"] as const;

export type PeerName = (typeof PEERS)[number];

export const CASES = ["churn", "latency", "mail", "tls", "bulk", "idle", "throughput", "refusals"] as const;

export type CaseName = (typeof CASES)[number];

/** A figure that people ask for. */
export interface Measure {
  readonly name: string;
  readonly question: string;
  readonly unit: string;
  readonly better: "less" | "more";
  /** Null where the run does not tell. */
  readonly of: (result: Result) => number | null;
}

/** What of a plan makes a load. */
export type Load = Omit<Plan, "target" | "proxy">;

export interface Trial {
  /** What was done, for people. */
  readonly words: string;
  readonly load: (seconds: number) => Load;
  /** At least one; the first one's name is the runs'. */
  readonly measures: readonly Measure[];
}

export interface Contest {
  /** How postern is to see the sessions; the others see bytes. */
  readonly protocol: Route["protocol"];
  readonly tls: boolean;
  /** So many connections a client may begin in a minute; null: more than any does. */
  readonly connectionRate: number | null;
  readonly needs: readonly Ability[];
  /** Whether no proxy at all is one of the peers: only where clients measure, not the proxy's process. */
  readonly hasDirect: boolean;
  /** Whether each run has a process of its own, so that it begins with the memory of a young one. */
  readonly isFresh: boolean;
  /** Why a run's figures say nothing, if so. */
  readonly fault: (result: Result) => string | null;
  /** What comes before anything counts. */
  readonly warmUp: Trial["load"];
  readonly trials: readonly Trial[];
}

/** The goal that postern's latency has is for this rate. */
const RATE_PER_SECOND = 500;

const TIMEOUT_MS = 10_000;

/** Enough that no proxy ever waits for clients, few enough that none has a queue that another has not. */
const PARALLEL = 32;

const CONCURRENCIES = [1, 4, 16, 64, 256] as const;

/** Enough that what a process needs for itself, and what V8 has not collected yet, do not show. */
const IDLE_SESSIONS = 4000;

/** An offender may begin so many sessions in a minute, and tries far more: nearly all are refused. */
const REFUSED_ABOVE = 10;
const OFFENDERS = 32;

/** So many sessions of a run may go wrong: one whose client gave up, not a peer that cannot do it. */
const FAILED_SHARE_MAX = 0.01;

const MAIL_BYTES = 3072;
const LARGE_MAIL_BYTES = 10 * 2 ** 20;

const base: Omit<Load, "durationMs"> = {
  scenario: "churn",
  protocol: "smtp",
  // 198.18.0.0/15 is for benchmarks (RFC 2544 C.2.2); as many clients as a busy server sees in an hour.
  clients: { ranges: ["198.18.0.0/19"], distribution: "uniform", seed: 1 },
  pace: { kind: "closed", concurrency: PARALLEL, rampMs: 0 },
  // Of the open loops, all that begin until the first of them has waited for too long.
  openMax: RATE_PER_SECOND * (TIMEOUT_MS / 1000),
  sessionsMax: 1_000_000,
  timeoutMs: TIMEOUT_MS,
  tls: "off",
  threads: 1,
  mail: {
    sizeBytes: MAIL_BYTES,
    recipients: 1,
    messages: 1,
    sender: "load@example.test",
    recipient: "user%d@example.test",
    pipelining: false,
    chunking: false,
  },
  login: null,
  idleMs: 0,
  hammer: { offenders: 1, tries: 1 },
  banned: [],
};

const loads = (changes: Partial<Load>) => (seconds: number) => ({
  ...base,
  durationMs: seconds * 1000,
  ...changes,
});

const mails = loads({ scenario: "smtp" });

const secureMails = loads({ scenario: "smtp", tls: "implicit" });

const largeMails = loads({
  scenario: "bulk",
  pace: { kind: "closed", concurrency: 4, rampMs: 0 },
  mail: { ...base.mail, sizeBytes: LARGE_MAIL_BYTES },
});

const hammering = loads({
  scenario: "hammer",
  pace: { kind: "open", ratePerSecond: 10, rampMs: 0 },
  hammer: { offenders: OFFENDERS, tries: 100_000 },
});

const plain: Omit<Contest, "trials"> = {
  protocol: "smtp",
  tls: false,
  connectionRate: null,
  needs: [],
  hasDirect: false,
  isFresh: false,
  fault: failure,
  warmUp: mails,
};

const cpuPerSession = (result: Result) => result.target?.cpuUsPerSession ?? null;

export const CONTESTS: Readonly<Record<CaseName, Contest>> = {
  churn: {
    ...plain,
    protocol: "tcp",
    needs: ["relay"],
    trials: [
      {
        words: `connect, greeting, QUIT; ${PARALLEL} at a time; postern passes them unread, as the others do`,
        load: loads({}),
        measures: [
          {
            name: "churn",
            question: "What does a short session cost?",
            unit: "µs of CPU per session",
            better: "less",
            of: cpuPerSession,
          },
        ],
      },
    ],
  },
  latency: {
    ...plain,
    needs: ["relay"],
    hasDirect: true,
    trials: [
      {
        words: `${RATE_PER_SECOND} sessions begin in each second; from connected to greeted; direct is without a proxy`,
        load: loads({ pace: { kind: "open", ratePerSecond: RATE_PER_SECOND, rampMs: 0 } }),
        measures: [
          {
            name: "latency, p50",
            question: "How long does a client wait for the greeting?",
            unit: "µs to the greeting, p50",
            better: "less",
            of: ({ latencies }) => latencies.greeting?.p50Us ?? null,
          },
          {
            name: "latency, p99",
            question: "How long do the unlucky ones wait for it?",
            unit: "µs to the greeting, p99",
            better: "less",
            of: ({ latencies }) => latencies.greeting?.p99Us ?? null,
          },
        ],
      },
    ],
  },
  mail: {
    ...plain,
    trials: [
      {
        words: `a mail of 3 KiB in each session; ${PARALLEL} at a time; postern reads all of it`,
        load: mails,
        measures: [
          {
            name: "mail",
            question: "What does a session cost that hands in a mail?",
            unit: "µs of CPU per session",
            better: "less",
            of: cpuPerSession,
          },
        ],
      },
    ],
  },
  tls: {
    ...plain,
    tls: true,
    needs: ["tls"],
    warmUp: secureMails,
    trials: [
      {
        words: `a mail of 3 KiB in each session, in TLS that ends at the proxy: a full handshake, ECDSA P-256; ${PARALLEL} at a time`,
        load: secureMails,
        measures: [
          {
            name: "tls",
            question: "What does it cost where TLS ends?",
            unit: "µs of CPU per session",
            better: "less",
            of: cpuPerSession,
          },
        ],
      },
    ],
  },
  bulk: {
    ...plain,
    protocol: "tcp",
    trials: [
      {
        words: "mails of 10 MiB, 4 at a time; postern passes them unread, as the others do",
        load: largeMails,
        measures: [
          {
            name: "bulk",
            question: "What do bytes cost?",
            unit: "ms of CPU per GiB",
            better: "less",
            of: ({ target }) => target?.cpuMsPerGib ?? null,
          },
        ],
      },
    ],
  },
  idle: {
    ...plain,
    needs: ["relay"],
    isFresh: true,
    trials: [
      {
        words: `up to ${IDLE_SESSIONS} sessions are greeted, say EHLO, and are held; the process is new in each round`,
        load: (seconds) =>
          loads({
            scenario: "idle",
            pace: { kind: "closed", concurrency: IDLE_SESSIONS, rampMs: seconds * 1000 },
            sessionsMax: IDLE_SESSIONS,
            idleMs: 2 * seconds * 1000,
          })(2 * seconds),
        measures: [
          {
            name: "idle",
            question: "What does an idle session hold?",
            unit: "KiB of memory per session",
            better: "less",
            of: ({ target }) =>
              target === null || target.bytesPerOpenSession === null
                ? null
                : target.bytesPerOpenSession / 1024,
          },
        ],
      },
    ],
  },
  throughput: {
    ...plain,
    hasDirect: true,
    trials: CONCURRENCIES.map((concurrency) => ({
      words: `a mail of 3 KiB in each session; direct is without a proxy, and as much as the load itself can do`,
      load: (seconds) =>
        loads({ scenario: "smtp", pace: { kind: "closed", concurrency, rampMs: 0 } })(seconds / 2),
      measures: [
        {
          name: `throughput, ${concurrency} at a time`,
          question: `How many sessions go through in a second, ${concurrency} at a time?`,
          unit: "sessions per second",
          better: "more",
          of: ({ counts, seconds }) => counts.done / seconds,
        },
      ],
    })),
  },
  refusals: {
    ...plain,
    connectionRate: REFUSED_ABOVE,
    needs: ["rate"],
    warmUp: hammering,
    fault: (result) => (refusedOf(result) > 0 ? null : "no session was refused"),
    trials: [
      {
        words: `${OFFENDERS} clients that may begin ${REFUSED_ABOVE} sessions in a minute try far more, beside 10 good ones in a second; postern says why it refuses, HAProxy just closes`,
        load: hammering,
        measures: [
          {
            name: "refusals",
            question: "What does a refused session cost?",
            unit: "µs of CPU per refused session",
            better: "less",
            of: cpuPerRefusal,
          },
        ],
      },
    ],
  },
};

/** Turned away in words, or closed without any. */
function refusedOf({ counts, faults }: Result): number {
  const silent = faults.filter(({ phase, kind }) => isSilentRefusal(phase, kind));
  return silent.reduce((sum, { count }) => sum + count, counts.turnedAway);
}

function cpuPerRefusal(result: Result): number | null {
  const { target } = result;
  if (target === null) return null;
  return ((target.after.cpuSeconds - target.before.cpuSeconds) * 1e6) / refusedOf(result);
}

/** Figures of sessions that went wrong are those of something else. */
function failure({ counts, faults, replies }: Result): string | null {
  const { begun, done, turnedAway } = counts;
  const failed = counts.failed + turnedAway;
  if (done > 0 && failed <= FAILED_SHARE_MAX * (done + failed)) return null;
  const [most] = faults.toSorted((a, b) => b.count - a.count);
  if (most !== undefined)
    return `${failed} of ${begun} sessions failed, most by "${most.kind}" in ${most.phase}`;
  const [reply] = replies.filter(({ code }) => /^[45]/.test(code)).toSorted((a, b) => b.count - a.count);
  const said = reply === undefined ? "" : `; it said ${reply.code} ${reply.text}`;
  return turnedAway > 0
    ? `${turnedAway} of ${begun} sessions were turned away${said}`
    : "no session came to its end";
}

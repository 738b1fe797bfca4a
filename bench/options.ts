/**
 * The command line of the load harness, in one table: every command, and every option with its kind, its default, its range
 * and a sentence. What is understood, what is refused and what the help says all come from here.
 */
import { availableParallelism } from "node:os";
import * as kinds from "./cli/kinds.ts";
import { CASES, PEERS } from "./compare/trials.ts";
import { SCENARIOS } from "./load/plan.ts";

export const COMMANDS = [...SCENARIOS, "compare", "goals", "sink"] as const;

export type CommandName = (typeof COMMANDS)[number];

/** What each command answers, or does. */
export const QUESTIONS: Readonly<Record<CommandName, string>> = {
  smtp: "how do whole sessions go that hand in mails?",
  imap: "how do sessions go that log in, select, fetch and wait in IDLE?",
  churn: "how many sessions come and go? Connect, greeting, QUIT or LOGOUT",
  bulk: "how many bytes pass in a few sessions with large mails?",
  idle: "how many sessions are held, and what does each cost?",
  hammer: "do limits fire at the right count, and do the others notice?",
  attack: "what becomes of malformed headers, slow ones, smuggling and endless lines?",
  bans: "how many of a banned population are refused, and how many of the others?",
  compare: "what does postern cost against HAProxy, nginx and Haraka, side by side?",
  goals: "does postern hold its own goals on this machine?",
  sink: "takes every mail and serves a mailbox, behind a gateway that is measured",
};

/** The headings of the help, in their order. */
export const GROUPS = ["where to", "who", "how much", "what", "what is watched", "what comes out"] as const;

export interface Option<T> {
  readonly kind: kinds.Kind<T>;
  readonly group: (typeof GROUPS)[number];
  /** As it would be written; null where there is none. */
  readonly initial: string | null;
  /** Where a command's default is another. */
  readonly initials?: Partial<Readonly<Record<CommandName, string>>>;
  readonly says: string;
  /** The commands that have it. */
  readonly of: readonly CommandName[];
}

/** One that always has a value. */
export interface Settled<T> extends Option<T> {
  readonly initial: string;
}

const all: readonly CommandName[] = SCENARIOS;
/** `attack` has one trick after the other: it is at no pace. */
const paced = all.filter((name) => name !== "attack");
/** The others' protocol is in their name. */
const either = all.filter((name) => name !== "smtp" && name !== "imap");
const mailing: readonly CommandName[] = ["smtp", "bulk"];
const people: readonly CommandName[] = ["smtp", "imap", "bulk", "idle"];

/** More threads than twice the cores only get in each other's way. */
const THREADS_MAX = 2 * availableParallelism();
/** Each is a socket, of which a process usually may have 20,000, and the sink's as many again. */
const CONCURRENCY_MAX = 10_000;
/** Ten times what a core of today begins in a second. */
const RATE_MAX = 100_000;

/** In the order of the help. */
export const OPTIONS = {
  target: {
    kind: kinds.place,
    group: "where to",
    initial: null,
    says: "What is under load. Without it: the sink itself, which shows what the harness can do.",
    of: all,
  },
  allow: {
    kind: kinds.hosts,
    group: "where to",
    initial: null,
    says: "The target's host once more, if it is not on this machine: load goes nowhere by mistake.",
    of: all,
  },
  proxy: {
    kind: kinds.oneOf("v2", "v1", "off"),
    group: "where to",
    initial: "v2",
    says: "The PROXY header that names the client. off: none, and every session comes from here.",
    of: all,
  },
  protocol: {
    kind: kinds.oneOf("smtp", "imap"),
    group: "where to",
    initial: "smtp",
    says: "What is spoken.",
    of: [...either, "sink"],
  },
  tls: {
    kind: kinds.oneOf("off", "starttls", "implicit"),
    group: "where to",
    initial: "off",
    says: "When TLS begins; churn, hammer and bans do not come as far as to STARTTLS. Certificates are taken as they are; the sink makes one.",
    of: [...all, "sink"],
  },
  /** 198.18.0.0/15 is there for benchmarks, and routed nowhere (RFC 2544 C.2.2). */
  clients: {
    kind: kinds.networks,
    group: "who",
    initial: "198.18.0.0/15",
    says: "Where sessions come from, as the target is told by PROXY.",
    of: all,
  },
  distribution: {
    kind: kinds.oneOf("uniform", "zipf"),
    group: "who",
    initial: "uniform",
    says: "zipf: a few clients come often, most seldom, as in real life.",
    of: all,
  },
  seed: {
    kind: kinds.count(0, 2 ** 32 - 1),
    group: "who",
    initial: "1",
    says: "The same seed gives the same clients in the same order.",
    of: all,
  },
  user: {
    kind: kinds.word,
    group: "who",
    initial: null,
    says: "Logs in: AUTH PLAIN in SMTP, LOGIN in IMAP.",
    of: people,
  },
  password: {
    kind: kinds.secret,
    group: "who",
    initial: null,
    says: "For --user. Everybody on this machine can read it in the list of processes.",
    of: people,
  },
  "password-env": {
    kind: kinds.word,
    group: "who",
    initial: null,
    says: "The environment variable that has the password, which nobody else can read.",
    of: people,
  },
  rate: {
    kind: kinds.count(1, RATE_MAX),
    group: "how much",
    initial: null,
    says: "Open loop: so many sessions begin in a second, whatever becomes of those before.",
    of: paced,
  },
  concurrency: {
    kind: kinds.count(1, CONCURRENCY_MAX),
    group: "how much",
    initial: "10",
    initials: { bulk: "4", idle: "1000" },
    says: "Closed loop: so many sessions at a time, the next when one ends.",
    of: paced,
  },
  ramp: {
    kind: kinds.duration("0s", "1h"),
    group: "how much",
    initial: "0s",
    says: "Over this time rate or concurrency grow from nothing to their full value.",
    of: paced,
  },
  duration: {
    kind: kinds.duration("10ms", "24h"),
    group: "how much",
    initial: "10s",
    initials: { attack: "2m", compare: "2s" },
    says: "The run ends after it at the latest. Of compare: each of many runs.",
    of: [...all, "compare"],
  },
  sessions: {
    kind: kinds.count(1, 1_000_000_000),
    group: "how much",
    initial: "1000000",
    says: "The run ends after so many sessions.",
    of: paced,
  },
  timeout: {
    kind: kinds.duration("10ms", "10m"),
    group: "how much",
    initial: "10s",
    says: "For each step of a session.",
    of: all,
  },
  threads: {
    kind: kinds.count(1, THREADS_MAX),
    group: "how much",
    initial: "1",
    says: "Worker threads that the sessions are shared out to.",
    of: [...paced, "sink"],
  },
  size: {
    kind: kinds.size("100", "1G"),
    group: "what",
    initial: "3k",
    initials: { bulk: "10M" },
    says: "Of a message, header and all; of those that the sink has to fetch.",
    of: [...mailing, "sink"],
  },
  recipients: {
    kind: kinds.count(1, 1000),
    group: "what",
    initial: "1",
    says: "Of each message.",
    of: mailing,
  },
  messages: {
    kind: kinds.count(1, 10_000),
    group: "what",
    initial: "1",
    says: "In each session, handed in or fetched.",
    of: ["smtp", "imap", "bulk"],
  },
  from: {
    kind: kinds.mailbox,
    group: "what",
    initial: "load@example.test",
    says: "The envelope's sender.",
    of: mailing,
  },
  to: {
    kind: kinds.mailbox,
    group: "what",
    initial: "user%d@example.test",
    says: "The recipients; %d becomes a number, so that each is another.",
    of: mailing,
  },
  pipelining: {
    kind: kinds.flag,
    group: "what",
    initial: null,
    says: "Commands up to DATA in one flight (RFC 2920).",
    of: mailing,
  },
  chunking: {
    kind: kinds.flag,
    group: "what",
    initial: null,
    says: "BDAT in place of DATA (RFC 3030).",
    of: mailing,
  },
  idle: {
    kind: kinds.duration("0s", "24h"),
    group: "what",
    initial: null,
    says: "How long a session is held: in IMAP's IDLE (else none), or in idle (else for --duration).",
    of: ["imap", "idle"],
  },
  offenders: {
    kind: kinds.count(1, 10_000),
    group: "what",
    initial: "10",
    says: "So many clients try more than they may; the others keep the pace.",
    of: ["hammer"],
  },
  tries: {
    kind: kinds.count(1, 100_000),
    group: "what",
    initial: "100",
    says: "Sessions that each offender tries, as fast as it goes.",
    of: ["hammer"],
  },
  banned: {
    kind: kinds.networks,
    group: "what",
    initial: null,
    says: "Who of the clients is known to be banned. Has to be given.",
    of: ["bans"],
  },
  listen: {
    kind: kinds.listening,
    group: "where to",
    initial: "127.0.0.1:2525",
    says: "Where the sink listens.",
    of: ["sink"],
  },
  record: {
    kind: kinds.count(0, 100_000),
    group: "what is watched",
    initial: "0",
    says: "So many sessions are told of at the end: who each was, by PROXY, XCLIENT or IMAP ID.",
    of: ["sink"],
  },
  pid: {
    kind: kinds.count(1, 2 ** 22),
    group: "what is watched",
    initial: null,
    says: "The target's process: its CPU, memory and descriptors are read, its children's with them.",
    of: all,
  },
  metrics: {
    kind: kinds.url,
    group: "what is watched",
    initial: null,
    says: "The target's Prometheus page: its counters have to agree with the harness's.",
    of: paced,
  },
  sink: {
    kind: kinds.listening,
    group: "what is watched",
    initial: null,
    says: "Starts the embedded sink there, for the gateway under test to lead to.",
    of: all,
  },
  json: {
    kind: kinds.output,
    group: "what comes out",
    initial: null,
    says: "The result for machines, to a file; without one to standard output, in place of the table.",
    of: COMMANDS,
  },
  peers: {
    kind: kinds.someOf(...PEERS),
    group: "who",
    initial: PEERS.join(),
    says: "Who takes part, in this order; who is not installed is left out.",
    of: ["compare"],
  },
  cases: {
    kind: kinds.someOf(...CASES),
    group: "what",
    initial: CASES.join(),
    says: "What they are compared in.",
    of: ["compare"],
  },
  rounds: {
    kind: kinds.count(1, 100),
    group: "how much",
    initial: "3",
    says: "Turns of each peer in each case; more of them help on a busy machine.",
    of: ["compare"],
  },
  haraka: {
    kind: kinds.directory,
    group: "who",
    initial: null,
    says: "The directory where Haraka is installed, if it is not on the path.",
    of: ["compare"],
  },
  only: {
    kind: kinds.word,
    group: "what",
    initial: null,
    says: "This goal alone.",
    of: ["goals"],
  },
  write: {
    kind: kinds.file,
    group: "what comes out",
    initial: null,
    says: "A Markdown file that has a place for the table of goals: it is written anew there.",
    of: ["goals"],
  },
  html: {
    kind: kinds.file,
    group: "what comes out",
    initial: null,
    says: "A page of its own with the plots.",
    of: [...all, "compare"],
  },
} as const satisfies Readonly<Record<string, Option<unknown>>>;

/**
 * What a run of the load harness is to do. It is plain data, checked where it is made and handed to threads as it is.
 *
 * Nothing here touches a socket; times are in milliseconds, sizes in bytes.
 */
import type { Endpoint } from "../../src/address.ts";

export const SCENARIOS = ["smtp", "imap", "churn", "bulk", "idle", "hammer", "attack", "bans"] as const;

/**
 * - `smtp`: whole sessions that hand in mails; `imap`: login, select, fetch, and IDLE where it is asked for.
 * - `churn`: connect, greeting, QUIT or LOGOUT. `bulk`: few sessions with large mails, handed in or fetched.
 * - `idle`: sessions that are opened and held. `hammer`: some clients go over their limit, others do not.
 * - `attack`: what no client should do, one after the other. `bans`: a population of which some are banned.
 */
export type Scenario = (typeof SCENARIOS)[number];

export type Protocol = "smtp" | "imap";

/** Where sessions come from, as the target is told by PROXY. */
export interface ClientsPlan {
  /** Networks or single addresses, as text: `203.0.113.0/24`, `2001:db8::/48`. At least one. */
  readonly ranges: readonly string[];
  readonly distribution: "uniform" | "zipf";
  /** The same seed gives the same clients in the same order. */
  readonly seed: number;
}

/**
 * When sessions begin. `open`: at this rate, whatever becomes of those before; times count from when a session was meant to
 * begin. `closed`: as many at a time, the next when one ends. Over `rampMs` either grows from nothing to its full value.
 */
export type Pace =
  | { readonly kind: "open"; readonly ratePerSecond: number; readonly rampMs: number }
  | { readonly kind: "closed"; readonly concurrency: number; readonly rampMs: number };

/** What is handed in, or asked for. */
export interface MailPlan {
  /** The whole message, header and all. */
  readonly sizeBytes: number;
  /** For each message. */
  readonly recipients: number;
  /** For each session. */
  readonly messages: number;
  readonly sender: string;
  /** With `%d` in it where each recipient is to be another. */
  readonly recipient: string;
  /** Commands up to DATA in one flight (RFC 2920). */
  readonly pipelining: boolean;
  /** BDAT in place of DATA (RFC 3030). */
  readonly chunking: boolean;
}

export interface Login {
  readonly user: string;
  readonly password: string;
}

/** Of `hammer`: so many clients of the ranges, each trying `tries` sessions as fast as they go; the others keep the pace. */
interface HammerPlan {
  readonly offenders: number;
  readonly tries: number;
}

export interface Plan {
  readonly scenario: Scenario;
  readonly protocol: Protocol;
  /** An address, never a name: names are resolved before. */
  readonly target: Endpoint;
  /** `off`: none, and every session comes from this machine. */
  readonly proxy: "v2" | "v1" | "off";
  readonly clients: ClientsPlan;
  readonly pace: Pace;
  /**
   * All threads' sessions at the same time in an open loop. What is due beyond it begins late or never, and is counted as such.
   * A closed loop is bounded by itself.
   */
  readonly openMax: number;
  /** A run ends with whichever of the two comes first. */
  readonly durationMs: number;
  readonly sessionsMax: number;
  /** For each step of a session. */
  readonly timeoutMs: number;
  readonly tls: "off" | "starttls" | "implicit";
  /** Worker threads that the sessions are shared out to. */
  readonly threads: number;
  readonly mail: MailPlan;
  /** SMTP AUTH, or IMAP LOGIN. */
  readonly login: Login | null;
  /** So long an IMAP session waits in IDLE, and an `idle` session is held at most. */
  readonly idleMs: number;
  readonly hammer: HammerPlan;
  /** Of `bans`: who is known to be banned, as networks; what is refused of these, and of the others, is told apart. */
  readonly banned: readonly string[];
}

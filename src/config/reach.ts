/**
 * How far limits reach at a listener: what cannot be read cannot be counted. Limits on connections hold everywhere, those
 * on new TLS sessions where TLS ends here, those on logins where these can be read, and those on mail where SMTP can.
 */
import type { LimitOptions } from "../limits/options.ts";
import type { PoolOptions } from "../pools/options.ts";
import type { ListenerOptions } from "../proxy/options.ts";

/** A limit, beside those on connections, that a set turns on. */
interface Limit {
  /** As in the file. */
  readonly name: string;
  readonly subject: "mail" | "logins" | "tls";
  /** A number of events, or of milliseconds where the name says a delay. */
  readonly value: number;
}

/**
 * Up to where a client's commands are read:
 *
 * - `end`: to the session's.
 * - `login`: to the client's, behind which IMAP is never read.
 * - `starttls`: to the client's STARTTLS, which passes through.
 * - `nowhere`: they are not.
 */
export type Reading = "end" | "login" | "starttls" | "nowhere";

export function readingOf({ protocol, tls }: ListenerOptions, pool: PoolOptions): Reading {
  if (protocol === "tcp" || tls === "passthrough") return "nowhere";
  // A server that is spoken to in TLS begins no other inside it.
  if (tls === "off" && pool.tls.mode === "off") return "starttls";
  return protocol === "imap" ? "login" : "end";
}

export function endsTls({ tls }: ListenerOptions): boolean {
  return tls === "starttls" || tls === "implicit";
}

/** Whether a client that is refused when it comes can be told so. Nobody makes a handshake for that alone. */
export function refusesInWords({ protocol, tls }: Pick<ListenerOptions, "protocol" | "tls">): boolean {
  return protocol !== "tcp" && (tls === "off" || tls === "starttls");
}

export function limitsOn(set: LimitOptions): readonly Limit[] {
  const all: readonly Limit[] = [
    { name: "messageRate", subject: "mail", value: set.messageRate },
    { name: "recipientRate", subject: "mail", value: set.recipientRate },
    { name: "authRate", subject: "logins", value: set.authRate },
    { name: "authFailureRate", subject: "logins", value: set.authFailureRate },
    { name: "authFailureDelay", subject: "logins", value: set.authFailureDelayMs },
    { name: "newTlsSessionRate", subject: "tls", value: set.newTlsSessionRate },
  ];
  return all.filter(({ value }) => value > 0);
}

/** Whether the limit can ever hold at the listener. */
export function reaches({ subject }: Limit, listener: ListenerOptions, pool: PoolOptions): boolean {
  const isRead = readingOf(listener, pool) !== "nowhere";
  switch (subject) {
    case "mail":
      return isRead && listener.protocol === "smtp";
    case "logins":
      return isRead;
    case "tls":
      return endsTls(listener);
    default:
      return subject satisfies never;
  }
}

export interface Unreachable {
  /** Their names. */
  readonly limits: readonly string[];
  readonly why: string;
}

/** Those of the set's limits that can never hold at the listener; null where there are none. */
export function unreachable(
  listener: ListenerOptions,
  pool: PoolOptions,
  set: LimitOptions,
): Unreachable | null {
  const lost = limitsOn(set).filter((limit) => !reaches(limit, listener, pool));
  if (lost.length === 0) return null;
  const whys = [];
  if (lost.some(({ subject }) => subject !== "tls")) {
    whys.push(readingOf(listener, pool) === "nowhere" ? "nothing can be read" : "no mail is sent in IMAP");
  }
  if (lost.some(({ subject }) => subject === "tls")) whys.push("TLS with clients does not end here");
  return { limits: lost.map(({ name }) => name), why: whys.join(", and ") };
}

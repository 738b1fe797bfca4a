/**
 * How far limits reach at a listener: what cannot be read cannot be counted. Limits on connections hold everywhere, those
 * on new TLS sessions where TLS ends here, and those on what a client does where SMTP can be read.
 */
import type { LimitOptions } from "../limits/options.ts";
import type { PoolOptions } from "../pools/options.ts";
import type { ListenerOptions } from "../proxy/options.ts";

const limits = ["messageRate", "recipientRate", "authRate", "authFailureRate", "newTlsSessionRate"] as const;
type Limit = (typeof limits)[number];

/**
 * Up to where a client's commands are read:
 *
 * - `end`: to the session's.
 * - `starttls`: to the client's STARTTLS, which passes through.
 * - `nowhere`: they are not.
 */
export type Reading = "end" | "starttls" | "nowhere";

export function readingOf({ protocol, tls }: ListenerOptions, pool: PoolOptions): Reading {
  if (protocol !== "smtp" || tls === "passthrough") return "nowhere";
  // A server that is spoken to in TLS begins no other inside it.
  return tls === "off" && pool.tls.mode === "off" ? "starttls" : "end";
}

export function endsTls({ tls }: ListenerOptions): boolean {
  return tls === "starttls" || tls === "implicit";
}

/** The limits, beside those on connections, that the set turns on. */
export function limitsOn(set: LimitOptions): readonly Limit[] {
  return limits.filter((key) => set[key] > 0);
}

export interface Unreachable {
  readonly limits: readonly Limit[];
  readonly why: string;
}

/** Those of the set's limits that can never hold at the listener; null where there are none. */
export function unreachable(
  listener: ListenerOptions,
  pool: PoolOptions,
  set: LimitOptions,
): Unreachable | null {
  const isRead = readingOf(listener, pool) !== "nowhere";
  const isEnded = endsTls(listener);
  const lost = limitsOn(set).filter((key) => !(key === "newTlsSessionRate" ? isEnded : isRead));
  if (lost.length === 0) return null;
  const whys = [];
  if (lost.some((key) => key !== "newTlsSessionRate")) whys.push("no SMTP can be read");
  if (lost.includes("newTlsSessionRate")) whys.push("TLS with clients does not end here");
  return { limits: lost, why: whys.join(", and ") };
}

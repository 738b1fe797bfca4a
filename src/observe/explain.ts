/**
 * Why an address is or is not refused, as the admin pages tell it: the decisions against it, what every listener would do
 * with it now, what is counted of it.
 *
 * It decides nothing: who is banned and what a limit comes to is asked of whoever decides it for sessions.
 */
import type { Address, Network } from "../address.ts";
import type { Reason } from "../outcome.ts";
import type { Ban } from "../record.ts";
import type { BanAnswer, ClientAnswer, CounterAnswer, ListenerAnswer } from "./answer.ts";
import type { BanFigures } from "./banmetrics.ts";
import { type ClientEntry, type ClientSource, entriesOf, isPrefix } from "./clients.ts";

/** A decision that holds now for an address that was asked about. */
export interface StandingBan extends Pick<Ban, "id" | "origin" | "scenario" | "type" | "remainingSeconds"> {
  readonly scope: "ip" | "range";
  readonly network: Network;
  /** The configuration says never to ban the address: the decision is not obeyed. */
  readonly isProtected: boolean;
}

/** Who is banned, as the control thread knows it; its figures are those of the metrics. */
export interface BanSource extends Pick<BanFigures, "decisions" | "ageSeconds"> {
  /** There was a list, though LAPI may not have answered yet: it is from another process's file then. */
  readonly isReceived: boolean;
  /** All decisions that hold for the address; the one that is obeyed before the others comes first. */
  covering(address: Address): readonly StandingBan[];
}

/** What would become of a connection on one listener. */
export interface Prospect {
  readonly listener: string;
  /** Why it would be refused; null: it would be let in. */
  readonly refusal: Reason | null;
  /** What a banned client gets; null where it is not banned. */
  readonly action: "reply" | "drop" | "tarpit" | null;
  /** Phrases of postern's own: what stands behind the refusal, or what else the client would meet. */
  readonly notes: readonly string[];
}

/** Where an explanation comes from. */
export interface Grounds {
  readonly clients: ClientSource;
  /** Null: there is no CrowdSec. */
  readonly bans: BanSource | null;
  /** On each listener, in the configuration's order. */
  prospects(address: Address): readonly Prospect[];
}

/** `nowMs` is the time of day. */
export function explain(
  address: Address,
  { clients, bans, prospects }: Grounds,
  nowMs: number,
): ClientAnswer {
  const [ban] = bans?.covering(address) ?? [];
  return {
    address: address.text,
    ban: ban === undefined ? null : banAnswer(ban, nowMs),
    ...(bans?.isReceived === false ? { listMissing: true } : {}),
    listeners: prospects(address).map(listenerAnswer),
    counters: entriesOf(clients, address).map(counterAnswer),
  };
}

export function banAnswer(ban: StandingBan, nowMs: number): BanAnswer {
  const { id, origin, scenario, type, scope, network, remainingSeconds, isProtected } = ban;
  const { address, length } = network;
  return {
    id,
    origin,
    scenario,
    type,
    scope,
    value: scope === "ip" ? address.text : `${address.text}/${length}`,
    endsAt: new Date(nowMs + remainingSeconds * 1000).toISOString(),
    remainingSeconds,
    ...(isProtected ? { protected: true } : {}),
  };
}

function listenerAnswer({ listener, refusal, action, notes }: Prospect): ListenerAnswer {
  return {
    listener,
    outcome: refusal === null ? "accepted" : "refused",
    reason: refusal,
    ...(action === null ? {} : { action }),
    detail: notes.length === 0 ? null : notes.join("; "),
  };
}

export function counterAnswer(entry: ClientEntry): CounterAnswer {
  const { address, prefixLength, scope, connections, concurrency, refused, messages, bytes } = entry;
  const { lastSeenSecondsAgo, window } = entry;
  const prefix = isPrefix(entry) ? { prefixLength } : {};
  const totals = { connections, concurrency, refused, messages, bytes };
  return { address: address.text, ...prefix, scope, ...totals, lastSeenSecondsAgo, window };
}

/**
 * What `GET /api/clients/ADDRESS` answers, as JSON: the one page that postern itself reads again (`postern why`), so that
 * its shape stands here for both ends. Who reads it trusts no answer before `isClientAnswer`; more than is named here may
 * always come.
 */

/** A decision of CrowdSec's that holds for the address. */
export interface BanAnswer {
  readonly id: number;
  readonly origin: string;
  readonly scenario: string;
  readonly type: string;
  readonly scope: string;
  /** The address or the network that was decided upon. */
  readonly value: string;
  /** ISO 8601. */
  readonly endsAt: string;
  readonly remainingSeconds: number;
  /** True: it is not obeyed, as the configuration says never to ban this address. */
  readonly protected?: boolean;
}

/** What would become of a connection, if one were made now. */
export interface ListenerAnswer {
  readonly listener: string;
  /** `accepted` or `refused`. */
  readonly outcome: string;
  readonly reason: string | null;
  /** What a banned client gets; there for such a one only. */
  readonly action?: string;
  readonly detail: string | null;
}

/** What one scope of limits has counted. */
export interface CounterAnswer {
  readonly address: string;
  /** Only where a network is one client. */
  readonly prefixLength?: number;
  readonly scope: string;
  readonly connections: number;
  readonly concurrency: number;
  readonly refused: number;
  readonly messages: number;
  readonly bytes: number;
  readonly lastSeenSecondsAgo: number;
  readonly window: WindowAnswer;
}

interface WindowAnswer {
  readonly startedSecondsAgo: number;
  readonly connections: number;
  readonly messages: number;
  readonly recipients: number;
  readonly auths: number;
  readonly tlsSessions: number;
  readonly authFailures: number;
}

export interface ClientAnswer {
  readonly address: string;
  readonly ban: BanAnswer | null;
  /** True: there has been no list of decisions yet, so that nobody can be on it. */
  readonly listMissing?: boolean;
  readonly listeners: readonly ListenerAnswer[];
  readonly counters: readonly CounterAnswer[];
}

/** Each of an object's fields: the kinds of value that it may have, or who judges it. */
type Shape<Answer> = Readonly<Record<keyof Answer, readonly Kind[] | ((value: unknown) => boolean)>>;
type Kind = "string" | "number" | "boolean" | "null" | "undefined";

const ban: Shape<BanAnswer> = {
  id: ["number"],
  origin: ["string"],
  scenario: ["string"],
  type: ["string"],
  scope: ["string"],
  value: ["string"],
  endsAt: ["string"],
  remainingSeconds: ["number"],
  protected: ["boolean", "undefined"],
};

const listener: Shape<ListenerAnswer> = {
  listener: ["string"],
  outcome: ["string"],
  reason: ["string", "null"],
  action: ["string", "undefined"],
  detail: ["string", "null"],
};

const window: Shape<WindowAnswer> = {
  startedSecondsAgo: ["number"],
  connections: ["number"],
  messages: ["number"],
  recipients: ["number"],
  auths: ["number"],
  tlsSessions: ["number"],
  authFailures: ["number"],
};

const counter: Shape<CounterAnswer> = {
  address: ["string"],
  prefixLength: ["number", "undefined"],
  scope: ["string"],
  connections: ["number"],
  concurrency: ["number"],
  refused: ["number"],
  messages: ["number"],
  bytes: ["number"],
  lastSeenSecondsAgo: ["number"],
  window: (value) => fits(value, window),
};

const client: Shape<ClientAnswer> = {
  address: ["string"],
  ban: (value) => value === null || fits(value, ban),
  listMissing: ["boolean", "undefined"],
  listeners: (value) => Array.isArray(value) && value.every((each) => fits(each, listener)),
  counters: (value) => Array.isArray(value) && value.every((each) => fits(each, counter)),
};

/** Whether outside data is such an answer. */
export function isClientAnswer(value: unknown): value is ClientAnswer {
  return fits(value, client);
}

function fits<Answer>(value: unknown, shape: Shape<Answer>): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.entries<readonly Kind[] | ((value: unknown) => boolean)>(shape).every(([key, rule]) => {
    const field: unknown = Reflect.get(value, key);
    if (typeof rule === "function") return rule(field);
    return rule.some((kind) => (kind === "null" ? field === null : typeof field === kind));
  });
}

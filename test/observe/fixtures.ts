/** What the tests of the observing parts share: made-up clients and sessions, and an event log that remembers. */
import { Address, Network } from "../../src/address.ts";
import type { ClientEntry, ClientSource, ClientTotals } from "../../src/observe/clients.ts";
import type { BanSource, StandingBan } from "../../src/observe/explain.ts";
import type { EventLog, Fields } from "../../src/observe/logger.ts";
import type { ServerState } from "../../src/observe/servers.ts";
import type { Ban, SessionRecord } from "../../src/record.ts";

export function clientEntry(text: string, entry: Partial<ClientEntry>): ClientEntry {
  const address = Address.parse(text);
  if (address === null) throw new RangeError(text);
  return {
    address,
    prefixLength: address.family === 4 ? 32 : 128,
    scope: "smtp",
    connections: 1,
    refused: 0,
    messages: 0,
    bytes: 0,
    concurrency: 0,
    lastSeenSecondsAgo: 5,
    window: {
      startedSecondsAgo: 9,
      connections: 1,
      messages: 0,
      recipients: 0,
      auths: 0,
      tlsSessions: 0,
      authFailures: 0,
    },
    ...entry,
  };
}

const none: ClientTotals = { connections: 0, refused: 0, messages: 0, bytes: 0 };

export function clientSource(entries: readonly ClientEntry[], forgotten: ClientTotals = none): ClientSource {
  return { entries: () => entries, forgotten: () => forgotten, evictions: () => 4 };
}

/** A decision about a single address or, where `text` has a length, a network. */
export function standingBan(text: string, ban: Partial<StandingBan> = {}): StandingBan {
  const network = Network.parse(text);
  if (network === null) throw new RangeError(text);
  return {
    id: 42,
    origin: "crowdsec",
    scenario: "postern/auth-bf",
    type: "ban",
    remainingSeconds: 14_390,
    scope: text.includes("/") ? "range" : "ip",
    network,
    isProtected: false,
    ...ban,
  };
}

export function banSource(bans: readonly StandingBan[]): BanSource {
  const origins = new Set(bans.map(({ origin }) => origin));
  const count = (origin: string) => bans.filter((ban) => ban.origin === origin).length;
  return {
    isReceived: bans.length > 0,
    covering: (address) => bans.filter(({ network }) => network.contains(address)),
    decisions: () => Array.from(origins, (origin) => [origin, count(origin)] as const),
    ageSeconds: () => (bans.length === 0 ? Number.POSITIVE_INFINITY : 7),
  };
}

const end = (text: string, port: number) => ({ address: Address.parse(text)!, port });

/** The contract's own example of a session. */
export const session: SessionRecord = {
  id: "k3x9",
  client: end("203.0.113.7", 40123),
  peer: end("10.0.20.1", 51234),
  outcome: "closed",
  reason: null,
  detail: null,
  server: "127.0.0.1:25",
  durationMs: 812,
  parkedMs: null,
  bytesIn: 4096,
  bytesOut: 733,
  smtp: { mails: 1, recipients: 1, refused: 0 },
  imap: null,
  inspected: "full",
  ban: null,
  tls: null,
};

export interface Remembered {
  readonly level: string;
  readonly event: string;
  readonly fields: Fields | undefined;
}

export function memoryLog(): EventLog & { readonly events: Remembered[] } {
  const events: Remembered[] = [];
  return { events, event: (level, event, fields) => void events.push({ level, event, fields }) };
}

export const aBan: Ban = {
  id: 7,
  origin: "cscli",
  originIndex: 1,
  scenario: "manual 'ban' from 'm'",
  type: "ban",
  tarpits: false,
  remainingSeconds: 14_399,
};

/** A server of the pool `postfix` that is well, but for what is said otherwise. */
export function serverState(server: string, own: Partial<ServerState> = {}): ServerState {
  return {
    pool: "postfix",
    server,
    state: "ready",
    isUp: true,
    objection: null,
    fault: null,
    sessions: 0,
    transitions: { up: 0, down: 0 },
    ...own,
  };
}

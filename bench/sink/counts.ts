/** What a sink has seen: exact counts, and who each session said it was. Plain data, which goes from thread to thread as it is. */

/**
 * What clients did that they should not:
 * - `header`: no PROXY header where one has to be, or a malformed one.
 * - `tls`: a handshake that came to nothing.
 * - `line`: longer than allowed; it ends the session.
 * - `command`: unknown, or of the wrong form. `order`: right in itself, but not now.
 * - `login`: refused, or called off.
 * - `closed`: the end without QUIT or LOGOUT. `broken`: a reset, or another error of the network.
 */
const SINK_FAULTS = ["header", "tls", "line", "command", "order", "login", "closed", "broken"] as const;

export type SinkFault = (typeof SINK_FAULTS)[number];

export interface SinkCounts {
  readonly connections: number;
  /** Of these, those that are not over. */
  readonly open: number;
  /** Taken with the final 250. */
  readonly messages: number;
  /** Of these messages. */
  readonly recipients: number;
  /** Of messages taken, dots that were doubled included and the end's left out, or of messages fetched. */
  readonly bytes: number;
  readonly logins: number;
  /** Messages that were sent whole. */
  readonly fetches: number;
  readonly faults: Readonly<Record<SinkFault, number>>;
}

/** What one session announced; null where it did not. */
export interface Identity {
  /** The PROXY header's source, `203.0.113.7:1024`; `local` where it names none. */
  readonly proxy: string | null;
  /** The attributes of XCLIENT, decoded, by their names in upper case. */
  readonly xclient: Readonly<Record<string, string>> | null;
  /** The fields of IMAP's ID, by their names in lower case. */
  readonly id: Readonly<Record<string, string>> | null;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** A session's announcements while they come. */
export type Announced = Mutable<Identity>;

/** One thread's counts while they grow. */
export type Tally = Mutable<Omit<SinkCounts, "faults">> & { readonly faults: Record<SinkFault, number> };

export function emptyTally(): Tally {
  return {
    connections: 0,
    open: 0,
    messages: 0,
    recipients: 0,
    bytes: 0,
    logins: 0,
    fetches: 0,
    faults: { header: 0, tls: 0, line: 0, command: 0, order: 0, login: 0, closed: 0, broken: 0 },
  };
}

/** All threads' together. */
export function sumOf(parts: readonly SinkCounts[]): SinkCounts {
  const sum = emptyTally();
  for (const part of parts) {
    sum.connections += part.connections;
    sum.open += part.open;
    sum.messages += part.messages;
    sum.recipients += part.recipients;
    sum.bytes += part.bytes;
    sum.logins += part.logins;
    sum.fetches += part.fetches;
    for (const fault of SINK_FAULTS) sum.faults[fault] += part.faults[fault];
  }
  return sum;
}

/**
 * What an entry's words say, as plain values. The lock is the caller's.
 */
import { Address, Network } from "../address.ts";
import { BLANK, counters, entry, type Memory, totals } from "./memory.ts";

export interface Totals {
  readonly connections: number;
  readonly refused: number;
  readonly messages: number;
  readonly bytes: number;
}

export interface TableEntry {
  readonly scope: number;
  readonly client: Network;
  readonly concurrency: number;
  /** The events of the window that began at `windowStart`; it may have lapsed, as only an event begins another. */
  readonly window: Readonly<Record<keyof typeof counters, number>>;
  readonly windowStart: number;
  readonly lastSeen: number;
  readonly totals: Totals;
}

/** The client that stands in the entry; null where none does. */
export function readEntry(memory: Memory, index: number): TableEntry | null {
  const { words } = memory;
  const at = memory.at(index);
  if (words[at + entry.state] === BLANK) return null;
  const word = (offset: number) => words[at + offset]! >>> 0;
  const { scope, prefix, length, concurrency, windowStart, lastSeen } = entry;
  const address = new Address(word(prefix), word(prefix + 1), word(prefix + 2), word(prefix + 3));
  return {
    scope: word(scope),
    client: new Network(address, word(length)),
    concurrency: word(concurrency),
    window: {
      connections: word(entry.counters + counters.connections),
      messages: word(entry.counters + counters.messages),
      recipients: word(entry.counters + counters.recipients),
      auths: word(entry.counters + counters.auths),
      tlsSessions: word(entry.counters + counters.tlsSessions),
      authFailures: word(entry.counters + counters.authFailures),
    },
    windowStart: word(windowStart),
    lastSeen: word(lastSeen),
    totals: readTotals(memory, at + entry.totals),
  };
}

/** The totals that begin at the word `at`, an entry's or those of the evicted. */
export function readTotals({ doubles }: Memory, at: number): Totals {
  const total = (offset: number) => doubles[at / 2 + offset]!;
  return {
    connections: total(totals.connections),
    refused: total(totals.refused),
    messages: total(totals.messages),
    bytes: total(totals.bytes),
  };
}

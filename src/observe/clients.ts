/**
 * What the metrics and the admin pages want to know of the clients: who is the busiest, and who has this address.
 *
 * The clients themselves stand in the limits' table, which comes in through `ClientSource`; here they are only picked from.
 * One client may have several entries, one for each scope of limits.
 */
import { type Address, Network } from "../address.ts";

export interface ClientTotals {
  readonly connections: number;
  readonly refused: number;
  /** Messages that a server took. */
  readonly messages: number;
  /** Both directions. */
  readonly bytes: number;
}

/** What the rate limits have counted in the window that began so long ago. */
interface ClientWindow {
  readonly startedSecondsAgo: number;
  readonly connections: number;
  readonly messages: number;
  readonly recipients: number;
  readonly auths: number;
  readonly tlsSessions: number;
  readonly authFailures: number;
}

/** A client in one scope. */
export interface ClientEntry extends ClientTotals {
  /** The client's prefix: its bits beyond `prefixLength` are zero. */
  readonly address: Address;
  /** In the address's own family. */
  readonly prefixLength: number;
  readonly scope: string;
  /** Sessions that are open now. */
  readonly concurrency: number;
  readonly lastSeenSecondsAgo: number;
  readonly window: ClientWindow;
}

export interface ClientSource {
  /** All clients that are remembered, in any order. */
  entries(): Iterable<ClientEntry>;
  /** The totals of those that were evicted, together. */
  forgotten(): ClientTotals;
  /** Clients evicted so far. */
  evictions(): number;
}

export interface Ranking {
  /** The busiest first: by connections, then by bytes. */
  readonly busiest: readonly ClientEntry[];
  /** All others together, forgotten ones included. */
  readonly others: ClientTotals;
  /** How many entries there are in all. */
  readonly entries: number;
}

/** Ranks the clients in one walk, holding no more than `count` of them at a time. */
export function rank(source: ClientSource, count: number): Ranking {
  const busiest: ClientEntry[] = [];
  const others = { ...source.forgotten() };
  let entries = 0;
  for (const entry of source.entries()) {
    entries++;
    let left = entry;
    if (busiest.length < count || (count > 0 && isBusier(entry, busiest[count - 1]!))) {
      busiest.splice(placeOf(entry, busiest), 0, entry);
      if (busiest.length <= count) continue;
      left = busiest.pop()!;
    }
    others.connections += left.connections;
    others.refused += left.refused;
    others.messages += left.messages;
    others.bytes += left.bytes;
  }
  return { busiest, others, entries };
}

/** Every scope's entry for `address`, the ones that hold a whole network around it included. */
export function entriesOf(source: ClientSource, address: Address): ClientEntry[] {
  const found: ClientEntry[] = [];
  for (const entry of source.entries()) {
    if (new Network(entry.address, entry.prefixLength).contains(address)) found.push(entry);
  }
  return found;
}

/** Whether the entry stands for a whole network instead of one address. */
export function isPrefix({ address, prefixLength }: ClientEntry): boolean {
  return prefixLength < (address.family === 4 ? 32 : 128);
}

function isBusier(one: ClientEntry, other: ClientEntry): boolean {
  if (one.connections !== other.connections) return one.connections > other.connections;
  return one.bytes > other.bytes;
}

/** The place behind all that are at least as busy. */
function placeOf(entry: ClientEntry, busiest: readonly ClientEntry[]): number {
  let low = 0;
  let high = busiest.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBusier(entry, busiest[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The limits' table as the metrics and the admin pages want to see it: with scopes' names, and times as ages. */
import type { Clock } from "../clock.ts";
import type { TableEntry } from "../limits/entries.ts";
import type { Table } from "../limits/table.ts";
import type { ClientEntry, ClientSource } from "../observe/clients.ts";

/** `numbers` are the scopes', also of those that no listener counts in any more. */
export function clientSource(table: Table, numbers: ReadonlyMap<string, number>, clock: Clock): ClientSource {
  return {
    *entries() {
      const now = clock.seconds();
      const scopes = new Map(Array.from(numbers, ([name, number]) => [number, name]));
      for (const entry of table.entries()) yield clientEntry(entry, scopes, now);
    },
    forgotten: () => table.summary().evicted,
    evictions: () => table.summary().evictions,
  };
}

function clientEntry(
  entry: TableEntry,
  scopes: ReadonlyMap<number, string>,
  nowSeconds: number,
): ClientEntry {
  const { client, concurrency, totals, window } = entry;
  return {
    address: client.address,
    prefixLength: client.length,
    scope: scopes.get(entry.scope) ?? "",
    concurrency,
    ...totals,
    lastSeenSecondsAgo: nowSeconds - entry.lastSeen,
    window: { startedSecondsAgo: nowSeconds - entry.windowStart, ...window },
  };
}

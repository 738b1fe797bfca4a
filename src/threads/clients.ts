/** The limits' table as the metrics and the admin pages want to see it: with scopes' names, and times as ages. */
import type { Clock } from "../clock.ts";
import type { TableEntry } from "../limits/entries.ts";
import type { Table } from "../limits/table.ts";
import type { ClientEntry, ClientSource } from "../observe/clients.ts";

export function clientSource(table: Table, scopes: readonly string[], clock: Clock): ClientSource {
  return {
    *entries() {
      const now = clock.seconds();
      for (const entry of table.entries()) yield clientEntry(entry, scopes, now);
    },
    forgotten: () => table.summary().evicted,
    evictions: () => table.summary().evictions,
  };
}

function clientEntry(entry: TableEntry, scopes: readonly string[], nowSeconds: number): ClientEntry {
  const { client, concurrency, totals, window } = entry;
  return {
    address: client.address,
    prefixLength: client.length,
    scope: scopes[entry.scope] ?? "",
    concurrency,
    ...totals,
    lastSeenSecondsAgo: nowSeconds - entry.lastSeen,
    window: { startedSecondsAgo: nowSeconds - entry.windowStart, ...window },
  };
}

/**
 * What the threads share: the memory that the control thread allocates once, and how each thread finds its way in it.
 * Everything in here can be sent to a thread as it is.
 */
import { Networks } from "../address.ts";
import type { Configuration } from "../config/options.ts";
import { type EnforcedBans, nobodyBanned, ThreadBans } from "../crowdsec/bans.ts";
import { Shelf } from "../crowdsec/shelf.ts";
import { Table } from "../limits/table.ts";
import { Total } from "../limits/total.ts";
import { type CounterShape, Counters } from "../observe/counters.ts";
import { Pool } from "../pools/pool.ts";

export interface SharedMemory {
  readonly table: SharedArrayBuffer;
  readonly total: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  /** The ban list's; null: nobody is banned. */
  readonly shelf: SharedArrayBuffer | null;
  /** In the configuration's order. */
  readonly pools: readonly SharedArrayBuffer[];
}

export function allocate(configuration: Configuration): SharedMemory {
  const { threads, tableSize, pools, crowdsec } = configuration;
  return {
    table: Table.allocate({ entries: tableSize, threads }),
    total: Total.allocate(threads),
    counters: Counters.allocate(counterShape(configuration)),
    shelf: crowdsec && Shelf.allocate(),
    pools: pools.map((pool) => Pool.allocate(pool, threads)),
  };
}

export function counterShape({ threads, listeners, pools }: Configuration): CounterShape {
  return { threads, listeners: listeners.length, pools: pools.length };
}

/** The scopes' names; a scope's number in the table is its place here. */
export function scopesOf(configuration: Configuration): string[] {
  const scopes = new Set(configuration.listeners.map((listener) => scopeOf(configuration, listener)));
  return [...scopes].sort();
}

/** Whose counters a listener's limits count in: by default its own. */
export function scopeOf(
  { limits }: Configuration,
  listener: { readonly name: string; readonly limits: string },
): string {
  return limits[listener.limits]?.scope ?? listener.name;
}

/** The networks that are never banned, whatever is decided: the operator's, and those that PROXY headers come from. */
export function sparedOf({ crowdsec, listeners }: Configuration): readonly string[] {
  return [...(crowdsec?.neverBan ?? []), ...listeners.flatMap(({ proxy }) => proxy?.from ?? [])];
}

/** Who is banned, as one thread asks for it. */
export function bansOf(configuration: Configuration, { shelf }: SharedMemory): EnforcedBans {
  const { crowdsec } = configuration;
  if (crowdsec === null || shelf === null) return nobodyBanned;
  return new ThreadBans(crowdsec, new Shelf(shelf), new Networks(sparedOf(configuration)));
}

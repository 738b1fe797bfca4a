/**
 * What the threads share: the memory that the control thread allocates, and how each thread finds its way in it.
 * Everything in here can be sent to a thread as it is. It outlives configurations, as far as what it is for does.
 */
import { Networks } from "../address.ts";
import type { Configuration } from "../config/options.ts";
import { type EnforcedBans, nobodyBanned, ThreadBans } from "../crowdsec/bans.ts";
import { Shelf } from "../crowdsec/shelf.ts";
import { Table } from "../limits/table.ts";
import { Total } from "../limits/total.ts";
import { Counters } from "../observe/counters.ts";
import { Pool, type PoolMemory } from "../pools/pool.ts";
import { counterShape } from "./registry.ts";

export interface SharedMemory {
  readonly table: SharedArrayBuffer;
  readonly total: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  /** The ban list's; null: nobody was ever to be banned. */
  readonly shelf: SharedArrayBuffer | null;
  /** In the configuration's order. */
  readonly pools: readonly PoolMemory[];
}

export function allocate(configuration: Configuration): SharedMemory {
  const { threads, tableSize, pools, crowdsec } = configuration;
  return {
    table: Table.allocate({ entries: tableSize, threads }),
    total: Total.allocate(threads),
    counters: Counters.allocate(counterShape(threads)),
    shelf: crowdsec && Shelf.allocate(),
    pools: pools.map((pool) => Pool.allocate(pool, threads)),
  };
}

/** The memory for the configuration after this one: what there is stays, and what is new gets its own. */
export function extended(memory: SharedMemory, before: Configuration, next: Configuration): SharedMemory {
  const pools = next.pools.map((pool) => {
    const at = before.pools.findIndex(({ name }) => name === pool.name);
    const former = before.pools[at];
    if (former === undefined) return Pool.allocate(pool, next.threads);
    return Pool.extend(former, memory.pools[at]!, pool, next.threads);
  });
  return { ...memory, shelf: memory.shelf ?? (next.crowdsec && Shelf.allocate()), pools };
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

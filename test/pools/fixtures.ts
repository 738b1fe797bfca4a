/** Pools in tests: servers of one address and numbered ports, and clients by a number. */
import { Address } from "../../src/address.ts";
import type { BalanceMode, PoolOptions, ServerOptions } from "../../src/pools/options.ts";
import { Pool, type Server } from "../../src/pools/pool.ts";
import { defaultHealth, defaultPoolTls, noPark, serverAt } from "../config/fixtures.ts";

export const NOW = 1000;

export function optionsOf(
  servers: readonly Partial<ServerOptions>[],
  balance: BalanceMode = "roundrobin",
): PoolOptions {
  return {
    name: "servers",
    servers: servers.map((server, index) => ({ ...serverAt("192.0.2.1", index + 1), ...server })),
    balance,
    identity: "none",
    tls: defaultPoolTls,
    connectTimeoutMs: 1,
    greetTimeoutMs: 1,
    health: defaultHealth,
    park: noPark,
  };
}

/** The only thread's. */
export function poolOf(servers: readonly Partial<ServerOptions>[], balance?: BalanceMode): Pool {
  const options = optionsOf(servers, balance);
  return new Pool(options, Pool.allocate(options, 1), 0);
}

/** So many servers with nothing special about them. */
export function plain(count: number): Partial<ServerOptions>[] {
  return Array.from({ length: count }, () => ({}));
}

export function client(number: number): Address {
  return Address.v4(0xcb007100 + number);
}

/** The place of the server that a client is given, or why there is none. */
export function placeOf(found: ReturnType<Pool["pick"]>): number | string {
  return typeof found === "string" ? found : found.index;
}

/** The next servers' places, for as many clients, whose sessions end at once unless they stay. */
export function picks(pool: Pool, count: number, { now = NOW, stay = false } = {}): (number | string)[] {
  return Array.from({ length: count }, (_, number) => {
    const found = pool.pick(client(number), null, now);
    if (typeof found === "object" && !stay) pool.leave(found);
    return placeOf(found);
  });
}

/** How many of the picks each server had. */
export function countsOf(pool: Pool, places: readonly (number | string)[]): number[] {
  return pool.servers.map(({ index }) => places.filter((place) => place === index).length);
}

/** The server at a place. */
export function at(pool: Pool, place: number): Server {
  return pool.servers[place]!;
}

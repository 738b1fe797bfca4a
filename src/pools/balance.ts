/**
 * Which of several servers is next: three ways to choose, one for each `balance`. None of them knows who is up or full;
 * they are given those that may be chosen.
 */
import type { Address } from "../address.ts";
import { clientHash, mixed } from "./hash.ts";
import type { Server } from "./pool.ts";

export interface Balance {
  /** One of `servers`, of which there is at least one. */
  choose(servers: readonly Server[], client: Address, nowSeconds: number): Server;
}

/** A server's weight, as it is now. */
export type WeightOf = (server: Server, nowSeconds: number) => number;

/**
 * Smooth weighted turns: a server's credit grows by its weight each time, and who has most is chosen and pays what all
 * were given. Weights 2 and 1 make A B A, not A A B. A credit never falls below what was given at once, so that a server
 * is never more than one session ahead of its share.
 *
 * Each thread takes its own turns. They begin apart, or the first server would be every thread's first.
 */
export class RoundRobin implements Balance {
  readonly #credits: Float64Array;
  readonly #weightOf: WeightOf;

  constructor(servers: readonly Server[], weightOf: WeightOf, turnsTaken: number) {
    this.#credits = new Float64Array(servers.reduce((size, { index }) => Math.max(size, index + 1), 0));
    this.#weightOf = weightOf;
    if (servers.length === 0) return;
    for (let turn = 0; turn < turnsTaken; turn++) this.#turn(servers, ({ weight }) => weight);
  }

  choose(servers: readonly Server[], _client: Address, nowSeconds: number): Server {
    return this.#turn(servers, (server) => this.#weightOf(server, nowSeconds));
  }

  #turn(servers: readonly Server[], weightOf: (server: Server) => number): Server {
    const credits = this.#credits;
    let best = servers[0]!;
    let given = 0;
    for (const server of servers) {
      const weight = weightOf(server);
      given += weight;
      credits[server.index]! += weight;
      if (credits[server.index]! > credits[best.index]!) best = server;
    }
    credits[best.index]! -= given;
    return best;
  }
}

/** The fewest sessions for its weight, the one that is to come included. Among equals each has its turn. */
export class LeastSessions implements Balance {
  readonly #sessionsOn: (server: Server) => number;
  readonly #weightOf: WeightOf;
  #turn: number;

  constructor(sessionsOn: (server: Server) => number, weightOf: WeightOf, turnsTaken: number) {
    this.#sessionsOn = sessionsOn;
    this.#weightOf = weightOf;
    this.#turn = turnsTaken;
  }

  choose(servers: readonly Server[], _client: Address, nowSeconds: number): Server {
    const from = this.#turn++;
    let best = servers[0]!;
    let least = Number.POSITIVE_INFINITY;
    for (let step = 0; step < servers.length; step++) {
      const server = servers[(from + step) % servers.length]!;
      const load = (this.#sessionsOn(server) + 1) / this.#weightOf(server, nowSeconds);
      if (load < least) [best, least] = [server, load];
    }
    return best;
  }
}

/**
 * The client's own server: each draws a lot for each client, and who has the lowest has the client. So the loss of a
 * server moves its own clients alone, each to the one with its next lot, and its return brings these back. The lots are
 * exponentially distributed at the rate of the weight (weighted rendezvous hashing), which makes a server win as often
 * as its weight says. A share that grows would move clients twice: here the weight is what is written.
 */
export class BySource implements Balance {
  choose(servers: readonly Server[], client: Address): Server {
    const source = clientHash(client);
    let best = servers[0]!;
    let lowest = Number.POSITIVE_INFINITY;
    for (const server of servers) {
      // Above 0 and below 1.
      const chance = (mixed(source, server.hash) + 0.5) / 2 ** 32;
      const lot = -Math.log(chance) / server.weight;
      if (lot < lowest) [best, lowest] = [server, lot];
    }
    return best;
  }
}

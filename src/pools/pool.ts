/**
 * A pool answers one question: which server, now. It knows no protocol and opens no connection.
 *
 * Servers that are up come first, backups only where none of the others can be had, and those that count as down only
 * where nothing is up: so a server's return is noticed. Those that the operator has taken out get nothing. Whoever is given
 * a server has taken a slot on it, and gives it back exactly once; those of a thread that died, the control thread gives
 * back. Clients that no server can take now wait in the pool's queue.
 */
import type { Address, Endpoint } from "../address.ts";
import { type Balance, BySource, LeastSessions, RoundRobin } from "./balance.ts";
import { clientHash } from "./hash.ts";
import { Health, type Objection, type OperatorState } from "./health.ts";
import type { PoolOptions, ServerOptions } from "./options.ts";
import { Places } from "./places.ts";
import { Queue } from "./queue.ts";
import { Slots } from "./slots.ts";

export interface Server {
  readonly endpoint: Endpoint;
  /** As in the configuration, the log and the metrics; behind a name and a slash its address. */
  readonly name: string;
  /** Of the name: a server keeps its clients wherever it stands in the pool. */
  readonly hash: number;
  /** The server's place in its pool. */
  readonly index: number;
  readonly weight: number;
}

/**
 * - `full`: those that are up have as many sessions as they may.
 * - `down`: each of them has been tried for this client.
 */
export type NoServer = "full" | "down";

/** What the threads share of a pool. */
export interface PoolMemory {
  /** Where servers with names stand. */
  readonly places: SharedArrayBuffer;
  /** A piece for each place. */
  readonly servers: readonly SharedArrayBuffer[];
  readonly queue: SharedArrayBuffer;
}

export class Pool {
  readonly options: PoolOptions;
  /** Null: nobody waits. */
  readonly queue: Queue | null;
  #servers: readonly Server[] = [];
  /** The servers, and the backups. */
  #ranks: readonly (readonly Server[])[] = [];
  readonly #places: Places;
  /** Of the places, as the servers were taken from there. */
  #version = -1;
  readonly #health: Health;
  readonly #slots: Slots;
  readonly #turnsTaken: number;
  #balance: Balance;

  static allocate({ servers }: PoolOptions, threads: number): PoolMemory {
    const { memory, keys } = Places.allocate(servers);
    return { places: memory, servers: keys.map(() => pieceFor(threads)), queue: Queue.allocate(threads) };
  }

  /** The memory for other options: a server that stays goes on with its own, and whoever waits stays in the queue. */
  static extend(before: PoolOptions, memory: PoolMemory, next: PoolOptions, threads: number): PoolMemory {
    const former = new Places(before.servers, memory.places);
    const places = Places.allocate(next.servers, former);
    const servers = places.keys.map((key) => memory.servers[former.keys.indexOf(key)] ?? pieceFor(threads));
    return { places: places.memory, servers, queue: memory.queue };
  }

  /** `thread` counts from 0; -1 is the control thread. */
  constructor(options: PoolOptions, memory: PoolMemory, thread: number) {
    const { servers, park } = options;
    const words = memory.servers.map((one) => new Int32Array(one));
    this.options = options;
    this.#places = new Places(servers, memory.places);
    const bounds = this.#places.options.map(({ maxConnections }) => maxConnections);
    this.#health = new Health(words);
    const counts = words.map((one) => one.subarray(Health.WORDS));
    this.#slots = new Slots(counts, bounds, columnOf(thread));
    const isOff = park.timeoutMs === 0 || park.max === 0;
    this.queue = isOff ? null : new Queue(memory.queue, park.max, columnOf(thread));
    this.#turnsTaken = Math.max(thread, 0);
    this.#balance = this.#makeBalance();
    this.#follow();
  }

  /** Those that there are now: where the configuration has names, they come and go. */
  get servers(): readonly Server[] {
    this.#follow();
    return this.#servers;
  }

  /** A server's name has these addresses from now on. Whether they are others than before. */
  settle(server: ServerOptions, addresses: readonly Address[]): boolean {
    return this.#places.settle(server, addresses, (place) => {
      if (this.#slots.count(place) > 0) return false;
      this.#health.forget(place);
      return true;
    });
  }

  #follow(): void {
    const { version, options } = this.#places;
    if (version === this.#version || version % 2 !== 0) return;
    const before = this.#servers;
    // One that stays is the same.
    const servers = this.#places
      .servers()
      .map(
        (server) =>
          before.find(({ index, name }) => index === server.index && name === server.name) ?? server,
      );
    // They have changed meanwhile: the next time will do.
    if (this.#places.version !== version) return;
    this.#version = version;
    this.#servers = servers;
    this.#ranks = [false, true].map((backup) =>
      servers.filter(({ index }) => options[index]!.backup === backup),
    );
    this.#balance = this.#makeBalance();
  }

  /** The server to try next, on which a slot has been taken; those that were `tried` for this client are left out. */
  pick(client: Address, tried: ReadonlySet<Server> | null, nowSeconds: number): Server | NoServer {
    this.#follow();
    for (const isWell of [true, false]) {
      let areFull = false;
      for (const rank of this.#ranks) {
        const left = rank.filter(
          (server) =>
            !tried?.has(server) &&
            this.operatorState(server) === "ready" &&
            this.isWell(server, nowSeconds) === isWell,
        );
        const server = this.#take(left, client, nowSeconds);
        if (server !== null) return server;
        areFull ||= left.length > 0;
      }
      if (areFull) return "full";
    }
    return "down";
  }

  /** The session on it is over. */
  leave(server: Server): void {
    this.#slots.give(server.index);
  }

  succeeded(server: Server, nowSeconds: number): void {
    this.#health.succeeded(server.index, nowSeconds);
  }

  /** It cannot be had. */
  failed(server: Server, nowSeconds: number): void {
    this.#health.failed(server.index, nowSeconds);
  }

  /** It cannot be had for this client, which it knows. */
  failedWith(server: Server, client: Address, nowSeconds: number): void {
    this.#health.failedWith(server.index, clientHash(client), nowSeconds);
  }

  /** What one check has found. */
  found(server: Server, isWell: boolean): void {
    this.#health.found(server.index, isWell);
  }

  /** Whether the last check found it well: what it refuses to a client then is about that client. */
  isVouchedFor(server: Server): boolean {
    return this.options.health.intervalMs > 0 && this.#health.isVouchedFor(server.index);
  }

  /** The checks have come to this. */
  checked(server: Server, isWell: boolean, nowSeconds: number): void {
    this.#health.checked(server.index, isWell, nowSeconds);
  }

  /** It is not checked any more. */
  unchecked(server: Server, nowSeconds: number): void {
    this.#health.unchecked(server.index, nowSeconds);
  }

  /** Whether a session has succeeded on it since checks have found it down; each is said once. */
  takeContradiction(server: Server): boolean {
    return this.#health.takeContradiction(server.index);
  }

  isUp(server: Server, nowSeconds: number): boolean {
    return this.objection(server, nowSeconds) === null;
  }

  /** Who objects to the server; null: it is up. */
  objection(server: Server, nowSeconds: number): Objection | null {
    return this.#health.objection(server.index, nowSeconds);
  }

  /** Whether it works, whatever the operator wants with it. */
  isWell(server: Server, nowSeconds: number): boolean {
    return this.#health.isWell(server.index, nowSeconds);
  }

  operatorState(server: Server): OperatorState {
    return this.#health.operatorState(server.index);
  }

  setOperatorState(server: Server, state: OperatorState): void {
    this.#health.setOperatorState(server.index, state);
  }

  /** Whether no server is left that is up. */
  isDown(nowSeconds: number): boolean {
    return !this.servers.some((server) => this.isUp(server, nowSeconds));
  }

  /** Whether servers are up, and none of them has room. */
  isFull(nowSeconds: number): boolean {
    return this.room(nowSeconds) === 0;
  }

  /** How many sessions more the servers may have that are up; null where none is. */
  room(nowSeconds: number): number | null {
    const up = this.servers.filter((server) => this.isUp(server, nowSeconds));
    return up.length === 0 ? null : up.reduce((sum, { index }) => sum + this.#slots.room(index), 0);
  }

  /** What health checks are told: whether a client is served now, or kept until it can be; or only whether a server is up. */
  isOpen(nowSeconds: number): boolean {
    const room = this.room(nowSeconds);
    if (this.options.park.healthchecks === "down") return room !== null;
    if (this.queue?.hasRoom === true) return true;
    // Behind those who wait already nobody is served now.
    return room !== null && room > 0 && (this.queue === null || this.queue.size === 0);
  }

  sessionsOn(server: Server): number {
    return this.#slots.count(server.index);
  }

  /** Gives back the slots of a thread that has ended. */
  reclaim(thread: number): void {
    this.#slots.reclaim(columnOf(thread));
    this.queue?.reclaim(columnOf(thread));
  }

  /** Another thread may have taken the last slot meanwhile: then the next is chosen. */
  #take(servers: readonly Server[], client: Address, nowSeconds: number): Server | null {
    let open = servers.filter(({ index }) => this.#slots.hasRoom(index));
    while (open.length > 0) {
      const chosen = this.#balance.choose(open, client, nowSeconds);
      if (this.#slots.take(chosen.index)) return chosen;
      open = open.filter((server) => server !== chosen);
    }
    return null;
  }

  #makeBalance(): Balance {
    const weightOf = (server: Server, nowSeconds: number) =>
      server.weight * this.#health.share(server.index, nowSeconds);
    const { balance } = this.options;
    switch (balance) {
      case "roundrobin":
        return new RoundRobin(this.#servers, weightOf, this.#turnsTaken);
      case "leastconn":
        return new LeastSessions((server) => this.sessionsOn(server), weightOf, this.#turnsTaken);
      case "source":
        return new BySource();
      default:
        return balance satisfies never;
    }
  }
}

function pieceFor(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer((Health.WORDS + 1 + threads) * Int32Array.BYTES_PER_ELEMENT);
}

/** The control thread has the first column. */
function columnOf(thread: number): number {
  return thread + 1;
}

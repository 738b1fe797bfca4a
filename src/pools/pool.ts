/**
 * A pool answers one question: which server, now. It knows no protocol and opens no connection.
 *
 * A server whose last connect failed within `DOWN_SECONDS` counts as down; it is tried when no other is left. What each
 * thread learns stands in shared memory, so that all of them, and the control thread's `/readyz`, see the same.
 */
import { type Endpoint, endpointText } from "../address.ts";
import type { PoolOptions } from "./options.ts";

/** Long enough that health checks some seconds apart agree, short enough that a server's return is soon noticed. */
const DOWN_SECONDS = 15;

export interface Server {
  readonly endpoint: Endpoint;
  /** As in the configuration, the log and the metrics. */
  readonly name: string;
  /** The server's place in its pool. */
  readonly index: number;
}

export class Pool {
  readonly options: PoolOptions;
  readonly servers: readonly Server[];
  /** For each server the second at which its last connect failed, plus one; 0: it did not. */
  readonly #failedAt: Int32Array;
  #next = 0;

  static allocate(options: PoolOptions): SharedArrayBuffer {
    return new SharedArrayBuffer(options.servers.length * Int32Array.BYTES_PER_ELEMENT);
  }

  constructor(options: PoolOptions, memory: SharedArrayBuffer) {
    this.options = options;
    this.servers = options.servers.map((endpoint, index) => ({
      endpoint,
      name: endpointText(endpoint),
      index,
    }));
    this.#failedAt = new Int32Array(memory);
  }

  /**
   * The next server in turn that is up, or else the next in turn; null when all of them have been `tried` for this client.
   */
  pick(tried: ReadonlySet<Server> | null, nowSeconds: number): Server | null {
    const count = this.servers.length;
    let second: Server | null = null;
    for (let step = 0; step < count; step++) {
      const server = this.servers[(this.#next + step) % count]!;
      if (tried?.has(server)) continue;
      if (this.isUp(server, nowSeconds)) {
        this.#next = server.index + 1;
        return server;
      }
      second ??= server;
    }
    if (second !== null) this.#next = second.index + 1;
    return second;
  }

  succeeded(server: Server): void {
    if (this.#failedAt[server.index] !== 0) Atomics.store(this.#failedAt, server.index, 0);
  }

  failed(server: Server, nowSeconds: number): void {
    Atomics.store(this.#failedAt, server.index, nowSeconds + 1);
  }

  isUp(server: Server, nowSeconds: number): boolean {
    const failedAt = Atomics.load(this.#failedAt, server.index);
    return failedAt === 0 || nowSeconds + 1 - failedAt > DOWN_SECONDS;
  }

  /** Whether no server is left that is up. */
  isDown(nowSeconds: number): boolean {
    return !this.servers.some((server) => this.isUp(server, nowSeconds));
  }
}

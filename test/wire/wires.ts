/** The two ways behind the wire, and what its tests build on them. */
import { connect, type Socket } from "node:net";
import type { Test } from "tap";
import { HandleWire } from "../../src/wire/handles.ts";
import { loadLibuv } from "../../src/wire/libuv.ts";
import { SocketWire } from "../../src/wire/sockets.ts";
import { type Connection, type ConnectionOwner, nobody, type Wire } from "../../src/wire/wire.ts";
import { until } from "../servers/process.ts";

const libuv = loadLibuv();
if (libuv === null) throw new Error("this Node has no libuv handles");

export const wires: readonly Wire[] = [new HandleWire(libuv), new SocketWire()];

export const loopback = { host: "127.0.0.1", port: 0 };

/** An owner that does what `does` says and ignores the rest. */
export function ownerWith(does: Partial<ConnectionOwner>): ConnectionOwner {
  return { ...nobody, ...does };
}

/** A connection of the wire's that was accepted, and the far end of it. */
export async function accepted(
  t: Test,
  wire: Wire,
  host = "127.0.0.1",
): Promise<{ near: Connection; far: Socket }> {
  const come: Connection[] = [];
  const listening = await wire.listen({
    endpoint: { host, port: 0 },
    reusePort: false,
    onConnection: (connection) => come.push(connection),
    onAcceptError: (code) => t.fail(code),
  });
  const far = connect({ ...listening.endpoint, allowHalfOpen: true });
  const near = await until("a connection", () => come[0]);
  t.teardown(() => {
    near.close();
    far.destroy();
    listening.close();
  });
  far.on("error", () => {});
  return { near, far };
}

/** Two connections of which each says what the other hears, as a splice does. */
export class Pump implements ConnectionOwner {
  readonly #one: Connection;
  readonly #other: Connection;
  #ends = 0;

  constructor(one: Connection, other: Connection) {
    this.#one = one;
    this.#other = other;
    one.owner = this;
    other.owner = this;
    one.start();
    other.start();
  }

  onConnect(): void {}

  onData(from: Connection, bytes: Uint8Array): void {
    if (!this.#far(from).write(bytes)) from.stop();
  }

  onEnd(from: Connection): void {
    this.#far(from).end();
    this.#ends++;
  }

  onDrain(to: Connection): void {
    if (this.#ends < 2) this.#far(to).start();
  }

  onError(connection: Connection): void {
    this.#far(connection).close();
  }

  #far(connection: Connection): Connection {
    return connection === this.#one ? this.#other : this.#one;
  }
}

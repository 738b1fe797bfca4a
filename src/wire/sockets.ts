/**
 * The wire on documented `node:net` only: the way that every Node has, for where libuv's handles cannot be had and for
 * comparing the two.
 */
import { createServer, connect as netConnect, type Socket } from "node:net";
import type { AddressAndPort, Endpoint } from "../address.ts";
import {
  BACKLOG,
  type Connection,
  type ConnectionOwner,
  ListenError,
  type Listening,
  type ListenOptions,
  nobody,
  socketName,
  type Wire,
} from "./wire.ts";

export class SocketWire implements Wire {
  readonly name = "net";

  listen(options: ListenOptions): Promise<Listening> {
    const { endpoint } = options;
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
    server.on("connection", (socket) => options.onConnection(new SocketConnection(socket, nobody)));
    return new Promise((resolve, reject) => {
      server.once("error", (error) => reject(new ListenError(endpoint, codeOf(error))));
      server.listen(
        {
          host: endpoint.host,
          port: endpoint.port,
          backlog: BACKLOG,
          reusePort: options.reusePort,
          ipv6Only: endpoint.host.includes(":"),
        },
        () => {
          server.removeAllListeners("error");
          server.on("error", (error) => options.onAcceptError(codeOf(error)));
          const bound = server.address();
          const port = bound !== null && typeof bound === "object" ? bound.port : endpoint.port;
          resolve({ endpoint: { host: endpoint.host, port }, close: () => server.close() });
        },
      );
    });
  }

  connect(endpoint: Endpoint, owner: ConnectionOwner): Connection {
    const socket = netConnect({
      host: endpoint.host,
      port: endpoint.port,
      allowHalfOpen: true,
      noDelay: true,
    });
    const connection = new SocketConnection(socket, owner);
    socket.once("connect", () => connection.owner.onConnect(connection));
    return connection;
  }
}

class SocketConnection implements Connection {
  owner: ConnectionOwner;
  readonly #socket: Socket;
  hasEnded = false;
  /** A write has said false, and the owner has not heard of its drain yet. */
  isPending = false;

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.owner = owner;
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => this.owner.onData(this, bytes));
    socket.pause();
    socket.on("end", () => {
      this.hasEnded = true;
      this.owner.onEnd(this);
    });
    socket.on("error", (error) => this.#fail(codeOf(error)));
  }

  peer(): AddressAndPort | null {
    return socketName(this.#socket.remoteAddress, this.#socket.remotePort);
  }

  local(): AddressAndPort | null {
    return socketName(this.#socket.localAddress, this.#socket.localPort);
  }

  start(): void {
    this.#socket.resume();
  }

  stop(): void {
    this.#socket.pause();
  }

  /** The stream's own answer says how much it has buffered; what counts here is whether it has buffered anything. */
  write(bytes: Uint8Array): boolean {
    if (bytes.length === 0) return true;
    this.#socket.write(bytes, () => this.#written());
    if (this.#socket.writableLength > 0) this.isPending = true;
    return !this.isPending;
  }

  end(): void {
    this.#socket.end();
  }

  close(): void {
    this.owner = nobody;
    this.#socket.destroy();
  }

  #written(): void {
    if (!this.isPending || this.#socket.destroyed || this.#socket.writableLength > 0) return;
    this.isPending = false;
    this.owner.onDrain(this);
  }

  #fail(code: string): void {
    const { owner } = this;
    this.close();
    owner.onError(this, code);
  }
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}

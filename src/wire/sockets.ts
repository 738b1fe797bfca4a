/**
 * The wire on documented `node:net` and `node:tls` only: the way that every Node has, for where libuv's handles cannot be
 * had and for comparing the two.
 */
import { createServer, connect as netConnect, type Server, type Socket } from "node:net";
import { TLSSocket, connect as tlsConnect } from "node:tls";
import type { AddressAndPort, Endpoint } from "../address.ts";
import {
  BACKLOG,
  type Connection,
  type ConnectionOwner,
  errorCode,
  ListenError,
  type Listening,
  type ListenOptions,
  nobody,
  socketName,
  type TlsFacts,
  type TlsTerms,
  type Wire,
} from "./wire.ts";

export class SocketWire implements Wire {
  readonly name = "net";

  listen(options: ListenOptions): Promise<Listening> {
    const { endpoint, descriptor = null } = options;
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
    server.on("connection", (socket) => options.onConnection(new SocketConnection(socket, nobody)));
    return new Promise((resolve, reject) => {
      server.once("error", (error) => reject(new ListenError(endpoint, errorCode(error))));
      server.listen(
        descriptor === null
          ? {
              host: endpoint.host,
              port: endpoint.port,
              backlog: BACKLOG,
              reusePort: options.reusePort,
              ipv6Only: endpoint.host.includes(":"),
            }
          : { fd: descriptor, backlog: BACKLOG },
        () => {
          server.removeAllListeners("error");
          server.on("error", (error) => options.onAcceptError(errorCode(error)));
          const bound = server.address();
          const port = bound !== null && typeof bound === "object" ? bound.port : endpoint.port;
          resolve({
            endpoint: { host: endpoint.host, port },
            descriptor: descriptorOf(server),
            close: () => server.close(),
          });
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
  #socket: Socket;
  tls: TlsFacts | null = null;
  hasEnded = false;
  /** A write has said false, and the owner has not heard of its drain yet. */
  isPending = false;
  #shaking = false;
  readonly #onData = (bytes: Buffer) => this.owner.onData(this, bytes);
  readonly #onEnd = () => this.#ended();
  readonly #onError = (error: Error) => this.#fail(errorCode(error));

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.owner = owner;
    this.#socket = socket;
    this.#listen(socket);
  }

  peer(): AddressAndPort | null {
    return socketName(this.#socket.remoteAddress, this.#socket.remotePort);
  }

  local(): AddressAndPort | null {
    return socketName(this.#socket.localAddress, this.#socket.localPort);
  }

  secure(terms: TlsTerms, surplus: Uint8Array): void {
    const outside = this.#socket;
    if (outside.destroyed) return;
    // What breaks outside goes on to break this connection; bytes and their end are inside from here on.
    outside.pause().off("data", this.#onData).off("end", this.#onEnd);
    if (surplus.length > 0) outside.unshift(Buffer.from(surplus));
    const inside = terms.side === "server" ? serverSocket(outside, terms) : clientSocket(outside, terms);
    this.#socket = inside;
    this.#shaking = true;
    inside.once(terms.side === "server" ? "secure" : "secureConnect", () => this.#shaken(inside));
    // Once it is secure, a server's socket without a server tells its errors by this name only.
    inside.on("_tlsError", this.#onError);
    this.#listen(inside);
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

  #listen(socket: Socket): void {
    socket.on("data", this.#onData).pause();
    socket.on("end", this.#onEnd).on("error", this.#onError);
  }

  #shaken(socket: TLSSocket): void {
    if (socket.destroyed) return;
    this.#shaking = false;
    this.tls = {
      version: socket.getProtocol() ?? "",
      cipher: socket.getCipher().name,
      resumed: socket.isSessionReused(),
    };
    this.owner.onConnect(this);
  }

  #ended(): void {
    if (this.#shaking) return this.#fail("EOF");
    // A stream that is paused says so all the same when nothing stands before its end.
    if (this.#socket.isPaused()) {
      this.#socket.once("resume", this.#onEnd);
      return;
    }
    this.hasEnded = true;
    this.owner.onEnd(this);
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

/** Node documents no way to a server's descriptor. */
function descriptorOf(server: Server): number {
  const fd: unknown = Reflect.get(Object(Reflect.get(server, "_handle")), "fd");
  return typeof fd === "number" ? fd : -1;
}

function serverSocket(socket: Socket, { certificates }: TlsTerms & { side: "server" }): TLSSocket {
  return new TLSSocket(socket, {
    isServer: true,
    secureContext: certificates.first,
    ...(!certificates.isOne && {
      SNICallback: (name, done) => done(null, certificates.choose(name)),
    }),
  });
}

function clientSocket(socket: Socket, { trust }: TlsTerms & { side: "client" }): TLSSocket {
  const peer = socketName(socket.remoteAddress, socket.remotePort);
  return tlsConnect({
    socket,
    secureContext: trust.context,
    rejectUnauthorized: trust.verifies,
    ...(trust.servername !== null && { servername: trust.servername }),
    checkServerIdentity: (_, { raw }) => {
      const code = trust.misnamed(raw, peer);
      return code === null ? undefined : Object.assign(new Error(code), { code });
    },
  });
}

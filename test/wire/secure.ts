/** Connections of a wire's in TLS, with Node's own `tls` as the far end. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer as createPlainServer, type Server, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import {
  createServer,
  type ConnectionOptions as FarClient,
  type TlsOptions as FarServer,
  type TLSSocket,
  connect as tlsConnect,
} from "node:tls";
import type { Test } from "tap";
import { type CertificateOptions, Certificates } from "../../src/wire/certificates.ts";
import { Trust, type TrustOptions } from "../../src/wire/trust.ts";
import type { Connection, ConnectionOwner, Wire } from "../../src/wire/wire.ts";
import { makeCertificate } from "../servers/certificate.ts";
import { makeDirectory, until } from "../servers/process.ts";
import { accepted, ownerWith } from "./wires.ts";

type Pair = CertificateOptions["pairs"][number];

const EMPTY = Buffer.alloc(0);

/** A certificate of its own authority, and its key. */
export function makePair(t: Test, name: string, ...otherNames: string[]): Pair {
  const { certFile, keyFile } = makeCertificate(makeDirectory(t, "tls"), name, ...otherNames);
  return { cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
}

export function certificatesWith(options: Partial<CertificateOptions> & { pairs: Pair[] }): Certificates {
  return new Certificates({ minVersion: "TLSv1.2", ticketKeys: randomBytes(48), ...options });
}

export function trustWith(options: Partial<TrustOptions>): Trust {
  return new Trust({ verify: "none", name: null, ca: null, ...options });
}

/** An owner that writes down what it hears. */
export class Ear implements ConnectionOwner {
  /** `connect`, `data`, `end`, `drain` or an error's code. */
  readonly calls: string[] = [];
  text = "";
  /** Whose handshake is done. */
  connection: Connection | null = null;

  onConnect(connection: Connection): void {
    this.connection = connection;
    this.calls.push("connect");
  }

  onData(_: Connection, bytes: Uint8Array): void {
    if (this.calls.at(-1) !== "data") this.calls.push("data");
    this.text += Buffer.from(bytes).toString("latin1");
  }

  onEnd(_: Connection): void {
    this.calls.push("end");
  }

  onDrain(_: Connection): void {
    this.calls.push("drain");
  }

  onError(_: Connection, code: string): void {
    this.calls.push(code);
  }

  heard(call: string): Promise<unknown> {
    return until(`${call} after ${this.calls}`, () => this.calls.includes(call));
  }
}

/** A connection that was accepted and is a server in TLS, and the plain socket at its far end. */
export async function serving(
  t: Test,
  wire: Wire,
  certificates: Certificates,
): Promise<{ near: Connection; far: Socket; ear: Ear }> {
  const { near, far } = await accepted(t, wire);
  const ear = new Ear();
  near.owner = ear;
  near.secure({ side: "server", certificates }, EMPTY);
  return { near, far, ear };
}

/** TLS on the far end's socket, whatever the certificate. */
export function farClient(t: Test, socket: Socket, options: FarClient = {}): TLSSocket {
  const far = tlsConnect({ socket, rejectUnauthorized: false, ...options });
  far.on("error", () => {});
  t.teardown(() => far.destroy());
  return far;
}

/** Both ends of a handshake that is done, the wire's being the server. */
export async function served(
  t: Test,
  wire: Wire,
  certificates: Certificates,
  options: FarClient = {},
): Promise<{ near: Connection; far: TLSSocket; raw: Socket; ear: Ear }> {
  const { near, far: raw, ear } = await serving(t, wire, certificates);
  const far = farClient(t, raw, options);
  await Promise.all([ear.heard("connect"), once(far, "secureConnect")]);
  return { near, far, raw, ear };
}

/** A stream over `socket` that passes on what is written in the way of `write`. */
export function over(socket: Socket, write: (bytes: Buffer) => Promise<void>): Duplex {
  const duplex = new Duplex({
    read: () => {},
    write: (bytes, _, done) => void write(bytes).then(() => done()),
  });
  socket.on("data", (bytes: Buffer) => duplex.push(bytes)).on("close", () => duplex.destroy());
  return duplex;
}

/**
 * A connection that becomes a server in TLS from within its owner's call, after a line and `before` bytes in the clear; all
 * but one byte of the client's hello came along with the line.
 */
export async function upgraded(
  t: Test,
  wire: Wire,
  certificates: Certificates,
  before: number,
): Promise<{ far: TLSSocket; ear: Ear }> {
  const { near, far } = await accepted(t, wire);
  const ear = new Ear();
  let line = Buffer.from("STARTTLS\r\n".padStart(before + 10));
  let ahead = line.length;
  near.owner = ownerWith({
    onData: (connection, bytes) => {
      const used = Math.min(ahead, bytes.length);
      ahead -= used;
      if (ahead > 0) return;
      connection.owner = ear;
      connection.secure({ side: "server", certificates }, bytes.subarray(used));
      bytes.fill(0);
    },
  });
  near.start();
  const eager = over(far, async (bytes) => {
    far.write(Buffer.concat([line, bytes.subarray(0, -1)]));
    if (line.length > 0) await sleep(20);
    far.write(bytes.subarray(-1));
    line = Buffer.alloc(0);
  });
  return { far: tlsConnect({ socket: eager, rejectUnauthorized: false }), ear };
}

export async function greet(t: Test, ear: Ear, far: TLSSocket): Promise<void> {
  const near = ear.connection!;
  near.start();
  far.write("EHLO");
  await until("a command", () => ear.text === "EHLO");
  near.write(Buffer.from("250"));
  const [reply] = await once(far, "data");
  t.equal(String(reply), "250");
}

interface Opened {
  readonly near: Connection;
  readonly ear: Ear;
}

/** What connects to a far end, and is a client in TLS at once. */
type Open = (wire: Wire, trust: Trust) => Opened;

interface Come {
  readonly far: TLSSocket;
  /** What `far` is the inside of. */
  readonly raw: Socket;
}

/** A TLS server of Node's. */
export async function farServer(
  t: Test,
  options: FarServer,
): Promise<{ come: Come[]; raws: Socket[]; open: Open }> {
  const come: Come[] = [];
  const raws: Socket[] = [];
  const server = createServer({ allowHalfOpen: true, ...options }, (far) => {
    far.on("error", () => {});
    come.push({ far, raw: raws.find(({ remotePort }) => remotePort === far.remotePort)! });
  });
  server.on("connection", (raw: Socket) => raws.push(raw)).on("tlsClientError", () => {});
  t.teardown(() => {
    for (const raw of raws) raw.destroy();
  });
  return { come, raws, open: await opener(t, server) };
}

/** A server that knows no TLS, and what it does with each socket. */
export async function plainServer(t: Test, does: (socket: Socket) => void): Promise<{ open: Open }> {
  const server = createPlainServer((socket) => {
    socket.on("error", () => {});
    does(socket);
    t.teardown(() => socket.destroy());
  });
  return { open: await opener(t, server) };
}

async function opener(t: Test, server: Server): Promise<Open> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  return (wire, trust) => {
    const ear = new Ear();
    const plain = ownerWith({
      onConnect: (connection) => {
        connection.owner = ear;
        connection.secure({ side: "client", trust }, EMPTY);
      },
      onError: (_, code) => ear.calls.push(code),
    });
    const near = wire.connect({ host: "127.0.0.1", port }, plain);
    t.teardown(() => near.close());
    return { near, ear };
  };
}

/**
 * Listening sockets that another process has bound: how one gives them away, and how one comes by them.
 *
 * A listening socket lives as long as any process has it, and with it all the clients that wait in its queue or are in the
 * midst of their handshake. So nobody is lost where a process gives its sockets to its successor before it closes them, or
 * where the service manager keeps them (`LISTEN_FDS`, see sd_listen_fds(3)).
 *
 * Sockets travel through a Unix socket in a directory that only this user may enter. It is there for one visitor and for
 * some seconds. What goes wrong here costs nothing but the sockets: whoever gets none binds its own.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Endpoint } from "../address.ts";
import { type Libuv, loadLibuv, loadPipes, type Pipes, type SocketName, type TcpHandle } from "./libuv.ts";

/** The successor asks for the path and comes at once; giving takes some milliseconds. */
const BEQUEST_MS = 5000;

/** What a service manager hands over comes behind the three standard descriptors. */
const FIRST_ACTIVATED = 3;

/** Some listeners of some addresses, for each of some dozen threads. */
const SOCKETS_MAX = 1024;

/** A socket that listens already. */
export interface Inherited {
  readonly endpoint: Endpoint;
  readonly descriptor: number;
  /** Only while nobody else in this process has made it its own. */
  close(): void;
}

/**
 * The handles by which this thread came by sockets or gave them away. The descriptors are other handles' by then, in other
 * threads, so that these may never be closed, and what is forgotten is closed.
 */
const kept: unknown[] = [];

/** Offers these sockets to one process of this user; gives the path at which it can have them, or null. */
export function bequeath(descriptors: readonly number[]): string | null {
  const libuv = loadLibuv();
  const pipes = loadPipes();
  if (libuv === null || pipes === null) return null;
  const directory = makeDirectory();
  if (directory === null) return null;
  const path = join(directory, "listeners");
  const door = new pipes.Pipe(pipes.constants.SERVER);
  const close = () => {
    clearTimeout(timer);
    door.close();
    rmSync(directory, { recursive: true, force: true });
  };
  const timer = setTimeout(close, BEQUEST_MS);
  door.onconnection = (status, visitor) => {
    close();
    if (status !== 0) return;
    kept.push(visitor);
    give(libuv, pipes, visitor.fd, descriptors);
  };
  if ((door.bind(path) || door.listen(1)) === 0) return path;
  close();
  return null;
}

/** For this user alone; null where there is no room for it. */
function makeDirectory(): string | null {
  try {
    return mkdtempSync(join(tmpdir(), "postern-"));
  } catch {
    return null;
  }
}

function give(libuv: Libuv, pipes: Pipes, visitor: number, descriptors: readonly number[]): void {
  const channel = new pipes.Pipe(pipes.constants.IPC);
  if (channel.open(visitor) !== 0) return channel.close();
  for (const descriptor of descriptors) {
    const handle = new libuv.TCP(libuv.constants.SERVER);
    kept.push(handle);
    // A byte for each, as no more than one socket is taken from a read.
    if (handle.open(descriptor) === 0) channel.writeUtf8String(new libuv.WriteWrap(), ".", handle);
  }
  const end = new libuv.ShutdownWrap();
  end.oncomplete = () => channel.close();
  if (channel.shutdown(end) !== 0) channel.close();
}

/** Fetches what another process offers at `path`; what cannot be had is left out. */
export function inherit(path: string): Promise<readonly Inherited[]> {
  const libuv = loadLibuv();
  const pipes = loadPipes();
  if (libuv === null || pipes === null) return Promise.resolve([]);
  const channel = new pipes.Pipe(pipes.constants.IPC);
  const found: Inherited[] = [];
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      channel.close();
      resolve(found);
    };
    const timer = setTimeout(finish, BEQUEST_MS);
    channel.onread = (bytes) => {
      const { pendingHandle: handle = null } = channel;
      channel.pendingHandle = null;
      if (handle !== null) found.push(...keep(handle));
      if (bytes === undefined) finish();
    };
    const request = new pipes.PipeConnectWrap();
    request.oncomplete = (status) => {
      if (status !== 0 || channel.readStart() !== 0) finish();
    };
    if (channel.connect(request, path) !== 0) finish();
  });
}

/** The sockets that a service manager has opened for this process. */
export function activated(environment: NodeJS.ProcessEnv): readonly Inherited[] {
  const count = Number(environment.LISTEN_FDS);
  const libuv = loadLibuv();
  if (environment.LISTEN_PID !== String(process.pid) || libuv === null) return [];
  if (!(count >= 1 && count <= SOCKETS_MAX)) return [];
  return Array.from({ length: count }, (_, index) => {
    const handle = new libuv.TCP(libuv.constants.SERVER);
    return handle.open(FIRST_ACTIVATED + index) === 0 ? keep(handle) : [];
  }).flat();
}

function keep(handle: TcpHandle): Inherited[] {
  const { address, port } = nameOf(handle);
  if (address === undefined || port === undefined) return [];
  kept.push(handle);
  return [{ endpoint: { host: address, port }, descriptor: handle.fd, close: () => handle.close() }];
}

function nameOf(handle: TcpHandle): SocketName {
  const name: SocketName = {};
  handle.getsockname(name);
  return name;
}

/** Runs the load harness as a user does, and makes targets for it. */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";
import { type Child, startChild } from "../../servers/process.ts";

export const launcher = fileURLToPath(new URL("../../../bin/postern-bench", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Words are parted by blanks. */
export function start(t: Test, words: string): Child {
  return startChild(t, [launcher, ...words.split(" ").filter((word) => word !== "")]);
}

export async function ran(t: Test, words: string): Promise<Ended> {
  const child = start(t, words);
  const code = await child.ended;
  return { code, stdout: child.stdout(), stderr: child.stderr() };
}

/** A target that does one thing with every client; its port. */
export async function listen(t: Test, serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).resume();
    serve(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return portOf(server);
}

/** A port where nobody listens any more. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const port = portOf(server);
  server.close();
  await once(server, "close");
  return port;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not listening");
  return address.port;
}

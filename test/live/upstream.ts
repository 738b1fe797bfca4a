/** A server behind the gateway that does what a test tells it to, connection by connection. */
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import type { Test } from "tap";
import { until } from "../servers/process.ts";
import { End } from "./end.ts";

export interface Upstream {
  readonly port: number;
  /** How many connections it has had. */
  readonly connections: number;
  /** The next connection that has come, in their order. */
  next(): Promise<End>;
}

export interface UpstreamOptions {
  readonly host?: string;
  /** A free one where it is left out. */
  readonly port?: number;
  /** Called with each connection, once it is there. */
  readonly script?: (end: End) => void;
}

/** Listens on loopback until the test ends. */
export async function startUpstream(t: Test, options: UpstreamOptions = {}): Promise<Upstream> {
  const { host = "127.0.0.1", port = 0, script = () => {} } = options;
  const waiting: End[] = [];
  let connections = 0;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const end = new End(t, socket);
    connections++;
    waiting.push(end);
    script(end);
  });
  server.listen(port, host);
  await once(server, "listening");
  t.teardown(() => server.close());
  return {
    port: portOf(server),
    get connections() {
      return connections;
    },
    next: () => until("a connection at the upstream", () => waiting.shift()),
  };
}

/** A script: says `greeting` at once. */
export function greeting(text: string): (end: End) => void {
  return (end) => end.send(text);
}

function portOf(server: Server): number {
  const bound = server.address();
  return bound !== null && typeof bound === "object" ? bound.port : 0;
}

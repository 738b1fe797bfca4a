/** The wire that load and back ends run on: postern's own fast one, so that they need as little of their core as they can. */
import type { Endpoint } from "../../src/address.ts";
import { chooseWire } from "../../src/wire/choose.ts";
import type { Connection, Wire } from "../../src/wire/wire.ts";

/** Always the fast one: POSTERN_WIRE is for the gateway alone. */
export const wire: Wire = chooseWire({});

export function loopback(port: number): Endpoint {
  return { host: "127.0.0.1", port };
}

export interface Backend {
  readonly port: number;
  close(): void;
}

/** Listens on a free port; `serve` takes each connection over. */
export async function startBackend(serve: (connection: Connection) => void): Promise<Backend> {
  const listening = await wire.listen({
    endpoint: loopback(0),
    reusePort: false,
    onConnection: serve,
    onAcceptError: (code) => {
      throw new Error(`the back end cannot accept: ${code}`);
    },
  });
  return { port: listening.endpoint.port, close: () => listening.close() };
}

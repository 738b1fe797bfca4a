/**
 * Free TCP ports on loopback, for servers that cannot be asked to take port 0.
 *
 * They lie below the kernel's range of ephemeral ports (32768 up), so that no outgoing connection can take one between
 * our look and the server's bind. Each is free for IPv4 and IPv6 alike, and is given away once only.
 */
import { createServer } from "node:net";

const first = 15_000;
const last = 32_000;
/** Even with half of the range taken, not one test in a million runs out of tries. */
const triesMax = 20;
const given = new Set<number>();

export async function freePort(): Promise<number> {
  for (let tries = 0; tries < triesMax; tries++) {
    const port = first + Math.floor(Math.random() * (last - first));
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`no free port in ${triesMax} tries: is IPv6 switched off?`);
}

/** A free port under each of `names`. */
export async function freePorts<Name extends string>(names: readonly Name[]): Promise<Map<Name, number>> {
  const ports = new Map<Name, number>();
  for (const name of names) ports.set(name, await freePort());
  return ports;
}

/** Bound to the unspecified address, so that a listener on any one address is in the way. */
function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "::", () => server.close(() => resolve(true)));
  });
}

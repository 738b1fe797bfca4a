/** A file whose addresses are fixed, so that a second gateway with it takes the first one's place. */
import type { Test } from "tap";
import { behindProxy, type Gateway, type LogLine, poolOf } from "../servers/gateway.ts";
import { freePort } from "../servers/ports.ts";
import type { End } from "./end.ts";
import { hello } from "./pair.ts";
import { greeting, startUpstream } from "./upstream.ts";

/** Greets, and says goodbye to whoever says QUIT. */
export function polite(end: End): void {
  greeting(hello)(end);
  void end.line().then(
    () => {
      end.send("221 bye\r\n");
      end.end();
    },
    () => {},
  );
}

/** A file with fixed ports for two listeners and the admin address. */
export async function makeFile(t: Test, more: object = {}) {
  const quick = await startUpstream(t, { script: polite });
  const slow = await startUpstream(t, { script: greeting(hello) });
  const [smtp, long, admin] = [await freePort(), await freePort(), await freePort()];
  const file = {
    // Far longer than any test takes: it is sessions that end it.
    drain: "10m",
    listeners: {
      smtp: { ...behindProxy("smtp", "quick"), listen: `127.0.0.1:${smtp}` },
      long: { ...behindProxy("smtp", "slow"), listen: `127.0.0.1:${long}` },
    },
    pools: { quick: poolOf(quick.port, "none"), slow: poolOf(slow.port, "none") },
    limits: { default: { connectionCount: 0 } },
    admin: { listen: `127.0.0.1:${admin}` },
    ...more,
  };
  return { file, slow, ports: { smtp, long, admin } };
}

export function events(gateway: Pick<Gateway, "lines">, name: string): LogLine[] {
  return gateway.lines().filter(({ event }) => event === name);
}

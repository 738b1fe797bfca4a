/** A server that checks have found down comes back while clients wait for it. */
import t, { type Test } from "tap";
import { behindProxy, type Gateway, startGateway } from "../servers/gateway.ts";
import { freePort } from "../servers/ports.ts";
import { until } from "../servers/process.ts";
import type { End } from "./end.ts";
import { metric, metricIs } from "./look.ts";
import { come, parked } from "./parking.ts";
import { startUpstream } from "./upstream.ts";

t.setTimeout(90_000);

/** Attempts are two a second: some of them still wait when others have been served so. */
const PARKED = 60;

/** One failure is enough; so many checks at the usual pace are more than a test waits for. */
const health = { interval: "1s", fall: 1, rise: 60 };

const up = (port: number) => `postern_server_up{pool="servers",server="127.0.0.1:${port}"}`;

/** Greets, and parts when it is told to. */
function serve(t: Test, port: number) {
  const script = (end: End) => {
    end.send("220 hi\r\n");
    void end.line().then(
      () => {
        end.send("221 bye\r\n");
        end.end();
      },
      () => {},
    );
  };
  return startUpstream(t, { port, script });
}

/** Clients wait for the server at `port`, which checks have found down. */
async function waiting(t: Test, port: number, own: object): Promise<{ gateway: Gateway; ends: End[] }> {
  const gateway = await startGateway(t, {
    listeners: { mail: behindProxy("smtp", "servers") },
    limits: { default: { connectionCount: 0 } },
    pools: {
      servers: {
        servers: [`127.0.0.1:${port}`],
        identity: "none",
        health: { ...health, ...own },
        park: { timeout: "2m" },
      },
    },
  });
  await gateway.waitForLine("the checks' word", ({ event }) => event === "server-down");
  const ends: End[] = [];
  for (let number = 0; number < PARKED; number++) ends.push(await come(t, gateway, number + 1));
  await metricIs(gateway, parked, PARKED);
  return { gateway, ends };
}

t.test("clients that wait are served when their server is back, however slow checks are", async (t) => {
  const port = await freePort();
  const { gateway, ends } = await waiting(t, port, {});
  await serve(t, port);
  await gateway.waitForLine("server-up", ({ event }) => event === "server-up");
  for (const end of ends) t.equal(await end.line(), "220 hi\r\n");
  await metricIs(gateway, parked, 0);
});

t.test("sessions do not overrule checks that look elsewhere", async (t) => {
  const [port, elsewhere] = [await freePort(), await freePort()];
  const { gateway, ends } = await waiting(t, port, { address: `:${elsewhere}` });
  await serve(t, port);
  for (const end of ends.slice(0, 6)) t.equal(await end.line(), "220 hi\r\n", "but are tried as before");
  t.equal(await metric(gateway, up(port)), 0);
  t.ok((await metric(gateway, parked)) > 0);
  await serve(t, elsewhere);
  await until("their word", async () => (await metric(gateway, up(port))) === 1);
});

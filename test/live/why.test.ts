/** What a running gateway foretells of a connection: it comes to pass, and telling it changes nothing. */
import t from "tap";
import { postern } from "../commands/run.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { End } from "./end.ts";
import { concurrency } from "./look.ts";
import { greeting, startUpstream } from "./upstream.ts";

const CLIENT = "203.0.113.7";

t.test(
  "why foretells what becomes of the next connection at each listener, and counts nothing",
  async (t) => {
    const upstream = await startUpstream(t, { script: greeting("220 upstream\r\n") });
    const gateway = await startGateway(t, {
      listeners: {
        count: { ...behindProxy("smtp", "servers"), limits: "count" },
        rate: { ...behindProxy("smtp", "servers"), limits: "rate" },
        dry: { ...behindProxy("smtp", "servers"), limits: "dry" },
      },
      pools: { servers: poolOf(upstream.port, "none") },
      limits: {
        count: { connectionCount: 1 },
        rate: { connectionRate: 1, timeUnit: "10m" },
        dry: { connectionCount: 1, dryRun: true },
      },
    });
    const come = (listener: string) => End.connect(t, { port: gateway.port(listener) }, proxyHeader(CLIENT));
    const foretold = async () => {
      const { code, stdout, stderr } = await postern([
        "why",
        CLIENT,
        "--json",
        "--admin",
        gateway.adminUrl.slice(7),
      ]);
      t.same([code, stderr], [0, ""]);
      return JSON.parse(stdout);
    };
    t.match(await foretold(), {
      ban: null,
      listeners: [{ outcome: "accepted" }, { outcome: "accepted" }, { outcome: "accepted" }],
      counters: [],
    });

    const inside = await Promise.all(["count", "rate", "dry"].map(come));
    for (const end of inside) t.equal(await end.line(), "220 upstream\r\n");
    for (let time = 0; time < 2; time++) {
      t.match(await foretold(), {
        listeners: [
          { listener: "count", outcome: "refused", reason: "connection-count" },
          { listener: "rate", outcome: "refused", reason: "connection-rate" },
          {
            listener: "dry",
            outcome: "accepted",
            reason: null,
            detail: /dryRun .*connections at once: 2, limit 1/,
          },
        ],
        counters: [{ connections: 1 }, { connections: 1 }, { connections: 1 }],
      });
    }
    t.equal(await concurrency(gateway), 3);
    t.match(await (await come("count")).rest(), /^421 /);
    t.match(await (await come("rate")).rest(), /^421 /);
    t.equal(await (await come("dry")).line(), "220 upstream\r\n");
    t.equal((await gateway.session("count", CLIENT)).reason, "connection-count");
    t.equal((await gateway.session("rate", CLIENT)).reason, "connection-rate");
  },
);

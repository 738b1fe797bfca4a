/** What runs out: entries in the table, and files that may be open. The gateway says so and goes on. */
import { execFileSync } from "node:child_process";
import t from "tap";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { until } from "../servers/process.ts";
import { End } from "./end.ts";
import { concurrency, metric, openFiles } from "./look.ts";
import { greeting, startUpstream } from "./upstream.ts";

/** The limit with which so many numbers are free: it bounds the numbers themselves, and there are gaps among them. */
function limitWithFree(open: readonly number[], free: number): number {
  let limit = 0;
  for (let left = free; left > 0 || open.includes(limit); limit++) if (!open.includes(limit)) left--;
  return limit;
}

const hello = "220 upstream\r\n";

t.test(
  "a full table refuses new clients, and has room again when one of the old ones has left",
  async (t) => {
    const upstream = await startUpstream(t, { script: greeting(hello) });
    const gateway = await startGateway(t, {
      tableSize: 16,
      listeners: { smtp: behindProxy("smtp", "servers") },
      pools: { servers: poolOf(upstream.port, "none") },
    });
    const come = (index: number) =>
      End.connect(t, { port: gateway.port("smtp") }, proxyHeader(`203.0.113.${index}`));
    const inside: End[] = [];
    for (let index = 1; index <= 16; index++) inside.push(await come(index));
    for (const client of inside) t.equal(await client.line(), hello);
    const refused = await come(17);
    t.equal(await refused.rest(), "421 4.3.2 gateway.example.test Error: too many connections\r\n");
    refused.close();
    t.match(await gateway.session("smtp", "203.0.113.17"), {
      outcome: "refused",
      reason: "max-connections",
      detail: "the table of clients is full",
    });
    t.notOk(
      gateway.lines().some(({ event }) => event === "sec.limit"),
      "it is nothing that this client has done",
    );
    t.equal(await (await come(3)).line(), hello, "a client that is known needs no room");
    inside[0]?.reset();
    await until("a place", async () => (await concurrency(gateway)) === 16);
    t.equal(await (await come(17)).line(), hello);
    t.equal(await metric(gateway, "postern_table_evictions_total"), 1);
    t.equal(await metric(gateway, "postern_table_entries"), 16);
  },
);

t.test(
  "a gateway out of descriptors fails sessions with a reason, and goes on when there are some",
  async (t) => {
    const upstream = await startUpstream(t, { script: greeting(hello) });
    const gateway = await startGateway(t, {
      threads: 1,
      listeners: { smtp: behindProxy("smtp", "servers") },
      pools: { servers: poolOf(upstream.port, "none") },
    });
    const limitTo = (files: number) => {
      execFileSync("/usr/bin/prlimit", [`--pid=${gateway.pid}`, `--nofile=${files}:`]);
    };
    const come = () => End.connect(t, { port: gateway.port("smtp") }, proxyHeader("203.0.113.7"));
    t.equal(await (await come()).line(), hello);
    const before = openFiles(gateway.pid);
    // One is left for the client, none for the upstream.
    limitTo(limitWithFree(before, 1));
    const client = await come();
    t.match(await client.rest(), /^421 4\.3\.2 /);
    t.match(await gateway.session("smtp", "203.0.113.7"), {
      outcome: "failed",
      reason: "upstream-unavailable",
      detail: "EMFILE",
    });
    client.close();
    await until("its descriptor", () => openFiles(gateway.pid).length === before.length);
    limitTo(limitWithFree(before, 0));
    // The kernel has accepted it, and nobody can: libuv closes such connections, instead of spinning over them.
    const shed = await come();
    t.equal(await shed.rest(), "");
    await gateway.waitForLine("the warning", ({ event }) => event === "out-of-files");
    limitTo(20_000);
    t.equal(await (await come()).line(), hello);
    t.equal(
      await metric(gateway, `postern_server_up{pool="servers",server="127.0.0.1:${upstream.port}"}`),
      1,
      "it is not the server's fault",
    );
  },
);

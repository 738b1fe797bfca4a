/** Servers that are written by name: one that there is, and one that nobody knows. */
import t from "tap";
import { behindProxy, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { End } from "./end.ts";
import { metric, metricIs, readiness } from "./look.ts";
import { greeting, startUpstream } from "./upstream.ts";

t.test("a server that is written by name is found, and one without an address is said", async (t) => {
  const upstream = await startUpstream(t, { script: greeting("220 hi\r\n") });
  const gateway = await startGateway(t, {
    listeners: { known: behindProxy("smtp", "known"), unknown: behindProxy("smtp", "unknown") },
    pools: {
      known: { servers: [`localhost:${upstream.port}`], identity: "none" },
      unknown: { servers: ["nowhere.invalid:25"], identity: "none" },
    },
  });
  const name = `localhost:${upstream.port}/127.0.0.1`;
  await metricIs(gateway, `postern_server_up{pool="known",server="${name}"}`, 1);
  const greeted = async (listener: string) => {
    const client = await End.connect(t, { port: gateway.port(listener) }, proxyHeader("203.0.113.1"));
    return client.line();
  };
  t.equal(await greeted("known"), "220 hi\r\n");
  t.equal(await metric(gateway, `postern_server_sessions{pool="known",server="${name}"}`), 1);
  t.match(await greeted("unknown"), /^421 /);
  const line = await gateway.waitForLine("server-unresolved", ({ event }) => event === "server-unresolved");
  t.match(line, { level: "warn", pool: "unknown", server: "nowhere.invalid:25" });
  t.equal(await readiness(gateway), "503 pool unknown has no server");
  const path = `/api/servers/known/${encodeURIComponent(`localhost:${upstream.port}`)}/127.0.0.1`;
  const response = await fetch(gateway.adminUrl + path, { method: "POST", body: '{"state":"down"}' });
  t.equal(response.status, 200);
  t.match(await greeted("known"), /^421 /);
});

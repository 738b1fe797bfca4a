/** What an operator does with servers while the gateway runs: it is obeyed at once, by all threads, and nothing else changes them. */
import t, { type Test } from "tap";
import { behindProxy, type Gateway, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { End } from "./end.ts";
import { greeting, startUpstream } from "./upstream.ts";

function start(t: Test, ports: readonly number[]) {
  const servers = ports.map((port) => `127.0.0.1:${port}`);
  return startGateway(t, {
    listeners: { mail: behindProxy("smtp", "servers") },
    pools: { servers: { servers, identity: "none" } },
  });
}

async function post(gateway: Gateway, path: string, body: string, headers = {}): Promise<[number, unknown]> {
  const response = await fetch(gateway.adminUrl + path, { method: "POST", body, headers });
  return [response.status, await response.json()];
}

t.test("an operator takes a server out and puts it back when that is posted", async (t) => {
  const script = greeting("220 hi\r\n");
  const [one, two] = [await startUpstream(t, { script }), await startUpstream(t, { script })];
  const gateway = await start(t, [one.port, two.port]);
  const path = `/api/servers/servers/127.0.0.1:${one.port}`;
  const come = async () => {
    const client = await End.connect(t, { port: gateway.port("mail") }, proxyHeader("203.0.113.1"));
    const greeting = await client.line();
    client.reset();
    return greeting;
  };
  t.same((await post(gateway, path, '{"state":"drain"}'))[0], 200);
  t.match(await gateway.waitForLine("server-state", ({ event }) => event === "server-state"), {
    pool: "servers",
    server: `127.0.0.1:${one.port}`,
    state: "drain",
    was: "ready",
  });
  for (let client = 0; client < 6; client++) t.equal(await come(), "220 hi\r\n");
  t.same([one.connections, two.connections], [0, 6]);
  await post(gateway, `/api/servers/servers/127.0.0.1:${two.port}`, '{"state":"down"}');
  t.match(await come(), /^421 /, "not even where nobody else is left");
  const listed = await (await fetch(`${gateway.adminUrl}/api/servers`)).json();
  t.match(listed, [
    { pool: "servers", state: "drain", up: false, downBy: "operator", fault: null, sessions: 0 },
    { state: "down", up: false },
  ]);
  t.same((await post(gateway, path, '{"state":"ready"}'))[0], 200);
  t.equal(await come(), "220 hi\r\n");
  t.same([one.connections, two.connections], [1, 6]);
});

t.test("a server's state is not changed when the request is not right", async (t) => {
  const gateway = await start(t, [1]);
  const path = "/api/servers/servers/127.0.0.1:1";
  const statuses = async (...requests: [string, string, object?][]) =>
    Promise.all(
      requests.map(async ([to, body, headers = {}]) => (await post(gateway, to, body, headers))[0]),
    );
  t.same(
    await statuses(
      ["/api/servers/servers/127.0.0.1:2", '{"state":"down"}'],
      ["/api/servers/others/127.0.0.1:1", '{"state":"down"}'],
      ["/api/servers/%ff/127.0.0.1:1", '{"state":"down"}'],
      [path, '{"state":"off"}'],
      [path, '{"state":1}'],
      [path, "null"],
      [path, "state=down"],
      [path, `{"state":"${"x".repeat(2000)}"}`],
      [path, '{"state":"down"}', { origin: "http://evil.example" }],
    ),
    [404, 404, 404, 422, 400, 400, 400, 413, 403],
  );
  t.equal((await fetch(gateway.adminUrl + path)).status, 405);
  t.notOk(gateway.lines().some(({ event }) => event === "server-state"));
});

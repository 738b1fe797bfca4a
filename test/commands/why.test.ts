/** `postern why` as a user meets it: whom it asks, what it prints, and with which exit code. */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import t, { type Test } from "tap";
import { type AdminSources, openAdmin } from "../../src/observe/admin.ts";
import { least } from "../config/fixtures.ts";
import { banSource, clientEntry, clientSource, memoryLog, standingBan } from "../observe/fixtures.ts";
import { postern } from "./run.ts";

const LOOPBACK = { host: "127.0.0.1", port: 0 };

const sources: AdminSources = {
  metrics: { contentType: "", text: async () => "" },
  clients: clientSource([clientEntry("2001:db8:0:1::", { prefixLength: 64 })]),
  bans: banSource([standingBan("2001:db8::/32")]),
  prospects: () => [
    { listener: "smtp", refusal: "banned", action: "drop", notes: ["decision 42 of crowdsec"] },
  ],
  log: memoryLog(),
  servers: { states: () => [], setState: () => "unknown-server" },
  state: () => ({ ready: true, reason: null }),
  process: { pid: 4711, version: "1.2.3" },
  bequeath: async () => null,
  drain() {},
  reload: async () => ({ ok: true }),
};

async function open(t: Test, host = "127.0.0.1", token: string | null = null) {
  const admin = await openAdmin({ listen: { host, port: 0 }, token, topClients: 5 }, sources);
  t.teardown(() => admin.close());
  return admin.endpoint.port;
}

/** The path of a configuration with these words in it. */
function fileWith(t: Test, words: string): string {
  const folder = t.testdir({ token: "s3cret\n" });
  const path = join(folder, "postern.yaml");
  writeFileSync(path, `${least}${words.replace("TOKEN", join(folder, "token"))}\n`);
  return path;
}

t.test("why says what it was told when the gateway is named", async (t) => {
  const port = await open(t);
  const { code, stdout, stderr } = await postern(["why", "2001:DB8:0:1::25", "--admin", `127.0.0.1:${port}`]);
  t.same([code, stderr], [0, ""]);
  t.match(stdout, /^2001:db8:0:1::25 is banned until .*\n {2}decision 42 of crowdsec: ban 2001:db8::\/32/);
  t.match(stdout, "  smtp  refused, banned (drop): decision 42 of crowdsec\n");
  t.match(stdout, "as part of 2001:db8:0:1::/64");
});

t.test("why prints JSON when a program asks", async (t) => {
  const port = await open(t);
  const { code, stdout } = await postern(["why", "192.0.2.1", "--json", "--admin", `localhost:${port}`]);
  t.equal(code, 0);
  t.match(JSON.parse(stdout), {
    address: "192.0.2.1",
    ban: null,
    counters: [],
    listeners: [{ listener: "smtp" }],
  });
});

t.test("why finds the gateway and its token by the file", async (t) => {
  const port = await open(t, "0.0.0.0", "s3cret");
  const file = fileWith(t, `admin: { listen: "0.0.0.0:${port}", tokenFile: "TOKEN" }`);
  t.equal((await postern(["why", "192.0.2.1", "-c", file])).code, 0);
  const elsewhere = fileWith(t, `admin: { listen: "0.0.0.0:0", tokenFile: "TOKEN" }`);
  const { code, stderr } = await postern([
    "why",
    "192.0.2.1",
    "-c",
    elsewhere,
    "--admin",
    `127.0.0.1:${port}`,
  ]);
  t.same([code, stderr], [0, ""], "the token is the file's");
});

/** The port of somebody who says this to whoever comes, and then no more. */
async function stranger(t: Test, words: string): Promise<number> {
  const server = createServer((socket) => void socket.on("error", () => {}).write(words));
  const sockets: Socket[] = [];
  server.on("connection", (socket) => sockets.push(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const bound = server.address();
  return bound !== null && typeof bound === "object" ? bound.port : 0;
}

const http = (status: string, body: string) =>
  `HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`;

t.test("why ends with 1 and one line when nobody answers as a gateway does", async (t) => {
  const gone = await openAdmin({ listen: LOOPBACK, token: null, topClients: 5 }, sources);
  const { port } = gone.endpoint;
  await gone.close();
  const table: readonly [number, string][] = [
    [port, "cannot be reached (ECONNREFUSED)"],
    [await open(t, "0.0.0.0", "s3cret"), "answered 401: a bearer token is needed"],
    [await stranger(t, "220 mx.example.test ESMTP\r\n"), "cannot be reached (Response does not match"],
    [await stranger(t, ""), "cannot be reached (no answer within 5000 ms)"],
    [await stranger(t, http("200 OK", "<html>")), "answered, but not as postern does"],
    [await stranger(t, http("200 OK", "[]")), "answered, but not as this postern does"],
    [await stranger(t, http("502 Bad", '{"error":"\\u001b[2J"}')), "answered 502: ?[2J"],
    [await stranger(t, http("200 OK", `${" ".repeat(2 ** 20)}[]`)), "answered, but not as postern does"],
    [await stranger(t, "HTTP/1.1 302 No\r\nLocation: /\r\n\r\n"), "cannot be reached (unexpected redirect)"],
  ];
  const ended = await Promise.all(
    table.map(([at]) => postern(["why", "192.0.2.1", "--admin", `127.0.0.1:${at}`])),
  );
  for (const [index, [at, trouble]] of table.entries()) {
    const { code, stdout, stderr } = ended[index]!;
    t.same([code, stdout], [1, ""], trouble);
    t.ok(stderr.startsWith(`postern: why: http://127.0.0.1:${at} ${trouble}`), stderr);
    t.match(stderr, /^[^\n]*\n$/);
  }
});

t.test("why asks this machine when the file's admin.listen is every address", async (t) => {
  const gone = await openAdmin({ listen: LOOPBACK, token: null, topClients: 5 }, sources);
  const { port } = gone.endpoint;
  await gone.close();
  for (const [listen, asked] of [
    ["0.0.0.0", "127.0.0.1"],
    ["[::]", "[::1]"],
  ]) {
    const file = fileWith(t, `admin: { listen: "${listen}:${port}", tokenFile: "TOKEN" }`);
    const { code, stderr } = await postern(["why", "192.0.2.1", "-c", file]);
    t.equal(code, 1);
    t.match(stderr, `postern: why: http://${asked}:${port} cannot be reached (E`);
  }
});

t.test("why ends with 2 when the file is wrong, or names no port", async (t) => {
  const anyPort = await postern(["why", "192.0.2.1", "-c", fileWith(t, `admin: { listen: "127.0.0.1:0" }`)]);
  t.equal(anyPort.code, 2);
  t.match(anyPort.stderr, /^postern: why: .*--admin HOST:PORT is needed\n$/);
  const wrong = await postern(["why", "192.0.2.1", "-c", fileWith(t, "admn: {}")]);
  t.equal(wrong.code, 2);
  t.match(wrong.stderr, /postern\.yaml:\d+:1: admn: unknown key/);
});

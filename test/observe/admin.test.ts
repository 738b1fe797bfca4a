/** The admin address over real HTTP: pages, readiness, and what goes wrong. */
import { once } from "node:events";
import { connect } from "node:net";
import t from "tap";
import { type AdminSources, openAdmin } from "../../src/observe/admin.ts";
import { openHere, raw, rest } from "./adminrig.ts";
import { banSource, memoryLog, standingBan } from "./fixtures.ts";

t.test("/metrics gives the exposition with the registry's own type", async (t) => {
  const { get } = await openHere(t);
  const response = await get("/metrics");
  t.equal(response.status, 200);
  t.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  t.equal(await response.text(), "up 1\n");
});

t.test("/healthz and /readyz answer ok and ready when all is well", async (t) => {
  const { get } = await openHere(t);
  t.equal(await (await get("/healthz")).text(), "ok\n");
  t.equal(await (await get("/readyz")).text(), "ready\n");
});

t.test("/readyz answers 503 with the reason when clients should go elsewhere", async (t) => {
  const { get } = await openHere(t, { sources: { state: () => ({ ready: false, reason: "draining" }) } });
  const response = await get("/readyz");
  t.equal(response.status, 503);
  t.equal(await response.text(), "draining\n");
  t.equal((await get("/healthz")).status, 200);
});

t.test("/readyz leaves the pools out when it is asked to, and nothing else", async (t) => {
  const state = (judgesPools: boolean) => ({ ready: !judgesPools, reason: judgesPools ? "no server" : null });
  const { get } = await openHere(t, { sources: { state } });
  t.equal((await get("/readyz")).status, 503);
  t.equal((await get("/readyz?exclude=pools")).status, 200);
  t.equal((await get("/readyz?exclude=pools&exclude=all")).status, 400);
});

t.test("/api/clients gives the busiest first", async (t) => {
  const { get } = await openHere(t);
  const all: unknown = await (await get("/api/clients")).json();
  const events = { messages: 0, recipients: 0, auths: 0, tlsSessions: 0, authFailures: 0 };
  const window = { startedSecondsAgo: 9, connections: 1, ...events };
  const seen = { lastSeenSecondsAgo: 5, window };
  const quiet = { concurrency: 0, refused: 0, messages: 0, bytes: 0 };
  t.same(all, [
    {
      address: "2001:db8:0:1::",
      prefixLength: 64,
      scope: "smtp",
      connections: 9,
      concurrency: 2,
      refused: 4,
      messages: 5,
      bytes: 77,
      ...seen,
    },
    { address: "203.0.113.7", scope: "smtp", connections: 3, ...quiet, ...seen },
    { address: "203.0.113.7", scope: "imap", connections: 1, ...quiet, ...seen },
  ]);
  t.equal(Object(await (await get("/api/clients?top=1")).json()).length, 1);
  t.equal(Object(await (await get("/api/clients?top=0")).json()).length, 0);
});

t.test("/api/clients answers 400 when top is no number within its bound", async (t) => {
  const { get } = await openHere(t);
  for (const top of ["", "-1", "x", "1001", "1e3", "99999999999"]) {
    t.equal((await get(`/api/clients?top=${top}`)).status, 400, top);
  }
  t.equal((await get("/api/clients?top=1000")).status, 200);
});

t.test("/api/clients/ADDRESS gives all scopes of an address, and the network that it is in", async (t) => {
  const { get } = await openHere(t);
  const counters = async (path: string) =>
    JSON.parse(await (await get(`/api/clients/${path}`)).text()).counters;
  t.match(await counters("203.0.113.7"), [{ scope: "smtp" }, { scope: "imap" }]);
  t.match(await counters("2001:db8:0:1::25"), [{ prefixLength: 64 }]);
  t.match(await counters("2001%3Adb8%3A0%3A1%3A%3A25"), [{ prefixLength: 64 }]);
});

t.test("/api/clients/ADDRESS explains an unknown client, too, and answers 400 for no address", async (t) => {
  const { get } = await openHere(t);
  const unknown = await get("/api/clients/::ffff:203.0.113.99");
  t.equal(unknown.status, 200);
  t.same(await unknown.json(), { address: "203.0.113.99", ban: null, listeners: [], counters: [] });
  for (const address of ["", "nonsense", "010.0.0.1", "203.0.113.0%2F24", "%E0%A4%A"]) {
    for (const path of ["clients/", "bans?contains="]) {
      const response = await get(`/api/${path}${address}`);
      t.equal(response.status, 400, `${path}${address}`);
      t.match(await response.json(), { error: String });
    }
  }
});

t.test("/api/bans gives the list as a whole, and what contains an address", async (t) => {
  const bans = banSource([
    standingBan("203.0.113.7"),
    standingBan("203.0.113.0/24", { id: 43, origin: "lists:x" }),
    standingBan("203.0.114.0/24", { id: 44, origin: "lists:x" }),
  ]);
  const { get } = await openHere(t, { sources: { bans } });
  t.same(await (await get("/api/bans")).json(), {
    total: 3,
    origins: { crowdsec: 1, "lists:x": 2 },
    ageSeconds: 7,
    received: true,
  });
  t.match(await (await get("/api/bans?contains=203.0.113.7")).json(), [
    { id: 42, value: "203.0.113.7" },
    { id: 43, value: "203.0.113.0/24", scope: "range", origin: "lists:x" },
  ]);
  t.same(await (await get("/api/bans?contains=192.0.2.1")).json(), []);
});

t.test("/api/bans is empty when there is no CrowdSec, or no list yet", async (t) => {
  for (const bans of [null, banSource([])]) {
    const { get } = await openHere(t, { sources: { bans } });
    const none = { total: 0, origins: {}, ageSeconds: null, received: false };
    t.same(await (await get("/api/bans")).json(), none);
    t.same(await (await get("/api/bans?contains=203.0.113.7")).json(), []);
  }
});

t.test("/api/bans has a list received, and no age, when it is from a file and LAPI is away", async (t) => {
  const bans = { ...banSource([standingBan("203.0.113.7")]), ageSeconds: () => Number.POSITIVE_INFINITY };
  const { get } = await openHere(t, { sources: { bans } });
  t.match(await (await get("/api/bans")).json(), { total: 1, ageSeconds: null, received: true });
});

t.test("Other methods get 405, unknown pages 404, and HEAD no body", async (t) => {
  const { get } = await openHere(t);
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
    const response = await get("/metrics", { method });
    t.equal(response.status, 405, method);
    t.equal(response.headers.get("allow"), "GET, HEAD");
  }
  for (const path of ["/", "/metrics/", "/api", "/api/", "/api/clientsX", "/Metrics", "/..%2fmetrics"]) {
    t.equal((await get(path)).status, 404, path);
  }
  const head = await get("/healthz", { method: "HEAD" });
  t.equal(head.status, 200);
  t.equal(head.headers.get("content-length"), "3");
  t.equal(await head.text(), "");
});

t.test("A page that fails answers 500, is logged, and the next request is served", async (t) => {
  const metrics = { contentType: "text/plain", text: () => Promise.reject(new Error("no memory left")) };
  const { get, log } = await openHere(t, { sources: { metrics } });
  const response = await get("/metrics");
  t.equal(response.status, 500);
  t.notMatch(await response.text(), /memory/);
  t.same(log.events, [{ level: "error", event: "admin-error", fields: { error: "Error: no memory left" } }]);
  t.equal((await get("/healthz")).status, 200);
});

t.test("Garbage, a huge header and a client that leaves at once hurt nobody", async (t) => {
  const { admin, get, log } = await openHere(t, {
    sources: {
      metrics: { contentType: "text/plain", text: () => new Promise((resolve) => setImmediate(resolve, "")) },
    },
  });
  t.match(await raw(admin, "\x00\x01 garbage\r\n\r\n"), /^HTTP\/1\.1 400 /);
  t.match(
    await raw(admin, `GET / HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(20_000)}\r\n\r\n`),
    /^HTTP\/1\.1 431 /,
  );
  t.match(
    await raw(admin, "GET //x?y?z HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    /^HTTP\/1\.1 404 /,
  );
  for (let round = 0; round < 20; round++) {
    const socket = connect(admin.endpoint.port, "127.0.0.1");
    await once(socket, "connect");
    socket.write("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", () => socket.resetAndDestroy());
    await once(socket, "close");
  }
  t.equal((await get("/healthz")).status, 200);
  t.same(log.events, []);
});

t.test("POST /api/reload answers 200 with what changed, or 422 with what is wrong", async (t) => {
  const outcomes = [
    { ok: true, changes: [{ what: "drain", from: "30s", to: "5s" }], needRestart: ["threads"] },
    { ok: false, errors: ["postern.yaml:1:1: no"] },
  ];
  let asked = 0;
  const { get } = await openHere(t, { sources: { reload: async () => outcomes[asked++]! } });
  for (const [index, status] of [200, 422].entries()) {
    const response = await get("/api/reload", { method: "POST", body: "whatever" });
    const { ok, ...rest } = outcomes[index]!;
    t.same([response.status, await response.json()], [status, rest]);
    t.equal(ok, status === 200);
  }
});

t.test("/api/reload does nothing when a page, a stranger or another method asks", async (t) => {
  let asked = 0;
  const reload = async () => ({ ok: asked++ === 0 });
  const here = await openHere(t, { sources: { reload } });
  const got = await here.get("/api/reload");
  t.same([got.status, got.headers.get("allow")], [405, "POST"]);
  const origin = "https://evil.example";
  t.equal((await here.get("/api/reload", { method: "POST", headers: { origin } })).status, 403);
  t.equal((await here.get("/api/bans", { method: "POST" })).status, 405);
  const there = await openHere(t, { host: "0.0.0.0", token: "secret", sources: { reload } });
  t.equal((await there.get("/api/reload", { method: "POST" })).status, 401);
  const shut = await openHere(t, { host: "0.0.0.0", sources: { reload } });
  t.equal((await shut.get("/api/reload", { method: "POST" })).status, 403);
  t.equal(asked, 0);
  const authorization = "Bearer secret";
  t.equal((await there.get("/api/reload", { method: "POST", headers: { authorization } })).status, 200);
  t.equal(asked, 1);
});

t.test("openAdmin says which address and why when it cannot be listened on", async (t) => {
  const { admin } = await openHere(t);
  const { port } = admin.endpoint;
  const sources: AdminSources = {
    metrics: { contentType: "", text: async () => "" },
    ...rest,
    log: memoryLog(),
  };
  const options = { listen: { host: "127.0.0.1", port }, token: null, topClients: 5 };
  const message = `admin.listen: cannot listen on 127.0.0.1:${port}: EADDRINUSE`;
  await t.rejects(openAdmin(options, sources), { message });
});

t.test("close ends connections, whether idle or waiting for an answer", async (t) => {
  let asked = () => {};
  const busy = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const text = () => {
    asked();
    return new Promise<string>(() => {});
  };
  const { admin } = await openHere(t, { sources: { metrics: { contentType: "text/plain", text } } });
  const request = (path: string) => {
    const socket = connect(admin.endpoint.port, "127.0.0.1");
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    return socket;
  };
  const idle = request("/healthz");
  await once(idle, "data");
  const waiting = request("/metrics");
  await busy;
  const closed = Promise.all([once(idle, "close"), once(waiting, "close")]);
  await admin.close();
  await closed;
  t.pass();
});

t.test("/api/process says whose address it is when a successor asks", async (t) => {
  const { get } = await openHere(t);
  t.same(await (await get("/api/process")).json(), { postern: { pid: 4711, version: "1.2.3" } });
  t.equal((await get("/api/process", { method: "POST" })).status, 405);
});

t.test("/api/bequest says where the listening sockets can be had when it is asked by POST", async (t) => {
  const { get } = await openHere(t, { sources: { bequeath: async () => "/tmp/x/listeners" } });
  t.same(await (await get("/api/bequest", { method: "POST" })).json(), { path: "/tmp/x/listeners" });
  t.equal((await get("/api/bequest")).status, 405);
});

t.test("/api/drain leaves the address before it answers, and has the gateway end once", async (t) => {
  let drains = 0;
  const drain = () => {
    drains++;
  };
  const { admin, get } = await openHere(t, { sources: { drain } });
  const { port } = admin.endpoint;
  t.equal((await get("/api/drain")).status, 405);
  const page = { method: "POST", headers: { origin: "http://attacker.example" } };
  t.equal((await get("/api/drain", page)).status, 403);
  t.equal(drains, 0);
  const response = await get("/api/drain", { method: "POST" });
  t.same(await response.json(), { pid: 4711 });
  t.equal(drains, 1);
  await t.rejects(get("/healthz"));
  const options = { listen: { host: "127.0.0.1", port }, token: null, topClients: 5 };
  const metrics = { contentType: "", text: async () => "" };
  const next = await openAdmin(options, { ...rest, metrics, log: memoryLog() });
  t.equal(next.endpoint.port, port);
  await next.close();
});

t.test("/api/drain and /api/bequest want the token when they are asked off loopback", async (t) => {
  const asked: string[] = [];
  const sources = {
    bequeath: async () => {
      asked.push("bequest");
      return null;
    },
    drain: () => asked.push("drain"),
  };
  const { get } = await openHere(t, { host: "0.0.0.0", token: "secret", sources });
  for (const path of ["/api/process", "/api/bequest", "/api/drain"]) {
    const method = path === "/api/process" ? "GET" : "POST";
    t.equal((await get(path, { method })).status, 401, path);
    const headers = { authorization: "Bearer other" };
    t.equal((await get(path, { method, headers })).status, 401, path);
  }
  t.same(asked, []);
});

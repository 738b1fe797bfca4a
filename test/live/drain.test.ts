/** The end of the gateway, and its signals: sessions finish, nobody new comes in, and the log goes where it should. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { behindProxy, type Gateway, poolOf, startGateway } from "../servers/gateway.ts";
import { localHeader, proxyHeader } from "../servers/header.ts";
import { freePort } from "../servers/ports.ts";
import { makeDirectory, startChild, until } from "../servers/process.ts";
import { End } from "./end.ts";
import { metricIs, readiness } from "./look.ts";
import { greeting, startUpstream, type Upstream } from "./upstream.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const header = proxyHeader("203.0.113.7");

function start(t: Test, upstream: Upstream, drain: string): Promise<Gateway> {
  return startGateway(t, {
    drain,
    listeners: { smtp: behindProxy("smtp", "servers"), tcp: behindProxy("tcp", "servers") },
    pools: { servers: poolOf(upstream.port, "none") },
  });
}

/** How a new connection fares: `refused`, or what became of it. */
function knock(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.once("connect", () => resolve("accepted"));
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once("close", () => resolve("closed"));
    socket.once("connect", () => socket.destroy());
  });
}

t.test("SIGTERM lets sessions finish and nobody in, then ends well", async (t) => {
  const upstream = await startUpstream(t, { script: greeting("220 upstream\r\n") });
  const gateway = await start(t, upstream, "60s");
  const client = await End.connect(t, { port: gateway.port("smtp") }, header);
  await client.line();
  const server = await upstream.next();
  // Accepted, with its header still on the way: it is a session as well.
  const late = await End.connect(t, { port: gateway.port("smtp") }, header.subarray(0, 5));
  await metricIs(gateway, 'postern_sessions_active{listener="smtp"}', 2);
  const ended = gateway.stop("SIGTERM");
  await gateway.waitForLine("draining", ({ event }) => event === "draining");
  await until("the listener's end", async () => (await knock(gateway.port("smtp"))) === "ECONNREFUSED");
  t.equal(await knock(gateway.port("tcp")), "ECONNREFUSED");
  t.equal(await readiness(gateway), "503 draining");
  late.send(header.subarray(5));
  t.equal(await late.line(), "220 upstream\r\n");
  client.send("QUIT\r\n");
  t.equal(await server.line(), "QUIT\r\n");
  server.send("221 bye\r\n");
  server.end();
  t.equal(await client.rest(), "221 bye\r\n");
  client.end();
  late.reset();
  t.equal(await ended, 0);
  const outcomes = gateway.lines().filter(({ event }) => event === "session");
  t.match(outcomes, [{ outcome: "closed" }, { outcome: "closed" }]);
  t.equal(gateway.lines().at(-1)?.event, "drained");
});

t.test("SIGTERM cuts off what is left when the drain's time is over", async (t) => {
  const upstream = await startUpstream(t, { script: greeting("220 upstream\r\n") });
  const gateway = await start(t, upstream, "700ms");
  const client = await End.connect(t, { port: gateway.port("smtp") }, header);
  await client.line();
  const check = await End.connect(t, { port: gateway.port("tcp") }, localHeader);
  const began = performance.now();
  const ended = gateway.stop("SIGTERM");
  t.match(await client.rest(), /^421 4\.3\.2 [^\n]*\n$/);
  client.end();
  t.ok(performance.now() - began >= 650, "not before");
  t.equal(await check.rest(), "");
  t.equal(await ended, 0);
  t.match(
    gateway.lines().find(({ event, listener }) => event === "session" && listener === "smtp"),
    { outcome: "drained" },
  );
});

t.test("SIGTERM lets IMAP clients log in that have been greeted, and go on", async (t) => {
  const upstream = await startUpstream(t, { script: greeting("* OK upstream\r\n") });
  const gateway = await startGateway(t, {
    drain: "60s",
    listeners: { imap: behindProxy("imap", "servers") },
    pools: { servers: poolOf(upstream.port, "none") },
  });
  const inside = await End.connect(t, { port: gateway.port("imap") }, header);
  await inside.line();
  const server = await upstream.next();
  inside.send("a LOGIN alice secret\r\n");
  await server.line();
  server.send("a OK in\r\n");
  await inside.line();
  const outside = await End.connect(t, { port: gateway.port("imap") }, proxyHeader("203.0.113.8"));
  await outside.line();
  const ended = gateway.stop("SIGTERM");
  await gateway.waitForLine("draining", ({ event }) => event === "draining");
  await until("the listener's end", async () => (await knock(gateway.port("imap"))) === "ECONNREFUSED");
  const its = await upstream.next();
  outside.send("a LOGIN bob secret\r\n");
  t.equal(await its.line(), "a LOGIN bob secret\r\n");
  its.send("a OK in\r\n");
  t.equal(await outside.line(), "a OK in\r\n");
  outside.reset();
  inside.send("b LOGOUT\r\n");
  t.equal(await server.line(), "b LOGOUT\r\n");
  server.send("* BYE\r\nb OK out\r\n");
  server.end();
  t.equal(await inside.rest(), "* BYE\r\nb OK out\r\n");
  inside.end();
  t.equal(await ended, 0);
  // They may have been in different threads, whose lines come in any order.
  const outcomes = gateway.lines().filter(({ event }) => event === "session");
  const of = (user: string) => outcomes.find(({ imap }) => imap?.user === user);
  for (const user of ["alice", "bob"]) t.match(of(user), { outcome: "closed", imap: { logins: 1 } });
});

t.test("SIGTERM sends IMAP clients away that have not logged in when the drain is over", async (t) => {
  const upstream = await startUpstream(t, { script: greeting("* OK upstream\r\n") });
  const gateway = await startGateway(t, {
    drain: "700ms",
    listeners: { imap: behindProxy("imap", "servers") },
    pools: { servers: poolOf(upstream.port, "none") },
  });
  const client = await End.connect(t, { port: gateway.port("imap") }, header);
  await client.line();
  const ended = gateway.stop("SIGTERM");
  t.match(await client.rest(), /^\* BYE \[UNAVAILABLE\] [^\n]*\n$/);
  client.end();
  t.equal(await ended, 0);
  t.match(await gateway.session("imap"), { outcome: "drained" });
});

t.test("a second signal ends at once, whichever of the two it is", async (t) => {
  for (const [first, second] of [
    ["SIGTERM", "SIGTERM"],
    ["SIGINT", "SIGTERM"],
  ] as const) {
    const upstream = await startUpstream(t, { script: greeting("220 upstream\r\n") });
    const gateway = await start(t, upstream, "60s");
    const client = await End.connect(t, { port: gateway.port("smtp") }, header);
    await client.line();
    const ended = gateway.stop(first);
    await gateway.waitForLine("draining", ({ event }) => event === "draining");
    process.kill(gateway.pid, second);
    t.equal(await ended, 0);
    await client.rest();
  }
});

t.test("SIGHUP opens the log anew where its file was renamed", async (t) => {
  const upstream = await startUpstream(t, { script: greeting("220 upstream\r\n") });
  const directory = makeDirectory(t, "log");
  const file = join(directory, "postern.log");
  const port = await freePort();
  // Its lines do not come to us, so that it is its admin address that says when it is ready.
  const admin = await freePort();
  const config = join(directory, "postern.yaml");
  writeFileSync(
    config,
    JSON.stringify({
      threads: 1,
      listeners: { smtp: { ...behindProxy("smtp", "servers"), listen: `127.0.0.1:${port}` } },
      pools: { servers: poolOf(upstream.port, "none") },
      log: { destination: file },
      admin: { listen: `127.0.0.1:${admin}` },
    }),
  );
  const child = startChild(t, [process.execPath, main, "serve", "-c", config]);
  const adminUrl = `http://127.0.0.1:${admin}`;
  await until("ready", () =>
    readiness({ adminUrl }).then(
      (text) => text === "200 ready",
      () => false,
    ),
  );
  const visit = async () => {
    const client = await End.connect(t, { port }, header);
    await client.line();
    client.reset();
  };
  const sessionsIn = (path: string) => readFileSync(path, "utf8").split('"event":"session"').length - 1;
  await visit();
  await until("a line", () => sessionsIn(file) === 1);
  renameSync(file, `${file}.1`);
  await visit();
  await until("a line in the renamed file", () => sessionsIn(`${file}.1`) === 2);
  process.kill(child.pid, "SIGHUP");
  await until("a new file", () =>
    readFileSync(file, { encoding: "utf8", flag: "a+" }).includes('"event":"reopened"'),
  );
  await visit();
  await until("a line in the new file", () => sessionsIn(file) === 1);
  t.equal(sessionsIn(`${file}.1`), 2);
});

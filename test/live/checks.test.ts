/** Servers of every sort, as postern's own checks find them, and what the operator, the log and the metrics make of it. */
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { behindProxy, startGateway } from "../servers/gateway.ts";
import { freePort } from "../servers/ports.ts";
import { until } from "../servers/process.ts";
import type { End } from "./end.ts";
import { metric, metricIs } from "./look.ts";
import { startUpstream } from "./upstream.ts";

t.setTimeout(90_000);

const words = {
  smtp: { hello: "220 hi\r\n", goodbye: "QUIT\r\n", bye: "221 bye\r\n" },
  imap: { hello: "* OK hi\r\n", goodbye: "postern3 LOGOUT\r\n", bye: "* BYE\r\npostern3 OK\r\n" },
} as const;

const health = { interval: "100ms", timeout: "500ms", fall: 2 };

/** Answers a goodbye, then ends. */
function parts(end: End, hello: string, bye: string): void {
  end.send(hello);
  void end.line().then(
    () => {
      end.send(bye);
      end.end();
    },
    () => {},
  );
}

function start(t: Test, ports: readonly number[], protocol: "smtp" | "imap" | "tcp", own: object = {}) {
  return startGateway(t, {
    listeners: { mail: behindProxy(protocol, "servers") },
    pools: {
      servers: { servers: ports.map((port) => `127.0.0.1:${port}`), identity: "none", health, ...own },
    },
  });
}

const up = (port: number) => `postern_server_up{pool="servers",server="127.0.0.1:${port}"}`;

for (const protocol of ["smtp", "imap"] as const) {
  const { hello, goodbye, bye } = words[protocol];
  const faults: readonly [string, (end: End) => void, RegExp][] = [
    ["mute", () => {}, /^timeout$/],
    [
      "refusing",
      (end) => parts(end, protocol === "smtp" ? "421 busy\r\n" : "* BYE\r\n", bye),
      /^its greeting/,
    ],
    ["closing", (end) => end.end(), /^closed by the/],
    ["foreign", (end) => end.send("HTTP/1.1 400 Bad Request\r\n\r\n"), /malformed|not OK/],
    ["broken", (end) => end.reset(), /^ECONNRESET$|^closed by/],
  ];
  for (const [name, script, detail] of faults) {
    t.test(`a ${protocol} server that is ${name} is down when it has failed often enough`, async (t) => {
      const upstream = await startUpstream(t, { script });
      const gateway = await start(t, [upstream.port], protocol);
      const line = await gateway.waitForLine("server-down", ({ event }) => event === "server-down");
      t.match(line, {
        level: "warn",
        pool: "servers",
        server: `127.0.0.1:${upstream.port}`,
        by: "checks",
        detail,
      });
      t.ok(upstream.connections >= 2);
      t.equal(await metric(gateway, up(upstream.port)), 0);
    });
  }

  t.test(
    `a ${protocol} server is told goodbye when its whole greeting has come, by its client`,
    async (t) => {
      const upstream = await startUpstream(t);
      const gateway = await start(t, [upstream.port], protocol, {
        identity: "proxy-v1",
        health: { ...health, timeout: "30s", logIdentity: "192.0.2.99" },
      });
      for (let check = 0; check < 3; check++) {
        const server = await upstream.next();
        t.match(await server.line(), /^PROXY TCP4 192\.0\.2\.99 127\.0\.0\.1 \d+ \d+\r\n$/);
        if (protocol === "smtp") {
          server.send("220-wait\r\n2");
          t.equal(server.unread, "");
          server.send("20 hi\r\n");
        } else server.send(hello);
        t.equal(await server.line(), goodbye);
        server.send(bye);
        server.end();
        t.equal(await server.rest(), "", "and the connection is ended, not broken off");
      }
      t.equal(await metric(gateway, up(upstream.port)), 1);
      t.same(
        gateway.lines().filter(({ event }) => event === "session"),
        [],
      );
    },
  );
}

t.test("a server that goes and comes back is down and up, and each is said once", async (t) => {
  let isThere = true;
  const upstream = await startUpstream(t, {
    script: (end) => (isThere ? parts(end, "220 hi\r\n", "221 bye\r\n") : end.reset()),
  });
  const gateway = await start(t, [upstream.port], "smtp");
  for (let time = 1; time <= 2; time++) {
    isThere = false;
    await metricIs(gateway, up(upstream.port), 0);
    isThere = true;
    await metricIs(gateway, up(upstream.port), 1);
  }
  const told = gateway.lines().filter(({ event }) => event === "server-down" || event === "server-up");
  t.same(
    told.map(({ event }) => event),
    ["server-down", "server-up", "server-down", "server-up"],
  );
  const transitions = (to: string) =>
    metric(
      gateway,
      `postern_server_transitions_total{pool="servers",server="127.0.0.1:${upstream.port}",to="${to}"}`,
    );
  t.same([await transitions("down"), await transitions("up")], [2, 2]);
});

t.test("a server whose protocol is not known is up when it takes connections, silent or not", async (t) => {
  const silent = await startUpstream(t, {
    script: (end) =>
      void end.rest().then(
        () => end.end(),
        () => {},
      ),
  });
  const talking = await startUpstream(t, {
    script: (end) => {
      end.send("hello\n");
      void end.rest().then(
        () => end.end(),
        () => {},
      );
    },
  });
  const deaf = await freePort();
  const ports = [silent.port, talking.port, deaf];
  const gateway = await start(t, ports, "tcp", { health: { ...health, timeout: "100ms" } });
  await metricIs(gateway, up(deaf), 0);
  await until("some checks", () => silent.connections > 2 && talking.connections > 2);
  t.equal(await metric(gateway, up(silent.port)), 1);
  t.equal(await metric(gateway, up(talking.port)), 1);
});

t.test("a server is checked at another port when health.address says so", async (t) => {
  const mail = await startUpstream(t);
  const other = await startUpstream(t, { script: (end) => parts(end, "220 hi\r\n", "221 bye\r\n") });
  const gateway = await start(t, [mail.port], "smtp", { health: { ...health, address: `:${other.port}` } });
  await until("some checks", () => other.connections > 2);
  t.equal(mail.connections, 0);
  t.equal(await metric(gateway, up(mail.port)), 1);
});

t.test("a check of a slow greeter comes to its end over a reload, and over the gateway's end", async (t) => {
  const upstream = await startUpstream(t, { script: (end) => end.send("220-wait\r\n") });
  const gateway = await start(t, [upstream.port], "smtp");
  const first = await upstream.next();
  process.kill(gateway.pid, "SIGHUP");
  await gateway.waitForLine("a reload", ({ event }) => event === "reload-done");
  // Longer than the new checks would wait for another.
  await sleep(1500);
  t.equal(upstream.connections, 1, "nobody else asks meanwhile");
  const part = async (server: End) => {
    server.send("220 hi\r\n");
    t.equal(await server.through("QUIT\r\n"), "QUIT\r\n");
    server.send("221 bye\r\n");
    server.end();
    t.equal(await server.ending(), "end");
  };
  await part(first);
  const second = await upstream.next();
  const ended = gateway.stop();
  await gateway.waitForLine("drained", ({ event }) => event === "drained");
  // And longer than the end waits for a server that says nothing.
  await sleep(1500);
  await part(second);
  t.equal(await ended, 0);
});

/** Many reloads while clients come and go: nobody notices, whatever changes and whatever breaks meanwhile. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { changesBetween } from "../../src/config/changes.ts";
import { loadConfiguration } from "../../src/config/load.ts";
import { Gateway } from "../../src/threads/gateway.ts";
import { behindProxy, poolOf, startGateway, withBarePools } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { freePort } from "../servers/ports.ts";
import { until } from "../servers/process.ts";
import { End } from "./end.ts";
import { metric, metricIs } from "./look.ts";
import { exchange, hello, ok, pair } from "./pair.ts";
import { answers, hangUp, reload } from "./reloading.ts";
import { startUpstream } from "./upstream.ts";

const RELOADS = 50;
const CLIENTS = 6;

/** A server that greets, and says goodbye to the first command. */
function brief(end: End): void {
  end.send(hello);
  end.line().then(
    () => {
      end.send("221 bye\r\n");
      end.end();
    },
    () => {},
  );
}

/** Clients that come, greet and go, one after another in each of some rows, until they are told to stop. */
function stream(t: Test, port: number) {
  let isOver = false;
  const failed: string[] = [];
  let served = 0;
  const row = async (number: number) => {
    while (!isOver) {
      const client = await End.connect(t, { port }, proxyHeader(`203.0.113.${number + 1}`));
      try {
        const first = await client.line();
        client.send("QUIT\r\n");
        const last = await client.line();
        if (first !== hello || last !== "221 bye\r\n") failed.push(first + last);
        served++;
      } catch (error) {
        failed.push(String(error));
      }
      client.close();
    }
  };
  const rows = Array.from({ length: CLIENTS }, (_, number) => row(number));
  const stop = async () => {
    isOver = true;
    await Promise.all(rows);
    return { served, failed };
  };
  return { stop, served: () => served };
}

t.test("fifty reloads under a stream of clients fail none, new or old", async (t) => {
  const upstreams = [await startUpstream(t, { script: brief }), await startUpstream(t, { script: brief })];
  const slow = await startUpstream(t);
  const extra = await freePort();
  const smtp = behindProxy("smtp", "servers");
  const limits = (connectionCount: number) => ({ default: { connectionCount } });
  const file = (turn: number) => ({
    hostname: `mx${turn}.example.test`,
    maxConnections: 1000 + turn,
    listeners: {
      smtp: { ...smtp, idleTimeout: `${60 + turn}s` },
      slow: behindProxy("smtp", "slow"),
      ...(turn % 2 === 1 && { extra: { ...smtp, listen: `127.0.0.1:${extra}` } }),
    },
    pools: {
      servers: poolOf(upstreams[turn % 2]!.port, "none"),
      slow: poolOf(slow.port, "none"),
    },
    limits: limits(turn % 5 === 0 ? 0 : 50),
    log: { level: "info" },
  });
  const gateway = await startGateway(t, file(0));
  const long = await pair(t, gateway, slow, { listener: "slow" });
  await exchange(long, "MAIL FROM:<carol@example.org>");
  await exchange(long, "RCPT TO:<alice@example.test>");
  await exchange(long, "DATA", "354 Go ahead\r\n");
  const { stop, served } = stream(t, gateway.port("smtp"));
  for (let turn = 1; turn <= RELOADS; turn++) {
    gateway.write(file(turn));
    const before = served();
    if (turn % 10 === 0) t.match(await hangUp(gateway), { event: "reload-done" });
    else t.match(await reload(gateway), { status: 200 });
    long.client.send(`line ${turn}\r\n`);
    t.equal(await long.server.line(), `line ${turn}\r\n`);
    t.equal(await answers(extra), turn % 2 === 1);
    await until("a client", () => served() > before);
  }
  const { served: all, failed } = await stop();
  t.same(failed, []);
  t.ok(all >= RELOADS, `${all} clients`);
  long.client.send(".\r\n");
  await long.server.line();
  long.server.send(ok);
  t.equal(await long.client.line(), ok);
  const sessions = gateway
    .lines()
    .filter(({ event, listener }) => event === "session" && listener === "smtp");
  t.same(
    sessions.filter(({ outcome }) => outcome !== "closed"),
    [],
  );
  await metricIs(gateway, 'postern_sessions_active{listener="smtp"}', 0);
  t.equal(await metric(gateway, 'postern_connections_total{listener="smtp"}'), all);
});

/** A gateway in this process, whose threads can be reached, and the file that it reads. */
async function startHere(t: Test, first: object) {
  const destination = join(t.testdir(), "log");
  let file = first;
  const read = async () => {
    const text = JSON.stringify({
      log: { destination },
      admin: { listen: "127.0.0.1:0" },
      drain: "0s",
      ...file,
    });
    return loadConfiguration(text, { name: "test", environment: {}, readFile: () => "", nowMs: 0 });
  };
  const loaded = await read();
  if (!loaded.ok) throw new Error(loaded.errors.join("\n"));
  const gateway = await Gateway.start(loaded.configuration, "0.0.0", {
    origin: { read, changes: changesBetween },
    findPredecessor: async () => null,
    end() {},
  });
  t.teardown(() => gateway.drain());
  const events = (event: string) => {
    const lines = readFileSync(destination, "utf8").split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line)).filter((line) => line.event === event);
  };
  const write = (words: object) => {
    file = words;
  };
  return { gateway, write, events, port: Number(gateway.listeners.smtp?.[0]?.split(":").at(-1)) };
}

t.test("a thread that dies between or during reloads comes back with the newest configuration", async (t) => {
  const upstreams = [await startUpstream(t, { script: brief }), await startUpstream(t, { script: brief })];
  const file = (turn: number) => ({
    threads: 2,
    hostname: `mx${turn}.example.test`,
    listeners: { smtp: behindProxy("smtp", "servers") },
    ...withBarePools({ pools: { servers: poolOf(upstreams[turn % 2]!.port, "none") } }),
    limits: { default: { connectionCount: 0, connectionRate: turn === 4 ? 1 : 0 } },
  });
  const { gateway, write, events, port } = await startHere(t, file(0));
  const turns = [1, 2, 3, 4];
  for (const turn of turns) {
    write(file(turn));
    const first = gateway.reload();
    // In the midst of it: the reload may come to nothing over that, and then another will not.
    if (turn % 2 === 0) gateway.crew.kill(turn === 2 ? 0 : 1);
    const outcome = await first;
    if (!outcome.ok) t.match(outcome.errors, [/^data thread [01] (?:ended|does not answer)$/]);
    await until("a reload", async () => (await gateway.reload()).ok);
    if (turn % 2 === 1) gateway.crew.kill(turn === 1 ? 0 : 1);
    await until("the death", () => events("thread-died").length === turn);
    await until("the repair", () => events("thread-reclaimed").length === turn);
  }
  for (const thread of [0, 1]) gateway.crew.kill(thread);
  await until("the last repairs", () => events("thread-reclaimed").length === turns.length + 2);
  const born = events("session").length;
  const told = async (source: string) => {
    const client = await End.connect(t, { port }, proxyHeader(source)).catch(() => null);
    const line = (await client?.line().catch(() => null)) ?? null;
    client?.close();
    return line;
  };
  await until("an answer", () => told("203.0.113.1"));
  let count = 0;
  await until("sessions of both threads", async () => {
    // The second client of an address is one too many, and is told so by the newest name.
    t.match(await told("203.0.113.1"), /^421 4\.7\.0 mx4\.example\.test /);
    count++;
    t.equal(await told(`198.18.${count >> 8}.${count & 255}`), hello);
    // All ids of a thread begin alike.
    const threads = new Set(
      events("session")
        .slice(born)
        .map(({ id }) => id.slice(0, 8)),
    );
    return threads.size === 2;
  });
});

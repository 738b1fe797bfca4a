/** A file that is wrong, or asks for what cannot be had: the gateway says why, and everything is as it was. */

import { once } from "node:events";
import { readlinkSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { freePort } from "../servers/ports.ts";
import { startChild, until } from "../servers/process.ts";
import { End } from "./end.ts";
import { openFiles } from "./look.ts";
import { hello } from "./pair.ts";
import { answers, hangUp, reload } from "./reloading.ts";
import { greeting, startUpstream } from "./upstream.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const smtp = behindProxy("smtp", "servers");

/** What `postern check` says of a file. */
async function check(t: Parameters<typeof startChild>[0], path: string): Promise<string[]> {
  const child = startChild(t, [process.execPath, main, "check", "-c", path]);
  await child.ended;
  return child.stderr().split("\n").slice(0, -1);
}

/** Nothing where it is gone meanwhile. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

t.test("a wrong file changes nothing, and is told of in the lines of a start", async (t) => {
  const upstream = await startUpstream(t, { script: greeting(hello) });
  const pools = { servers: poolOf(upstream.port, "none") };
  const gateway = await startGateway(t, { listeners: { smtp }, pools });
  const port = gateway.port("smtp");
  const inside = await End.connect(t, { port }, proxyHeader("203.0.113.7"));
  await inside.line();
  const wrong: readonly (() => void)[] = [
    () => writeFileSync(gateway.path, "listeners: {"),
    () => writeFileSync(gateway.path, ""),
    () =>
      gateway.write({
        listeners: { smtp: { ...smtp, pool: "postfx" }, also: { ...smtp, limits: "no" } },
        pools,
      }),
    () => gateway.write({ listeners: { smtp }, pools, unheard: 1, drain: 5 }),
    () =>
      gateway.write({ listeners: { smtp }, pools, tls: { certificates: [{ cert: "/none", key: "/none" }] } }),
    () => gateway.write({ listeners: {}, pools }),
    () => rmSync(gateway.path),
  ];
  for (const make of wrong) {
    make();
    const errors = await check(t, gateway.path);
    t.ok(errors.length > 0);
    t.same(await reload(gateway), { status: 422, errors });
    t.match(await hangUp(gateway), { level: "error", event: "reload-failed", errors });
    const client = await End.connect(t, { port }, proxyHeader("203.0.113.8"));
    t.equal(await client.line(), hello);
    client.reset();
  }
  (await upstream.next()).send("421 still here\r\n");
  t.equal(await inside.line(), "421 still here\r\n");
  gateway.write({ listeners: { smtp }, pools, drain: "5s" });
  t.match(await reload(gateway), { status: 200, changes: [{ what: "drain" }] });
});

t.test("what cannot be opened or bound changes nothing", async (t) => {
  const upstream = await startUpstream(t, { script: greeting(hello) });
  const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  const bound = server.address();
  const taken = bound !== null && typeof bound === "object" ? bound.port : 0;
  const free = await freePort();
  const folder = t.testdir();
  const pools = { servers: poolOf(upstream.port, "none") };
  const gateway = await startGateway(t, { listeners: { smtp }, pools });
  const others = (listeners: object, log: object = {}) => ({
    hostname: "no.test",
    listeners,
    pools: {},
    log,
  });
  const here = (port: number) => ({ ...smtp, listen: `127.0.0.1:${port}` });
  const missing = join(folder, "missing", "log");
  const late = `listeners.late.listen: cannot listen on 127.0.0.1:${taken}: EADDRINUSE`;
  const cases: readonly [file: object, error: string][] = [
    [others({ early: here(free), late: here(taken) }), late],
    [
      others({ late: here(taken) }, { destination: join(folder, "log"), stockLines: join(folder, "stock") }),
      late,
    ],
    [
      others({ early: here(free) }, { destination: missing }),
      `log.destination: cannot open ${missing}: ENOENT`,
    ],
    [
      others({ early: here(free) }, { destination: join(folder, "log"), stockLines: missing }),
      `log.stockLines: cannot open ${missing}: ENOENT`,
    ],
  ];
  for (const [file, error] of cases) {
    gateway.write({ ...file, pools });
    t.same(await reload(gateway), { status: 422, errors: [error] });
    t.match(await hangUp(gateway), { event: "reload-failed", errors: [error] });
    t.equal(await answers(free), false, "what was bound meanwhile is closed");
    const client = await End.connect(t, { port: gateway.port("smtp") }, proxyHeader("203.0.113.7"));
    t.equal(await client.line(), hello);
    client.reset();
  }
  const opened = () => openFiles(gateway.pid).map((file) => linkOf(`/proc/${gateway.pid}/fd/${file}`));
  await until("what was opened in vain is closed", () => !opened().some((path) => path.startsWith(folder)));
});

t.test("a gateway that read standard input cannot read it again", async (t) => {
  const [admin, port] = [await freePort(), await freePort()];
  const file = {
    threads: 1,
    listeners: { smtp: { ...smtp, listen: `127.0.0.1:${port}` } },
    pools: { servers: poolOf(1, "none") },
    admin: { listen: `127.0.0.1:${admin}` },
  };
  const path = join(t.testdir(), "file");
  writeFileSync(path, JSON.stringify(file));
  const child = startChild(
    t,
    ["sh", "-c", 'exec "$@" <"$FILE"', "sh", process.execPath, main, "serve", "-c", "-"],
    {
      FILE: path,
    },
  );
  await until("ready", () => child.stdout().includes('"event":"ready"'));
  const errors = ["there is no file that could be read again"];
  t.same(await reload({ adminUrl: `http://127.0.0.1:${admin}` }), { status: 422, errors });
  process.kill(child.pid, "SIGHUP");
  await until("the signal", () => child.stdout().includes('"event":"reopened"'));
  t.ok(await answers(port));
  t.notMatch(child.stdout(), '"event":"reload-');
});

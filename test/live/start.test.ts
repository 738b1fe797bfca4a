/** A start that fails says why in one line, leaves nothing behind, and tells a wrong file from what could not be had. */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { behindProxy, poolOf } from "../servers/gateway.ts";
import { proxyHeader } from "../servers/header.ts";
import { type Child, makeDirectory, startChild, until } from "../servers/process.ts";
import { End } from "./end.ts";
import { greeting, startUpstream } from "./upstream.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** Runs `serve` with `file`, by way of `shell` where one is given: its "$@" is the command. */
function serve(t: Test, file: object, shell?: string): Child {
  const path = join(makeDirectory(t, "start"), "postern.yaml");
  writeFileSync(path, JSON.stringify({ threads: 2, admin: { listen: "127.0.0.1:0" }, ...file }));
  const command = [process.execPath, main, "serve", "-c", path];
  return startChild(t, shell === undefined ? command : ["sh", "-c", shell, "sh", ...command]);
}

/** Takes a port, so that nobody else can have it. */
async function occupy(t: Test): Promise<number> {
  const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  const bound = server.address();
  return bound !== null && typeof bound === "object" ? bound.port : 0;
}

const pools = { servers: poolOf(25, "none") };
const smtp = behindProxy("smtp", "servers");

t.test("a wrong file is one line for each fault, exit code 2, and no listener", async (t) => {
  const child = serve(t, { listeners: { smtp: { ...smtp, pool: "postfx" } }, pools });
  t.equal(await child.ended, 2);
  t.match(
    child.stderr(),
    /^[^\n]*postern\.yaml:1:\d+: listeners\.smtp\.pool: no pool is named "postfx" \(known: servers\)\n$/,
  );
  t.equal(child.stdout(), "");
});

t.test(
  "a port that is taken is named with its listener, exit code 1, and nothing is left running",
  async (t) => {
    const taken = await occupy(t);
    const child = serve(t, {
      listeners: {
        smtp,
        imap: { ...behindProxy("imap", "servers"), listen: ["127.0.0.1:0", `127.0.0.1:${taken}`] },
      },
      pools,
    });
    t.equal(await child.ended, 1);
    const lines = child
      .stderr()
      .split("\n")
      .filter((line) => !line.startsWith("warning: "));
    t.same(lines, [`postern: listeners.imap.listen: cannot listen on 127.0.0.1:${taken}: EADDRINUSE`, ""]);
    t.notMatch(child.stdout(), '"event":"ready"');
  },
);

t.test("an admin port that is taken is named, exit code 1, and no listener accepts", async (t) => {
  const taken = await occupy(t);
  const child = serve(t, { listeners: { smtp }, pools, admin: { listen: `127.0.0.1:${taken}` } });
  t.equal(await child.ended, 1);
  t.match(child.stderr(), `postern: admin.listen: cannot listen on 127.0.0.1:${taken}: EADDRINUSE\n`);
  t.notMatch(child.stdout(), '"event":"ready"');
});

t.test("a log that cannot be opened is named, exit code 1", async (t) => {
  const child = serve(t, { listeners: { smtp }, pools, log: { destination: "/nowhere/postern.log" } });
  t.equal(await child.ended, 1);
  t.match(child.stderr(), /^postern: log\.destination: cannot open \/nowhere\/postern\.log: ENOENT$/m);
});

t.test("a limit of open files that is too small is said, and lowers maxConnections", async (t) => {
  const upstream = await startUpstream(t, { script: greeting("220 upstream\r\n") });
  const file = {
    threads: 2,
    maxConnections: 500,
    listeners: { smtp },
    pools: { servers: poolOf(upstream.port, "none") },
  };
  // 128 of the process's own, and 32 and 64 refused connections for each thread, leave two files for each of 3 connections.
  const child = serve(t, file, 'ulimit -n 326; exec "$@"');
  const ready = await until("ready", () => /^.*"event":"ready".*$/m.exec(child.stdout())?.[0]);
  const warning = /^.*"event":"open-files".*$/m.exec(child.stdout())?.[0] ?? "{}";
  t.match(JSON.parse(warning), { level: "warn", maxConnections: 3, detail: /holds 3 connections, not 500/ });
  const port = Number(/"smtp":\["127\.0\.0\.1:(\d+)"/.exec(ready)?.[1]);
  for (let count = 0; count < 5; count++) {
    const client = await End.connect(t, { port }, proxyHeader("203.0.113.7"));
    t.match(await client.line(), count < 3 ? /^220 / : /^421 4\.3\.2 /);
  }
});

/** Listening sockets change hands, and whoever waits in their queues goes with them. */
import { once } from "node:events";
import { statSync } from "node:fs";
import { connect as netConnect, type Socket } from "node:net";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { activated, bequeath, inherit } from "../../src/wire/bequest.ts";
import type { Connection } from "../../src/wire/wire.ts";
import { startChild, until } from "../servers/process.ts";
import { wires } from "./wires.ts";

const testator = fileURLToPath(new URL("./testator.ts", import.meta.url));
const clients = 50;

async function startTestator(t: Test, wire: string) {
  const child = startChild(t, [process.execPath, testator], { POSTERN_WIRE: wire });
  const line = await until("its line", () => /^.*\n/.exec(child.stdout())?.[0]);
  const { port, path }: { port: number; path: string } = JSON.parse(line);
  return { child, port, path };
}

/** Clients that are connected, as far as they can tell, and what each has heard in the end. */
async function queueUp(t: Test, port: number): Promise<{ sockets: Socket[]; fates: Promise<string>[] }> {
  const sockets = Array.from({ length: clients }, () => netConnect(port, "127.0.0.1").setEncoding("latin1"));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
  });
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  const fates = sockets.map(
    (socket) =>
      new Promise<string>((resolve) => {
        let heard = "";
        socket.on("data", (text) => {
          heard += text;
        });
        socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
        socket.once("end", () => resolve(heard));
      }),
  );
  return { sockets, fates };
}

for (const wire of wires) {
  t.test(
    `inherit gives a socket with its queue when its first owner is killed, over ${wire.name}`,
    async (t) => {
      const { child, port, path } = await startTestator(t, wire.name);
      const { fates } = await queueUp(t, port);
      const inherited = await inherit(path);
      t.match(inherited, [{ endpoint: { host: "127.0.0.1", port } }]);
      process.kill(child.pid, "SIGKILL");
      t.equal(await child.ended, null);
      const come: Connection[] = [];
      const listening = await wire.listen({
        ...inherited[0]!,
        reusePort: true,
        onConnection: (connection) => {
          come.push(connection);
          connection.write(Buffer.from("hello"));
          connection.end();
        },
        onAcceptError: (code) => t.fail(code),
      });
      t.teardown(() => {
        for (const connection of come) connection.close();
        listening.close();
      });
      t.same(listening.endpoint, { host: "127.0.0.1", port });
      t.equal(listening.descriptor, inherited[0]!.descriptor);
      t.same(new Set(await Promise.all(fates)), new Set(["hello"]));
    },
  );
}

t.test("a queue is reset when its socket's only owner is killed", async (t) => {
  const { child, port } = await startTestator(t, "");
  const { fates } = await queueUp(t, port);
  process.kill(child.pid, "SIGKILL");
  await child.ended;
  t.same(new Set(await Promise.all(fates)), new Set(["ECONNRESET"]));
});

t.test("bequeath lets this user in, once, and leaves nothing behind", async (t) => {
  const path = bequeath([]);
  if (path === null) throw new Error("no path");
  t.equal(statSync(dirname(path)).mode & 0o777, 0o700);
  t.same(await inherit(path), []);
  t.throws(() => statSync(dirname(path)), { code: "ENOENT" });
  t.same(await inherit(path), [], "nor is there anything the second time");
});

t.test("bequeath gives null when there is no room for its directory", async (t) => {
  const directory = t.testdir();
  const before = process.env.TMPDIR;
  t.teardown(() => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  });
  process.env.TMPDIR = `${directory}/nowhere`;
  t.equal(bequeath([]), null);
});

t.test("activated takes nothing when the environment names nobody, somebody else or nonsense", async (t) => {
  const pid = String(process.pid);
  for (const environment of [
    {},
    { LISTEN_FDS: "1" },
    { LISTEN_FDS: "1", LISTEN_PID: "1" },
    { LISTEN_FDS: "0", LISTEN_PID: pid },
    { LISTEN_FDS: "-1", LISTEN_PID: pid },
    { LISTEN_FDS: "x", LISTEN_PID: pid },
    { LISTEN_FDS: "1025", LISTEN_PID: pid },
  ]) {
    t.same(activated(environment), []);
  }
});

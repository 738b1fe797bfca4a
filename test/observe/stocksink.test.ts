/** Where the lines for CrowdSec's stock parsers go: each kind of destination does what the setting says. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { openStock } from "../../src/observe/stocksink.ts";
import { memoryLog } from "./fixtures.ts";

t.test("openStock writes into a file, and into a new one when the old one was renamed", async (t) => {
  const path = join(t.testdir(), "stock.log");
  const sink = openStock({ kind: "file", path }, memoryLog());
  sink.write("before\n");
  while (readFileSync(path, "utf8") === "") await new Promise(setImmediate);
  renameSync(path, `${path}.1`);
  sink.reopen();
  sink.write("after\n");
  await sink.close();
  t.equal(readFileSync(`${path}.1`, "utf8"), "before\n");
  t.equal(readFileSync(path, "utf8"), "after\n");
});

t.test("openStock says which setting is wrong when the file cannot be opened", async (t) => {
  const path = join(t.testdir(), "missing", "stock.log");
  const message = `log.stockLines: cannot open ${path}: ENOENT`;
  t.throws(() => openStock({ kind: "file", path }, memoryLog()), { message });
});

t.test("openStock sends to whoever listens for syslog", async (t) => {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  t.teardown(() => socket.close());
  await once(socket, "listening");
  const endpoint = { host: "127.0.0.1", port: socket.address().port };
  const sink = openStock({ kind: "udp", endpoint }, memoryLog());
  sink.write("one\n");
  const [bytes] = await once(socket, "message");
  t.equal(String(bytes), "one");
  await sink.close();
});

/** Lines as datagrams: one each, bounded, and a trouble is said once and stops nothing. */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import t, { type Test } from "tap";
import { Datagrams } from "../../src/observe/datagrams.ts";
import { memoryLog } from "./fixtures.ts";

async function listen(t: Test, host: string): Promise<{ socket: Socket; port: number; got: string[] }> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  const got: string[] = [];
  socket.on("message", (bytes) => got.push(bytes.toString("latin1")));
  socket.bind(0, host);
  await once(socket, "listening");
  t.teardown(() => socket.close());
  return { socket, port: socket.address().port, got };
}

for (const host of ["127.0.0.1", "::1"]) {
  t.test(`write sends a datagram for each line, without its end, to ${host}`, async (t) => {
    const { socket, port, got } = await listen(t, host);
    const log = memoryLog();
    const datagrams = new Datagrams({ host, port }, log);
    datagrams.write("one\ntwo\n");
    datagrams.write("three\n");
    while (got.length < 3) await once(socket, "message");
    await datagrams.close();
    t.same(got, ["one", "two", "three"]);
    t.equal(datagrams.linesDropped, 0);
    t.same(log.events, []);
  });
}

t.test("close sends what is under way, and what comes later is dropped and counted", async (t) => {
  const { socket, port, got } = await listen(t, "127.0.0.1");
  const datagrams = new Datagrams({ host: "127.0.0.1", port }, memoryLog());
  datagrams.write("one\n");
  await datagrams.close();
  await datagrams.close();
  datagrams.write("two\nthree\n");
  datagrams.reopen();
  if (got.length === 0) await once(socket, "message");
  t.same(got, ["one"]);
  t.equal(datagrams.linesDropped, 2);
});

t.test("write says a trouble once, counts what was not sent, and throws nothing", async (t) => {
  const log = memoryLog();
  const datagrams = new Datagrams({ host: "127.0.0.1", port: 9 }, log);
  // UDP over IPv4 takes no more than 65,507 octets at once.
  const tooLong = `${"x".repeat(70_000)}\n`;
  datagrams.write(tooLong);
  datagrams.write(tooLong);
  await datagrams.close();
  t.equal(datagrams.linesDropped, 2);
  t.same(log.events, [
    { level: "warn", event: "stock-lines", fields: { to: "127.0.0.1:9", code: "EMSGSIZE" } },
  ]);
});

t.test("write drops and counts lines when the system takes no more", async (t) => {
  const { port } = await listen(t, "127.0.0.1");
  const datagrams = new Datagrams({ host: "127.0.0.1", port }, memoryLog());
  // Nothing is sent before the socket is bound, which takes a turn of the event loop.
  datagrams.write("line\n".repeat(5000));
  t.equal(datagrams.linesDropped, 5000 - 4096);
  await datagrams.close();
  t.equal(datagrams.linesDropped, 5000 - 4096);
});

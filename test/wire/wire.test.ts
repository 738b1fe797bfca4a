/** What both wires promise: see `Connection` and `Wire`. */
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { ListenError } from "../../src/wire/wire.ts";
import { until } from "../servers/process.ts";
import { Checker, Numbered } from "../support/numbered.ts";
import { accepted, loopback, ownerWith, wires } from "./wires.ts";

for (const wire of wires) {
  t.test(`${wire.name}: a connection knows both its ends`, async (t) => {
    for (const host of ["127.0.0.1", "::1"]) {
      const { near, far } = await accepted(t, wire, host);
      const end = (address: string | undefined, port: number | undefined) => ({
        address: { text: address },
        port,
      });
      t.match(near.peer(), end(far.localAddress, far.localPort));
      t.match(near.local(), end(far.remoteAddress, far.remotePort));
    }
  });

  t.test(`${wire.name}: a connection reads when it is started, and only then`, async (t) => {
    const { near, far } = await accepted(t, wire);
    let heard = "";
    near.owner = ownerWith({ onData: (_, bytes) => (heard += Buffer.from(bytes).toString()) });
    far.write("one");
    await sleep(50);
    t.equal(heard, "");
    near.start();
    await until("one", () => heard === "one");
    near.stop();
    far.write("two");
    await sleep(50);
    t.equal(heard, "one");
    near.start();
    near.start();
    await until("two", () => heard === "onetwo");
  });

  t.test(
    `${wire.name}: the far end's end comes once, behind its last byte, and leaves our direction open`,
    async (t) => {
      const { near, far } = await accepted(t, wire);
      const calls: string[] = [];
      near.owner = ownerWith({
        onData: (_, bytes) => calls.push(Buffer.from(bytes).toString()),
        onEnd: () => calls.push("end"),
      });
      far.end("last");
      await sleep(50);
      near.start();
      await until("the end", () => calls.includes("end"));
      near.write(Buffer.from("still here"));
      near.end();
      const [heard] = await once(far, "data");
      t.equal(String(heard), "still here");
      await once(far, "end");
      t.same(calls, ["last", "end"]);
    },
  );

  t.test(`${wire.name}: write says true only of bytes that no close can take back`, async (t) => {
    for (const size of [100, 1000, 10_000, 100_000]) {
      const { near, far } = await accepted(t, wire);
      far.pause();
      const bytes = new Numbered(size);
      let taken = 0;
      while (near.write(bytes.next(size))) taken += size;
      t.ok(taken > 0);
      near.close();
      const checker = new Checker(size);
      far.on("data", (piece) => checker.feed(piece));
      far.resume();
      await once(far, "end");
      t.ok(checker.count >= taken, `pieces of ${size}: ${taken} taken, ${checker.count} came`);
      t.equal(checker.fault, null);
    }
  });

  t.test(`${wire.name}: write's pending bytes go out, then the owner hears of it once`, async (t) => {
    const { near, far } = await accepted(t, wire);
    far.pause();
    let drains = 0;
    near.owner = ownerWith({ onDrain: () => drains++ });
    const bytes = new Numbered(1);
    let sent = 0;
    let pending = 0;
    let lied = false;
    // Whoever writes on while bytes are pending is told so each time.
    while (pending < 5) {
      const size = 777 + (sent % 1000);
      if (!near.write(bytes.next(size))) pending++;
      else if (pending > 0) lied = true;
      sent += size;
    }
    await sleep(50);
    t.notOk(lied);
    t.equal(drains, 0);
    near.end();
    const checker = new Checker(1);
    far.on("data", (piece) => checker.feed(piece));
    far.resume();
    await once(far, "end");
    t.equal(checker.count, sent);
    t.equal(checker.fault, null);
    t.equal(drains, 1);
  });

  t.test(`${wire.name}: close ends both directions, calls nobody and may be repeated`, async (t) => {
    const { near, far } = await accepted(t, wire);
    const fail = () => t.fail("called back");
    let chunks = 0;
    near.owner = ownerWith({
      onData: (connection) => {
        chunks++;
        connection.close();
        connection.close();
      },
      onEnd: fail,
      onDrain: fail,
      onError: fail,
    });
    near.start();
    far.write(Buffer.alloc(2 ** 20));
    far.resume();
    await new Promise((resolve) => far.once("close", resolve));
    await sleep(20);
    t.equal(chunks, 1);
    near.start();
    near.stop();
    near.end();
    t.equal(near.write(Buffer.from("x")), true);
  });

  t.test(`${wire.name}: a reset is an error, and the last call`, async (t) => {
    for (const busy of [false, true]) {
      const { near, far } = await accepted(t, wire);
      const codes: string[] = [];
      near.owner = ownerWith({
        onError: (_, code) => codes.push(code),
        onDrain: () => t.fail(),
        onEnd: () => t.fail(),
      });
      near.start();
      far.pause();
      if (busy) while (near.write(Buffer.alloc(65_536)));
      far.resetAndDestroy();
      await until("an error", () => codes.length > 0);
      await sleep(20);
      t.equal(codes.length, 1);
      t.match(codes[0], /^(ECONNRESET|EPIPE)$/);
    }
  });

  t.test(`${wire.name}: connect calls back with the connection, or with why there is none`, async (t) => {
    const server = createServer((socket) => socket.end("hello")).listen(0, "127.0.0.1");
    await once(server, "listening");
    const bound = server.address();
    const port = bound !== null && typeof bound === "object" ? bound.port : 0;
    const calls: string[] = [];
    const owner = ownerWith({
      onConnect: (connection) => {
        calls.push("connect");
        connection.start();
      },
      onData: (_, bytes) => calls.push(Buffer.from(bytes).toString()),
      onEnd: (connection) => {
        calls.push("end");
        connection.close();
      },
      onError: (_, code) => calls.push(code),
    });
    wire.connect({ host: "127.0.0.1", port }, owner);
    t.same(calls, [], "not from within the call");
    await until("the end", () => calls.includes("end"));
    t.same(calls.splice(0), ["connect", "hello", "end"]);
    wire.connect({ host: "127.0.0.1", port }, owner).close();
    server.close();
    await once(server, "close");
    wire.connect({ host: "127.0.0.1", port }, owner);
    await until("a refusal", () => calls.length > 0);
    t.same(calls.splice(0), ["ECONNREFUSED"]);
    wire.connect({ host: "255.255.255.255", port: 25 }, owner);
    t.same(calls, [], "not from within the call");
    await until("an error", () => calls.length > 0);
    t.match(calls, [/^E[A-Z]+$/]);
  });

  t.test(
    `${wire.name}: listen says what it bound, shares a port where it may, and says why it cannot`,
    async (t) => {
      const options = {
        endpoint: loopback,
        reusePort: true,
        onConnection: () => {},
        onAcceptError: () => {},
      };
      const first = await wire.listen(options);
      t.not(first.endpoint.port, 0);
      const second = await wire.listen({ ...options, endpoint: first.endpoint });
      t.same(second.endpoint, first.endpoint);
      const alone = wire.listen({ ...options, endpoint: first.endpoint, reusePort: false });
      const message = `cannot listen on 127.0.0.1:${first.endpoint.port}: EADDRINUSE`;
      await t.rejects(alone, { name: "ListenError", code: "EADDRINUSE", message });
      await t.rejects(alone, ListenError);
      const elsewhere = wire.listen({ ...options, endpoint: { host: "192.0.2.1", port: 0 } });
      await t.rejects(elsewhere, { code: "EADDRNOTAVAIL" });
      first.close();
      second.close();
      const again = await wire.listen({ ...options, endpoint: first.endpoint, reusePort: false });
      again.close();
    },
  );
}

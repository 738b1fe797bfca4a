/** What a connection of either wire promises inside TLS, on both sides of the handshake: see `Connection`. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import t, { type Test } from "tap";
import type { Connection, Wire } from "../../src/wire/wire.ts";
import { until } from "../servers/process.ts";
import { Checker, Numbered } from "../support/numbered.ts";
import {
  certificatesWith,
  type Ear,
  farClient,
  farServer,
  makePair,
  served,
  serving,
  trustWith,
} from "./secure.ts";
import { ownerWith, wires } from "./wires.ts";

interface Ends {
  readonly near: Connection;
  readonly far: TLSSocket;
  /** What `far` is the inside of. */
  readonly raw: Socket;
  readonly ear: Ear;
}

const pair = makePair(t, "mx.example.test");
const certificates = certificatesWith({ pairs: [pair] });

/** A handshake that is done, with the wire on the side that is named. */
const sides: Readonly<Record<string, (t: Test, wire: Wire) => Promise<Ends>>> = {
  server: (t, wire) => served(t, wire, certificates, { maxVersion: "TLSv1.3" }),
  "server of TLS 1.2": (t, wire) => served(t, wire, certificates, { maxVersion: "TLSv1.2" }),
  client: async (t, wire) => {
    const { come, open } = await farServer(t, pair);
    const { near, ear } = open(wire, trustWith({}));
    await ear.heard("connect");
    return { near, ear, ...(await until("the far end", () => come[0])) };
  },
};

for (const wire of wires) {
  for (const [side, open] of Object.entries(sides)) {
    const name = `${wire.name}, ${side}`;

    t.test(`${name}: the facts are those of the far end, and the names the socket's`, async (t) => {
      const { near, far, ear } = await open(t, wire);
      t.same(near.tls, { version: far.getProtocol(), cipher: far.getCipher().name, resumed: false });
      t.equal(near.tls?.version, side.endsWith("1.2") ? "TLSv1.2" : "TLSv1.3");
      t.equal(near.peer()?.port, far.localPort);
      t.equal(near.local()?.port, far.remotePort);
      t.same(ear.calls, ["connect"]);
    });

    t.test(`${name}: bytes come when it is started, and only then`, async (t) => {
      const { near, far, ear } = await open(t, wire);
      far.write("one");
      await sleep(50);
      t.equal(ear.text, "");
      near.start();
      t.equal(ear.text, "", "not from within the call");
      await until("one", () => ear.text === "one");
      near.stop();
      far.write("two");
      await sleep(50);
      t.equal(ear.text, "one");
      near.start();
      near.start();
      await until("two", () => ear.text === "onetwo");
    });

    t.test(`${name}: what nobody wants to hear yet stays with the far end`, async (t) => {
      const { near, far } = await open(t, wire);
      const total = 20_000_000;
      far.write(new Numbered(1).next(total));
      await sleep(50);
      t.ok(far.writableLength > 0);
      const checker = new Checker(1);
      let isStopped = false;
      near.owner = ownerWith({
        onData: (_, bytes) => {
          if (isStopped) t.fail("heard while it is stopped");
          checker.feed(bytes);
          near.stop();
          isStopped = true;
          setImmediate(() => {
            isStopped = false;
            near.start();
          });
        },
      });
      near.start();
      await until("all of it", () => checker.count === total);
      t.equal(checker.fault, null);
    });

    t.test(
      `${name}: the far end's end comes once, behind its last byte, and ours goes by itself`,
      async (t) => {
        const { near, far, ear } = await open(t, wire);
        far.end("last");
        await sleep(50);
        t.same(ear.calls, ["connect"]);
        near.start();
        await ear.heard("end");
        t.equal(near.hasEnded, true);
        t.equal(ear.text, "last");
        far.on("data", () => {});
        near.end();
        await once(far, "end");
        near.start();
        await sleep(20);
        t.same(ear.calls, ["connect", "data", "end"]);
      },
    );

    t.test(`${name}: an end with nothing before it waits until it is started`, async (t) => {
      const { near, far, ear } = await open(t, wire);
      far.end();
      await sleep(50);
      t.same(ear.calls, ["connect"]);
      near.start();
      await ear.heard("end");
      t.same(ear.calls, ["connect", "end"]);
    });

    t.test(`${name}: a FIN without a close_notify is an end as well`, async (t) => {
      const { near, raw, ear } = await open(t, wire);
      near.start();
      raw.end();
      await ear.heard("end");
      await sleep(20);
      t.same(ear.calls, ["connect", "end"]);
    });

    t.test(`${name}: end goes behind all that is pending, with a close_notify`, async (t) => {
      const { near, far, ear } = await open(t, wire);
      far.pause();
      const total = 16_000_000;
      const bytes = new Numbered(7);
      t.equal(near.write(bytes.next(total - 20)), false);
      t.equal(near.write(bytes.next(10)), false);
      t.equal(near.write(bytes.next(10)), false);
      t.equal(near.isPending, true);
      near.end();
      const checker = new Checker(7);
      far.on("data", (piece: Buffer) => checker.feed(piece));
      far.resume();
      await once(far, "end");
      t.equal(checker.count, total);
      t.equal(checker.fault, null);
      t.equal(near.isPending, false);
      t.same(ear.calls, ["connect", "drain"]);
    });

    t.test(
      `${name}: write's bytes may be used again once it said true, and are with the kernel`,
      async (t) => {
        for (const size of [1, 1000, 100_000]) {
          const { near, far } = await open(t, wire);
          // A socket that is closed over bytes that nobody read, a ticket here, is reset, and takes what it sent along.
          near.start();
          far.pause();
          const numbered = new Numbered(size);
          const bytes = Buffer.alloc(size);
          let taken = 0;
          for (let turn = 0; turn < 20; turn++) {
            bytes.set(numbered.next(size));
            if (!near.write(bytes)) break;
            taken += size;
            bytes.fill(0);
            await sleep(1);
          }
          near.close();
          const checker = new Checker(size);
          far.on("data", (piece: Buffer) => checker.feed(piece));
          far.resume();
          await new Promise((resolve) => far.once("end", resolve).once("close", resolve));
          t.equal(checker.fault, null);
          t.ok(checker.count >= taken, `pieces of ${size}: ${taken} taken, ${checker.count} came`);
          if (wire.name === "handles") t.ok(taken > 0, "a kernel that has room takes it at once");
        }
      },
    );

    t.test(`${name}: a reset is an error, and the last call`, async (t) => {
      const { near, raw, ear } = await open(t, wire);
      near.start();
      raw.resetAndDestroy();
      await until("an error", () => ear.calls.length > 1);
      await sleep(20);
      t.same(ear.calls, ["connect", "ECONNRESET"]);
      t.equal(near.write(Buffer.from("x")), true);
      near.end();
      near.close();
    });

    t.test(`${name}: bulk comes back whole from a slow far end`, async (t) => {
      const { near, far } = await open(t, wire);
      near.owner = ownerWith({
        onData: (_, bytes) => {
          if (!near.write(bytes)) near.stop();
        },
        onDrain: () => near.start(),
        onEnd: () => near.end(),
      });
      near.start();
      const total = 4 * 2 ** 20;
      const bytes = new Numbered(3);
      const checker = new Checker(3);
      let reads = 0;
      far.on("data", (piece: Buffer) => {
        checker.feed(piece);
        if (++reads % 16 !== 0) return;
        far.pause();
        setTimeout(() => far.resume(), 2);
      });
      for (let sent = 0; sent < total; sent += 2 ** 16) {
        if (!far.write(bytes.next(2 ** 16))) await once(far, "drain");
      }
      far.end();
      await once(far, "end");
      t.equal(checker.count, total);
      t.equal(checker.fault, null);
    });

    t.test(`${name}: close within any call ends it, and calls nobody`, async (t) => {
      for (const within of ["data", "end", "drain"]) {
        const { near, far } = await open(t, wire);
        const calls: string[] = [];
        const heard = (call: string) => {
          calls.push(call);
          if (call !== within) return;
          near.close();
          near.close();
        };
        near.owner = ownerWith({
          onData: () => heard("data"),
          onEnd: () => heard("end"),
          onDrain: () => heard("drain"),
          onError: (_, code) => heard(code),
        });
        far.on("data", () => {});
        if (within === "drain") near.write(Buffer.alloc(16_000_000));
        near.start();
        far.write(Buffer.alloc(within === "data" ? 200_000 : 1));
        if (within === "end") far.end();
        await new Promise((resolve) => far.once("close", resolve).once("end", () => far.end()));
        await sleep(20);
        t.equal(calls.at(-1), within);
        t.equal(calls.filter((call) => call === within).length, 1);
      }
    });
  }

  t.test(`${wire.name}: close within onConnect ends it`, async (t) => {
    const { near, far, ear } = await serving(t, wire, certificates);
    near.owner = ownerWith({ onConnect: (connection) => connection.close() });
    const client = farClient(t, far);
    await new Promise((resolve) => client.resume().once("end", resolve).once("close", resolve));
    await sleep(20);
    t.same(ear.calls, []);
  });
}

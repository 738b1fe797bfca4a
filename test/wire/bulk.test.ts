/**
 * Bytes in bulk through both wires: the buffers that connections share, lend and give back may never mix two streams up.
 * Whatever is slow, ends early or reads on too soon, each byte that comes is the one that was sent.
 */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import type { Connection, ConnectionOwner, Wire } from "../../src/wire/wire.ts";
import { until } from "../servers/process.ts";
import { Checker, Numbered } from "../support/numbered.ts";
import { loopback, ownerWith, Pump, wires } from "./wires.ts";

interface Path {
  readonly one: Socket;
  readonly other: Socket;
}

interface Middle {
  /** Two sockets with the wire between them. */
  open(): Promise<Path>;
}

/** Joins what it accepts to connections to a server of the test's, in the way of `join`. */
async function middle(
  t: Test,
  wire: Wire,
  join: (one: Connection, other: Connection) => void,
): Promise<Middle> {
  const others: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => others.push(socket)).listen(
    0,
    "127.0.0.1",
  );
  await once(server, "listening");
  const bound = server.address();
  const far = { host: "127.0.0.1", port: bound !== null && typeof bound === "object" ? bound.port : 0 };
  const listening = await wire.listen({
    endpoint: loopback,
    reusePort: false,
    onConnection: (one) => {
      const other = wire.connect(far, ownerWith({ onConnect: () => join(one, other) }));
    },
    onAcceptError: (code) => t.fail(code),
  });
  t.teardown(() => {
    server.close();
    listening.close();
  });
  const open = async (): Promise<Path> => {
    const one = connect({ ...listening.endpoint, allowHalfOpen: true });
    const other = await until("the other socket", () => others.shift());
    for (const socket of [one, other]) {
      socket.on("error", () => {});
      t.teardown(() => socket.destroy());
    }
    return { one, other };
  };
  // One after the other, so that both sockets are of one path.
  let last: Promise<unknown> = Promise.resolve();
  return {
    open: () => {
      const next = last.then(open);
      last = next;
      return next;
    },
  };
}

/** Sends `total` bytes in pieces that grow and shrink, as the socket takes them, and ends. */
async function send(socket: Socket, seed: number, total: number): Promise<void> {
  const bytes = new Numbered(seed);
  for (let sent = 0, turn = seed; sent < total && !socket.destroyed; turn++) {
    const size = Math.min(total - sent, 1 + ((turn * 40_503) % 300_000));
    sent += size;
    if (!socket.write(bytes.next(size))) await drained(socket);
  }
  socket.end();
}

/** The socket takes more, or never will. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      socket.off("drain", over).off("close", over);
      resolve();
    };
    socket.on("drain", over).on("close", over);
  });
}

/** Reads to the end, with a rest of `restMs` now and then. */
async function receive(socket: Socket, seed: number, restMs: number): Promise<Checker> {
  const checker = new Checker(seed);
  let reads = 0;
  socket.on("data", (bytes: Buffer) => {
    checker.feed(bytes);
    if (restMs === 0 || ++reads % 8 !== 0) return;
    socket.pause();
    setTimeout(() => socket.resume(), restMs);
  });
  socket.resume();
  await new Promise((resolve) => socket.once("end", resolve).once("close", resolve));
  return checker;
}

/** The stream that comes back while `seed` goes forth. */
const backOf = (seed: number) => seed + 1_000_000;

/** Both directions of one path at once. */
async function exchange(t: Test, { one, other }: Path, seed: number, total: number): Promise<void> {
  const [forth, back] = await Promise.all([
    receive(other, seed, seed % 3 === 0 ? 3 : 0),
    receive(one, backOf(seed), seed % 3 === 1 ? 3 : 0),
    send(one, seed, total),
    send(other, backOf(seed), total),
  ]);
  for (const checker of [forth, back]) {
    if (checker.fault !== null || checker.count !== total)
      t.fail(`stream ${seed}: ${checker.fault}, ${checker.count}`);
  }
  t.pass(`stream ${seed}`);
}

const megabyte = 2 ** 20;

for (const wire of wires) {
  t.test(`${wire.name}: bulk in both directions arrives whole beside short talks`, async (t) => {
    const { open } = await middle(t, wire, (one, other) => new Pump(one, other));
    let busy = true;
    const talks = (async () => {
      for (let seed = 1000; busy; seed++) await exchange(t, await open(), seed, 1 + (seed % 900));
    })();
    await Promise.all(
      Array.from({ length: 8 }, async (_, seed) => exchange(t, await open(), seed, 3 * megabyte)),
    );
    busy = false;
    await talks;
  });

  t.test(`${wire.name}: more bulk at once than there are private buffers arrives whole`, async (t) => {
    const { open } = await middle(t, wire, (one, other) => new Pump(one, other));
    // Each path has two connections, so that 150 of them want 300 buffers where 256 are.
    const paths: Path[] = [];
    for (let count = 0; count < 150; count++) paths.push(await open());
    await Promise.all(paths.map((path, seed) => exchange(t, path, seed, 200_000)));
    await Promise.all([1, 2, 3].map(async (seed) => exchange(t, await open(), seed, megabyte)));
  });

  t.test(`${wire.name}: transfers that break off leave the others whole`, async (t) => {
    const { open } = await middle(t, wire, (one, other) => new Pump(one, other));
    let busy = true;
    const breaking = (async () => {
      for (let seed = 2000; busy; seed++) {
        const { one, other } = await open();
        // Nobody reads on the far side, so that writes are pending when it ends.
        other.pause();
        void send(one, seed, 30 * megabyte);
        await sleep(20);
        const socket = seed % 2 === 0 ? one : other;
        if (seed % 3 === 0) socket.destroy();
        else socket.resetAndDestroy();
        const checker = new Checker(seed);
        other.on("data", (bytes: Buffer) => checker.feed(bytes));
        other.resume();
        await new Promise((resolve) => other.once("end", resolve).once("close", resolve));
        if (checker.fault !== null) t.fail(`stream ${seed} at ${checker.fault}`);
        other.destroy();
      }
    })();
    await Promise.all(
      Array.from({ length: 6 }, async (_, seed) => exchange(t, await open(), seed, 3 * megabyte)),
    );
    busy = false;
    await breaking;
  });

  t.test(
    `${wire.name}: what is pending from small reads is not touched by other connections' reads`,
    async (t) => {
      const { open } = await middle(t, wire, (one, other) => new Pump(one, other));
      for (const size of [900, 9_000, 20_000]) {
        const { one, other } = await open();
        other.pause();
        const bytes = new Numbered(size);
        let sent = 0;
        // Piece by piece, so that no read fills the shared buffer before the reader's side is full.
        while (one.writableLength === 0) {
          one.write(bytes.next(size));
          sent += size;
          await new Promise((resolve) => setImmediate(resolve));
        }
        one.end();
        const { one: talker, other: listener } = await open();
        await exchange(t, { one: talker, other: listener }, size, 200_000);
        const checker = await receive(other, size, 0);
        t.equal(checker.fault, null);
        t.equal(checker.count, sent);
        other.end();
      }
    },
  );

  t.test(`${wire.name}: a connection that closes takes nothing back of what it has handed out`, async (t) => {
    const lenders: Connection[] = [];
    const { open } = await middle(t, wire, (one, other) => {
      lenders.push(one);
      new Pump(one, other);
    });
    for (let seed = 0; seed < 8; seed++) {
      const { one, other } = await open();
      other.pause();
      void send(one, seed, 30 * megabyte);
      await until("the sender to be stopped", async () => {
        const before = one.bytesWritten - one.writableLength;
        await sleep(30);
        return one.writableLength > 0 && before === one.bytesWritten - one.writableLength;
      });
      lenders.pop()?.close();
      await exchange(t, await open(), seed + 100, megabyte);
      const checker = new Checker(seed);
      other.on("data", (bytes: Buffer) => checker.feed(bytes));
      other.resume();
      await until("what was pending", async () => {
        const before = checker.count;
        await sleep(30);
        return before === checker.count;
      });
      t.ok(checker.count > 0);
      t.equal(checker.fault, null);
      other.destroy();
    }
  });

  for (const forgetful of ["never stops", "stops and starts at once", "starts a little later"] as const) {
    t.test(
      `${wire.name}: bytes stay whole where an owner ${forgetful} while a write is pending`,
      async (t) => {
        let most = 0;
        const join = (one: Connection, other: Connection) => {
          let pending = 0;
          const owner: ConnectionOwner = ownerWith({
            onData: (from, bytes) => {
              if ((from === one ? other : one).write(bytes)) return;
              most = Math.max(most, ++pending);
              if (forgetful === "never stops" && pending < 8) return;
              from.stop();
              // Not for ever: what is pending would grow beyond all bounds.
              if (pending >= 8) return;
              if (forgetful === "stops and starts at once") from.start();
              else setTimeout(() => from.start(), 1);
            },
            onDrain: (to) => {
              pending = 0;
              (to === one ? other : one).start();
            },
            onEnd: (from) => (from === one ? other : one).end(),
          });
          for (const connection of [one, other]) {
            connection.owner = owner;
            connection.start();
          }
        };
        const { open } = await middle(t, wire, join);
        await Promise.all(
          Array.from({ length: 2 }, async (_, index) => {
            const { one, other } = await open();
            const seed = index * 3;
            // More than the kernel keeps on the way, so that writes are pending before anything is read.
            other.pause();
            const sent = send(one, seed, 30 * megabyte);
            await until("writes that are pending", () => most > 1);
            const [checker] = await Promise.all([receive(other, seed, 1), sent]);
            t.equal(checker.fault, null);
            t.equal(checker.count, 30 * megabyte);
          }),
        );
      },
    );
  }
}

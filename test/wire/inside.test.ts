/** TLS on libuv's handles alone: what only they could get wrong, with the memory that they share and OpenSSL beneath. */
import { once } from "node:events";
import { mock } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import type { Certificates } from "../../src/wire/certificates.ts";
import { HandleWire } from "../../src/wire/handles.ts";
import { type Libuv, loadLibuv } from "../../src/wire/libuv.ts";
import type { ConnectionOwner } from "../../src/wire/wire.ts";
import { until } from "../servers/process.ts";
import { Checker, Numbered } from "../support/numbered.ts";
import { certificatesWith, farClient, greet, makePair, served, serving, upgraded } from "./secure.ts";
import { accepted, ownerWith } from "./wires.ts";

const libuv = loadLibuv();
if (libuv === null) throw new Error("this Node has no libuv handles");

const pair = makePair(t, "mx.example.test");
const certificates = certificatesWith({ pairs: [pair] });
const choice = certificatesWith({ pairs: [pair, makePair(t, "other.example.test")] });

t.test("a buffer from bulk before TLS began is given back beneath it", async (t) => {
  mock.timers.enable({ apis: ["setInterval"] });
  t.teardown(() => mock.timers.reset());
  const { far, ear } = await upgraded(t, new HandleWire(libuv), choice, 100_000);
  await ear.heard("connect");
  for (let sweep = 0; sweep < 3; sweep++) mock.timers.tick(5000);
  await greet(t, ear, far);
});

/** A plain connection, and what reads in bulk from it. */
async function bulk(
  t: Test,
  wire: HandleWire,
  bytes: Buffer,
  onData: ConnectionOwner["onData"],
): Promise<void> {
  const { near, far } = await accepted(t, wire);
  near.owner = ownerWith({ onData });
  far.write(bytes);
  near.start();
}

t.test("bytes of a private buffer that wait for a write in TLS outlive who read them", async (t) => {
  const wire = new HandleWire(libuv);
  const { near, far } = await served(t, wire, certificates);
  const numbered = new Numbered(1);
  far.pause();
  let total = 0;
  // A socket that is paused still takes a little.
  while (!near.isPending) {
    total += 100_000;
    if (!near.write(numbered.next(100_000))) await sleep(50);
  }
  let reads = 0;
  await bulk(t, wire, numbered.next(300_000), (from, bytes) => {
    total += bytes.length;
    t.equal(near.write(bytes), false);
    if (++reads === 2) from.close();
  });
  await until("a read into a private buffer", () => reads === 2);
  let others = 0;
  await bulk(t, wire, Buffer.alloc(600_000), (_, bytes) => (others += bytes.length));
  await until("the buffer's next use", () => others === 600_000);
  near.end();
  const checker = new Checker(1);
  far.on("data", (piece: Buffer) => checker.feed(piece)).resume();
  await once(far, "end");
  t.equal(checker.count, total);
  t.equal(checker.fault, null);
});

t.test("a write behind something of OpenSSL's own that is on its way is pending", async (t) => {
  const busy: Libuv = {
    ...libuv,
    wrap: (...terms) => Object.defineProperty(libuv.wrap(...terms), "writeQueueSize", { value: 1 }),
  };
  const { near, ear } = await served(t, new HandleWire(busy), certificates);
  t.equal(near.write(Buffer.from("250")), false);
  t.equal(near.isPending, true);
  await ear.heard("drain");
  t.equal(near.isPending, false);
});

t.test("a connection may be closed while OpenSSL calls back", async (t) => {
  // Node runs what waits for the next tick at the end of such a call, with OpenSSL still beneath it.
  for (let count = 0; count < 20; count++) {
    let close: (() => void) | null = null;
    const closing = Object.create(choice, {
      isOne: { value: false },
      choose: {
        value: (name: string) => {
          process.nextTick(() => close?.());
          return choice.choose(name);
        },
      },
      first: { value: choice.first },
    }) as Certificates;
    const { near, far, ear } = await serving(t, new HandleWire(libuv), closing);
    let isClosed = false;
    close = () => {
      near.close();
      isClosed = true;
    };
    farClient(t, far);
    await until("the end", () => isClosed);
    t.same(ear.calls, []);
  }
});

t.test("loadLibuv finds nothing when a member of TLS is missing", async (t) => {
  const { binding } = process as unknown as { binding: (name: string) => object };
  t.teardown(() => Object.assign(process, { binding }));
  const without = (member: string) => (name: string) =>
    name === "tls_wrap" ? { ...binding(name), [member]: undefined } : binding(name);
  for (const member of ["wrap", "TLSWrap"]) {
    Object.assign(process, { binding: without(member) });
    t.equal(loadLibuv(), null, member);
  }
});

t.test("a write to a client that reset as soon as the handshake was done ends the connection", async (t) => {
  const { near, far: raw, ear } = await serving(t, new HandleWire(libuv), certificates);
  raw.on("error", () => {});
  const far = farClient(t, raw);
  // Its tickets then meet a broken connection, and the first write stands behind them.
  far.once("secureConnect", () => {
    far.write("MAIL");
    process.nextTick(() => raw.resetAndDestroy());
  });
  await ear.heard("connect");
  near.write(Buffer.from("220"));
  await until("the end", () => ear.calls.length > 1);
  t.equal(ear.calls.at(-1), "EPIPE");
});

/** Handshakes in any cuts, and those that fail: each in a code that both wires have in common, and none in a crash. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { mock } from "node:test";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from "node:tls";
import t, { type Test } from "tap";
import type { Connection, Wire } from "../../src/wire/wire.ts";
import { until } from "../servers/process.ts";
import {
  certificatesWith,
  Ear,
  farClient,
  farServer,
  makePair,
  plainServer,
  served,
  serving,
  trustWith,
} from "./secure.ts";
import { accepted, ownerWith, wires } from "./wires.ts";

const pair = makePair(t, "mx.example.test");
const certificates = certificatesWith({ pairs: [pair] });
const choice = certificatesWith({ pairs: [pair, makePair(t, "other.example.test")] });
const strict = certificatesWith({ pairs: [pair], minVersion: "TLSv1.3" });

/** A stream over `socket` that passes on what is written in the way of `write`. */
function over(socket: Socket, write: (bytes: Buffer) => Promise<void>): Duplex {
  const duplex = new Duplex({
    read: () => {},
    write: (bytes, _, done) => void write(bytes).then(() => done()),
  });
  socket.on("data", (bytes: Buffer) => duplex.push(bytes)).on("close", () => duplex.destroy());
  return duplex;
}

/** An old client: OpenSSL has such versions only at its lowest level of security. */
const old: ConnectionOptions = {
  minVersion: "TLSv1",
  maxVersion: "TLSv1.1",
  ciphers: "DEFAULT@SECLEVEL=0",
};

interface Fault {
  readonly name: string;
  readonly code: string | RegExp;
  /** What the far end does once the wire's end has begun a handshake as a server. */
  far(t: Test, socket: Socket): void;
  readonly certificates?: typeof certificates;
}

const faults: readonly Fault[] = [
  { name: "an end", code: "EOF", far: (_, far) => far.end() },
  { name: "an end in mid-hello", code: "EOF", far: (_, far) => far.end(Buffer.from("1603010200", "hex")) },
  { name: "a reset", code: "ECONNRESET", far: (_, far) => far.resetAndDestroy() },
  {
    name: "a command of SMTP",
    code: /^ERR_SSL_[A-Z_]+$/,
    far: (_, far) => far.write("EHLO there.example.test\r\n"),
  },
  {
    name: "a request of HTTP",
    code: "ERR_SSL_HTTP_REQUEST",
    far: (_, far) => far.write("GET / HTTP/1.0\r\n"),
  },
  { name: "zeros", code: /^ERR_SSL_[A-Z_]+$/, far: (_, far) => far.write(Buffer.alloc(200_000)) },
  {
    name: "a hello without an end",
    code: /^ERR_SSL_[A-Z_]+$/,
    far: (_, far) => far.write(Buffer.concat([Buffer.from("160301ffff01", "hex"), Buffer.alloc(70_000, 1)])),
  },
  {
    name: "a version that is too old for anybody",
    code: "ERR_SSL_UNSUPPORTED_PROTOCOL",
    far: (t, far) => farClient(t, far, old),
  },
  {
    name: "a version that is too old for us",
    code: "ERR_SSL_UNSUPPORTED_PROTOCOL",
    far: (t, far) => farClient(t, far, { maxVersion: "TLSv1.2" }),
    certificates: strict,
  },
  {
    name: "ciphers that our key is not for",
    code: "ERR_SSL_NO_SHARED_CIPHER",
    far: (t, far) => farClient(t, far, { maxVersion: "TLSv1.2", ciphers: "ECDHE-RSA-AES128-GCM-SHA256" }),
    certificates: choice,
  },
];

for (const wire of wires) {
  for (const fault of faults) {
    t.test(`${wire.name}: a server's handshake fails with a code when it gets ${fault.name}`, async (t) => {
      const { near, far, ear } = await serving(t, wire, fault.certificates ?? certificates);
      near.start();
      fault.far(t, far);
      await until("an error", () => ear.calls.length > 0);
      await sleep(20);
      t.equal(ear.calls.length, 1);
      t.match(ear.calls[0], fault.code);
      t.equal(near.tls, null);
    });
  }

  t.test(`${wire.name}: OpenSSL's alert reaches the far end when a handshake fails`, async (t) => {
    const { far } = await serving(t, wire, strict);
    const client = tlsConnect({ socket: far, rejectUnauthorized: false, maxVersion: "TLSv1.2" });
    const [error] = await once(client, "error");
    t.equal(error.code, "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
  });

  t.test(`${wire.name}: a client's handshake fails with a code when no server of TLS is there`, async (t) => {
    const said: readonly [string | RegExp, (far: Socket) => void][] = [
      ["EOF", (far) => far.end()],
      ["ECONNRESET", (far) => far.once("data", () => far.resetAndDestroy())],
      [/^ERR_SSL_[A-Z_]+$/, (far) => far.write("220 there.example.test ESMTP\r\n")],
    ];
    for (const [code, says] of said) {
      const { ear } = (await plainServer(t, says)).open(wire, trustWith({}));
      await until("an error", () => ear.calls.length > 0);
      await sleep(20);
      t.equal(ear.calls.length, 1);
      t.match(ear.calls[0], code);
    }
  });

  t.test(`${wire.name}: a handshake is done when its bytes come one by one`, async (t) => {
    for (const by of [certificates, choice]) {
      const { far, ear } = await serving(t, wire, by);
      const slow = over(far.setNoDelay(true), async (bytes) => {
        for (const byte of bytes) {
          far.write(Buffer.of(byte));
          await turn();
        }
      });
      const client = tlsConnect({ socket: slow, rejectUnauthorized: false, servername: "mx.example.test" });
      await once(client, "secureConnect");
      await ear.heard("connect");
      t.same(ear.calls, ["connect"]);
    }
  });

  t.test(`${wire.name}: what was read before TLS began is its beginning`, async (t) => {
    for (const before of [0, 1, 100, 100_000]) {
      const { far, ear } = await upgraded(t, wire, before);
      await ear.heard("connect");
      await sleep(20);
      t.same(ear.calls, ["connect"]);
      await greet(t, ear, far);
    }
  });

  t.test(`${wire.name}: a buffer from bulk before TLS began is given back beneath it`, async (t) => {
    mock.timers.enable({ apis: ["setInterval"] });
    t.teardown(() => mock.timers.reset());
    const { far, ear } = await upgraded(t, wire, 100_000);
    await ear.heard("connect");
    for (let sweep = 0; sweep < 3; sweep++) mock.timers.tick(5000);
    await greet(t, ear, far);
  });

  t.test(
    `${wire.name}: what a client sends along with its Finished waits until it is asked for`,
    async (t) => {
      const { near, far, ear } = await serving(t, wire, certificates);
      let flight: Buffer[] = [];
      const batched = over(far, async (bytes) => {
        if (flight.push(bytes) === 1)
          setImmediate(() => {
            far.write(Buffer.concat(flight));
            flight = [];
          });
      });
      const client = tlsConnect({ socket: batched, rejectUnauthorized: false });
      client.write("at once");
      client.end();
      await ear.heard("connect");
      await sleep(20);
      t.same(ear.calls, ["connect"]);
      near.start();
      t.same(ear.calls, ["connect"], "not from within the call");
      await ear.heard("end");
      t.equal(ear.text, "at once");
      t.same(ear.calls, ["connect", "data", "end"]);
    },
  );

  t.test(`${wire.name}: a client that renegotiates gets nothing for it`, async (t) => {
    const { near, far, ear } = await served(t, wire, certificates, { maxVersion: "TLSv1.2" });
    near.start();
    far.renegotiate({}, () => {});
    far.write("x");
    await sleep(100);
    t.equal(ear.calls.filter((call) => call === "connect").length, 1);
    near.close();
  });

  t.test(`${wire.name}: bytes that are no records end a connection in TLS, with a code`, async (t) => {
    const { near, raw, ear } = await served(t, wire, certificates);
    near.start();
    raw.write("no record");
    await until("an error", () => ear.calls.length > 1);
    await sleep(20);
    t.equal(ear.calls.length, 2);
    t.match(ear.calls[1], /^ERR_SSL_[A-Z_]+$/);
  });

  t.test(`${wire.name}: what comes behind a close_notify is nothing`, async (t) => {
    const { near, far, raw, ear } = await served(t, wire, certificates);
    near.start();
    far.end();
    await ear.heard("end");
    raw.write("no record");
    await sleep(20);
    t.same(ear.calls, ["connect", "end"]);
  });

  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    t.test(
      `${wire.name}, ${version}: an end of ours amid the far end's bytes loses none of them`,
      async (t) => {
        const { near, far } = await served(t, wire, certificates, { maxVersion: version });
        const ear = new Ear();
        let read = 0;
        near.owner = Object.assign(ear, {
          onData: (connection: Connection, bytes: Uint8Array) => {
            read += bytes.length;
            connection.end();
          },
        });
        far.write(Buffer.alloc(300_000));
        await sleep(20);
        near.start();
        await until("all of it", () => read === 300_000);
        far.end("and more");
        await ear.heard("end");
        t.equal(read, 300_008);
        t.same(ear.calls, ["end"]);
      },
    );
  }

  t.test(`${wire.name}: a connection that is closed begins no TLS`, async (t) => {
    const { near } = await accepted(t, wire);
    near.close();
    near.secure({ side: "server", certificates }, Buffer.from("x"));
    near.start();
    t.equal(near.write(Buffer.from("x")), true);
    near.end();
    t.equal(near.tls, null);
  });

  for (const side of ["server", "client"] as const) {
    t.test(`${wire.name}, ${side}: a connection may be closed, or reset, at any moment`, async (t) => {
      for (let moment = 0; moment < 60; moment++) await breakOff(t, wire, side, moment);
      t.pass("and nothing crashed");
    });
  }
}

/**
 * A connection that becomes a server in TLS from within its owner's call, after a line and `before` bytes in the clear; all
 * but one byte of the client's hello came along with the line.
 */
async function upgraded(t: Test, wire: Wire, before: number): Promise<{ far: TLSSocket; ear: Ear }> {
  const { near, far } = await accepted(t, wire);
  const ear = new Ear();
  let line = Buffer.from("STARTTLS\r\n".padStart(before + 10));
  let ahead = line.length;
  near.owner = ownerWith({
    onData: (connection, bytes) => {
      const used = Math.min(ahead, bytes.length);
      ahead -= used;
      if (ahead > 0) return;
      connection.owner = ear;
      connection.secure({ side: "server", certificates: choice }, bytes.subarray(used));
      bytes.fill(0);
    },
  });
  near.start();
  const eager = over(far, async (bytes) => {
    far.write(Buffer.concat([line, bytes.subarray(0, -1)]));
    if (line.length > 0) await sleep(20);
    far.write(bytes.subarray(-1));
    line = Buffer.alloc(0);
  });
  return { far: tlsConnect({ socket: eager, rejectUnauthorized: false }), ear };
}

async function greet(t: Test, ear: Ear, far: TLSSocket): Promise<void> {
  const near = ear.connection!;
  near.start();
  far.write("EHLO");
  await until("a command", () => ear.text === "EHLO");
  near.write(Buffer.from("250"));
  const [reply] = await once(far, "data");
  t.equal(String(reply), "250");
}

/** Lets a handshake and a talk go on for so many turns of the loop, and breaks them off on one side or the other. */
async function breakOff(t: Test, wire: Wire, side: "server" | "client", moment: number): Promise<void> {
  const ends = side === "server" ? await serving(t, wire, choice) : await reaching(t, wire);
  const { near, far, ear } = ends;
  if (side === "server") farClient(t, far).write(Buffer.alloc(100_000));
  near.owner = Object.assign(ear, { onConnect: (connection: Connection) => talk(connection) });
  for (let count = 0; count < moment >> 1; count++) await turn();
  if (moment % 2 === 0) near.close();
  else far.resetAndDestroy();
  const before = ear.calls.length;
  await sleep(5);
  if (moment % 2 === 0) t.equal(ear.calls.length, before);
  near.close();
}

function talk(connection: Connection): void {
  connection.start();
  connection.write(Buffer.alloc(100_000));
  connection.write(Buffer.alloc(100_000));
  connection.end();
}

async function reaching(t: Test, wire: Wire): Promise<{ near: Connection; far: Socket; ear: Ear }> {
  const { raws, open } = await farServer(t, pair);
  const { near, ear } = open(wire, trustWith({}));
  return { near, ear, far: await until("a socket", () => raws[0]) };
}

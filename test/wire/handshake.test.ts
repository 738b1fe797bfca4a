/** Handshakes in any cuts, and those that fail: each in a code that both wires have in common, and none in a crash. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { type ConnectionOptions, TLSSocket, connect as tlsConnect } from "node:tls";
import t, { type Test } from "tap";
import type { Connection, Wire } from "../../src/wire/wire.ts";
import { until } from "../servers/process.ts";
import { Checker, Numbered } from "../support/numbered.ts";
import {
  certificatesWith,
  Ear,
  farClient,
  farServer,
  greet,
  makePair,
  over,
  plainServer,
  served,
  serving,
  trustWith,
  upgraded,
} from "./secure.ts";
import { accepted, wires } from "./wires.ts";

const pair = makePair(t, "mx.example.test");
const certificates = certificatesWith({ pairs: [pair] });
const choice = certificatesWith({ pairs: [pair, makePair(t, "other.example.test")] });
const strict = certificatesWith({ pairs: [pair], minVersion: "TLSv1.3" });

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
      const { far, ear } = await upgraded(t, wire, choice, before);
      await ear.heard("connect");
      await sleep(20);
      t.same(ear.calls, ["connect"]);
      await greet(t, ear, far);
    }
  });

  for (const side of ["server", "client"] as const) {
    t.test(`${wire.name}, ${side}: what is pending when TLS begins goes out before it`, async (t) => {
      const { near, far } = await accepted(t, wire);
      const ear = new Ear();
      near.owner = ear;
      far.pause();
      const numbered = new Numbered(1);
      let total = 0;
      while (!near.isPending) {
        total += 1_000_000;
        if (!near.write(numbered.next(1_000_000))) await sleep(20);
      }
      const terms = side === "server" ? { side, certificates } : ({ side, trust: trustWith({}) } as const);
      near.secure(terms, Buffer.alloc(0));
      t.equal(near.isPending, true);
      const checker = new Checker(1);
      while (checker.count < total) {
        const rest: Buffer | null = far.read(Math.min(total - checker.count, far.readableLength));
        if (rest === null) await sleep(1);
        else checker.feed(rest);
      }
      t.equal(checker.fault, null);
      const inside = side === "server" ? farClient(t, far) : new TLSSocket(far, { isServer: true, ...pair });
      inside.write("inside");
      await ear.heard("connect");
      near.start();
      await until("bytes", () => ear.text === "inside");
      t.same(ear.calls, ["drain", "connect", "data"]);
    });
  }

  t.test(`${wire.name}: a handshake that fails at once tells nobody within the call`, async (t) => {
    const { near } = await accepted(t, wire);
    const ear = new Ear();
    near.owner = ear;
    near.secure({ side: "server", certificates }, Buffer.from("GET / HTTP/1.0\r\n"));
    t.same(ear.calls, []);
    await until("an error", () => ear.calls.length > 0);
    t.same(ear.calls, ["ERR_SSL_HTTP_REQUEST"]);
  });

  t.test(`${wire.name}: a start before the handshake is done counts after it`, async (t) => {
    const { near, far, ear } = await serving(t, wire, certificates);
    near.start();
    farClient(t, far).write("at last");
    await until("bytes", () => ear.text === "at last");
    t.same(ear.calls, ["connect", "data"]);
  });

  t.test(`${wire.name}: a write within onConnect goes out`, async (t) => {
    const taken: boolean[] = [];
    const speak = (ear: Ear) =>
      Object.assign(ear, {
        onConnect: (connection: Connection) => taken.push(connection.write(Buffer.from("220"))),
      });
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      const { far: raw, ear } = await serving(t, wire, certificates);
      speak(ear);
      const far = farClient(t, raw, { maxVersion });
      const [heard] = await once(far, "data");
      t.equal(String(heard), "220");
      const { come, open } = await farServer(t, { ...pair, maxVersion });
      speak(open(wire, trustWith({})).ear);
      const { far: server } = await until("the far end", () => come[0]);
      const [said] = await once(server, "data");
      t.equal(String(said), "220");
    }
    if (wire.name === "handles") t.same(taken, [true, true, true, true], "and at once");
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
    far.on("secure", () => t.fail("another handshake"));
    far.renegotiate({}, (fault) => t.ok(fault));
    far.write("x");
    await sleep(100);
    t.equal(ear.calls.filter((call) => call === "connect").length, 1);
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
    const { near, far: raw, ear } = await serving(t, wire, certificates);
    // Over a stream of its own, so that its end is a close_notify without a FIN.
    const socket = over(raw, async (bytes) => void raw.write(bytes));
    const far = tlsConnect({ socket, rejectUnauthorized: false });
    near.start();
    far.end("last");
    await ear.heard("end");
    raw.write("no record");
    raw.write(Buffer.alloc(20_000_000));
    await sleep(50);
    t.same(ear.calls, ["connect", "data", "end"]);
    if (wire.name === "handles") t.ok(raw.writableLength > 0, "and is not even read");
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

/** One client's connection against targets of every kind. */
import t, { type Test } from "tap";
import { wire } from "../../../bench/harness/wire.ts";
import { Fault, Line, type LineOptions } from "../../../bench/load/line.ts";
import { Trust } from "../../../src/wire/trust.ts";
import { nobody, type Wire } from "../../../src/wire/wire.ts";
import type { End } from "../../live/end.ts";
import { startUpstream } from "../../live/upstream.ts";
import { freePort } from "../../servers/ports.ts";
import { makePair } from "../../wire/secure.ts";
import { startSmtp } from "./server.ts";

const trust = new Trust({ verify: "none", name: null, ca: null });

function lineTo(t: Test, port: number, asked: Partial<LineOptions> = {}): Line {
  const line = new Line({
    wire,
    target: { host: "127.0.0.1", port },
    opening: Buffer.alloc(0),
    timeoutMs: 10_000,
    trust,
    traffic: { bytesIn: 0, bytesOut: 0 },
    ...asked,
  });
  t.teardown(() => line.close());
  return line;
}

/** A line that is connected, and the far end in the test's hands. */
async function pair(t: Test, asked: Partial<LineOptions> = {}): Promise<{ line: Line; far: End }> {
  const upstream = await startUpstream(t);
  const line = lineTo(t, upstream.port, asked);
  await line.open();
  return { line, far: await upstream.next() };
}

/** What kind of fault it ends in; what it gave where it ends in none. */
async function faultOf(step: Promise<unknown>): Promise<unknown> {
  try {
    return { gave: await step };
  } catch (thrown) {
    return thrown instanceof Fault ? thrown.kind : thrown;
  }
}

t.test("Line says its opening at once, and does not count it, when it is connected", async (t) => {
  const traffic = { bytesIn: 0, bytesOut: 0 };
  const { line, far } = await pair(t, { opening: Buffer.from("PROXY"), traffic });
  line.send("EHLO a\r\n");
  t.equal((await far.bytes(13)).toString(), "PROXYEHLO a\r\n");
  far.send("250 ok\r\n");
  await line.reply();
  t.strictSame(traffic, { bytesIn: 8, bytesOut: 8 });
});

t.test("Line reads replies one by one when they come in any cuts", async (t) => {
  const { line, far } = await pair(t);
  const text = "250-mx\r\n250-SIZE\r\n250 HELP\r\n354 go\r\n450\r\n";
  const read = async () => [await line.reply(), await line.reply(), await line.reply()];
  const expected = [
    { code: 250, texts: ["mx", "SIZE", "HELP"] },
    { code: 354, texts: ["go"] },
    { code: 450, texts: [""] },
  ];
  far.send(text);
  t.match(await read(), expected, "at once");
  for (let cut = 1; cut < text.length; cut += 7) {
    const replies = read();
    far.send(text.slice(0, cut));
    await new Promise((resolve) => setImmediate(resolve));
    far.send(text.slice(cut));
    t.match(await replies, expected, `cut at ${cut}`);
  }
});

t.test("Line keeps what is read later when the wire uses its buffer again", async (t) => {
  const { line, far } = await pair(t);
  const first = line.reply();
  const bytes = Buffer.from("250 a\r\n354 b\r\n");
  line.onData(wire.connect({ host: "127.0.0.1", port: 9 }, nobody), bytes);
  bytes.fill("x");
  t.match(await first, { texts: ["a"] });
  t.match(await line.reply(), { code: 354, texts: ["b"] });
  far.end();
});

t.test("Line breaks off over the protocol when an answer is none", async (t) => {
  const answers = [
    "hello\r\n",
    "250 ok\n",
    "250-a\r\n251 b\r\n",
    "99 no\r\n",
    "250ok\r\n",
    "\x16\x03\x01\n",
    `250 ${"x".repeat(9000)}`,
  ];
  for (const answer of answers) {
    const { line, far } = await pair(t);
    far.send(answer);
    t.equal(await faultOf(line.reply()), "protocol", JSON.stringify(answer.slice(0, 20)));
    t.equal(await faultOf(line.reply()), "protocol", "for good");
  }
});

t.test("Line reads lines and drops literals when they stand among one another", async (t) => {
  const { line, far } = await pair(t);
  const literal = "x\r\n".repeat(200_000);
  far.send(`* 1 FETCH (BODY[] {${literal.length}}\r\n${literal})\r\na OK done\r\n`);
  t.equal(await line.line(), `* 1 FETCH (BODY[] {${literal.length}}`);
  await line.discard(literal.length - 1000);
  await line.discard(1000);
  t.equal(await line.line(), ")");
  t.equal(await line.line(), "a OK done");
  far.send("* BYE\n");
  t.equal(await faultOf(line.line()), "protocol", "an LF alone");
});

t.test("Line has what came before the end when the end comes with it", async (t) => {
  const { line, far } = await pair(t);
  far.send("250 ok\r\n221 bye\r\n");
  far.end();
  t.match(await line.reply(), { code: 250 });
  t.match(await line.reply(), { code: 221 });
  t.strictSame(await faultOf(line.ended()), { gave: undefined });
});

t.test("Line tells what went wrong when the target does", async (t) => {
  t.equal(await faultOf(lineTo(t, await freePort()).open()), "refused");
  const unreachable = lineTo(t, 1, { target: { host: "255.255.255.255", port: 1 } });
  t.equal(await faultOf(unreachable.open()), "unreachable");
  const cases = [
    ["closed", (far: End) => far.end()],
    [
      "closed",
      (far: End) => {
        far.send("250-half a rep");
        far.end();
      },
    ],
    ["reset", (far: End) => far.reset()],
    ["timeout", () => {}],
    ["timeout", (far: End) => far.send("250-half a rep")],
  ] as const;
  for (const [kind, act] of cases) {
    const { line, far } = await pair(t, kind === "timeout" ? { timeoutMs: 50 } : {});
    act(far);
    t.equal(await faultOf(line.reply()), kind);
    t.equal(await faultOf(line.line()), kind, "for good");
  }
});

t.test("Line takes its own machine's limits for its own when it cannot connect", async (t) => {
  const table = { EMFILE: "own", ENFILE: "own", EADDRNOTAVAIL: "own", ENETUNREACH: "unreachable" };
  for (const [code, kind] of Object.entries(table)) {
    const failing: Wire = {
      name: wire.name,
      listen: (options) => wire.listen(options),
      connect: (target, owner) => {
        const connection = wire.connect(target, nobody);
        queueMicrotask(() => owner.onError(connection, code));
        return connection;
      },
    };
    t.equal(await faultOf(lineTo(t, await freePort(), { wire: failing }).open()), kind, code);
  }
});

t.test("Line has one deadline for a reply when that comes in drops", async (t) => {
  const { line, far } = await pair(t, { timeoutMs: 300 });
  const drops = setInterval(() => far.send("250-x\r\n"), 20);
  t.teardown(() => clearInterval(drops));
  t.equal(await faultOf(line.reply()), "timeout");
});

t.test("Line breaks off over the protocol when more comes than anybody asked for", async (t) => {
  const { line, far } = await pair(t);
  far.send("250 ok\r\n".repeat(100_000));
  await far.ending();
  t.equal(await faultOf(line.line()), "protocol");
});

t.test("Line takes words behind the goodbye for a fault when it awaits the end", async (t) => {
  for (const words of ["250 what\r\n", "25"]) {
    const { line, far } = await pair(t);
    far.send(`221 bye\r\n${words}`);
    await line.reply();
    t.equal(await faultOf(line.ended()), "protocol");
  }
});

t.test("Line holds longer than its deadline when it is told to, and until it is released", async (t) => {
  const { line, far } = await pair(t, { timeoutMs: 40 });
  far.send("220 hi\r\n");
  await line.reply();
  const beganMs = performance.now();
  await line.hold(200);
  t.ok(performance.now() - beganMs > 190);
  const held = line.hold(60_000);
  line.release();
  await held;
  await line.hold(60_000);
  t.equal(await faultOf(line.reply()), "timeout", "the deadline is there again");
});

t.test("Line is closed when the target ends what is held", async (t) => {
  const { line, far } = await pair(t);
  const held = faultOf(line.hold(60_000));
  far.send("421 bye\r\n");
  far.end();
  t.equal(await held, "closed");
});

t.test("Line waits for what is pending when the target does not read", async (t) => {
  const { line, far } = await pair(t, { timeoutMs: 100 });
  far.pause();
  const much = Buffer.alloc(16 * 1024 * 1024);
  line.send(much);
  t.equal(await faultOf(line.drained()), "timeout");
});

t.test("Line goes on in TLS when it is secured", async (t) => {
  const server = await startSmtp(t, { pair: makePair(t, "mx.example.test") });
  const line = lineTo(t, server.port);
  await line.open();
  await line.reply();
  line.send("STARTTLS\r\n");
  await line.reply();
  await line.secure();
  line.send("NOOP\r\n");
  t.match(await line.reply(), { code: 250 });
  line.send("QUIT\r\n");
  await line.reply();
  await line.ended();
  t.strictSame(server.sessions[0]?.commands, ["STARTTLS", "NOOP", "QUIT"]);
});

t.test("Line tells how a handshake failed when the target spoils it", async (t) => {
  const cases = [
    ["tls", (far: End) => far.send("220 plain words\r\n")],
    ["closed", (far: End) => far.end()],
    ["timeout", () => {}],
  ] as const;
  for (const [kind, act] of cases) {
    const { line, far } = await pair(t, { timeoutMs: kind === "timeout" ? 50 : 10_000 });
    const secured = faultOf(line.secure());
    act(far);
    t.equal(await secured, kind);
  }
});

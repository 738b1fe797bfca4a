/** The sink on its threads, over sockets: what sessions announce, how they end, and that nothing is lost or counted twice. */
import t, { type Test } from "tap";
import { wire } from "../../../bench/harness/wire.ts";
import type { SinkCounts } from "../../../bench/sink/counts.ts";
import { type Sink, type SinkOptions, startSink } from "../../../bench/sink/sink.ts";
import { Address } from "../../../src/address.ts";
import { encodeV1, encodeV2 } from "../../../src/proxy/header.ts";
import { End } from "../../live/end.ts";
import { makeCertificate } from "../../servers/certificate.ts";
import { freePort } from "../../servers/ports.ts";
import { makeDirectory, until } from "../../servers/process.ts";

const client = { address: Address.parse("203.0.113.7")!, port: 1024 };
const six = { address: Address.parse("2001:db8::7")!, port: 1025 };

async function start(t: Test, options: Partial<SinkOptions> = {}): Promise<Sink> {
  const sink = await startSink({ protocol: "smtp", ...options });
  t.teardown(() => sink.stop());
  return sink;
}

/** A whole session in one flight, as nobody has to wait for anything; resolves with what was said to it. */
async function flight(t: Test, { port }: Sink, ...words: readonly (string | Uint8Array)[]): Promise<string> {
  const end = await End.connect(t, { port });
  end.send(Buffer.concat(words.map((each) => Buffer.from(each))));
  const said = await end.rest();
  end.close();
  return said;
}

/** When all sessions are over, as the sink sees it. */
function settled(sink: Sink): Promise<SinkCounts> {
  return until("the end of all sessions", async () => {
    const counts = await sink.counts();
    return counts.open === 0 && counts;
  });
}

const mail =
  "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\nSubject: a\r\n\r\nb\r\n.\r\nQUIT\r\n";

t.test("startSink records the source when it comes by PROXY of either version, or none", async (t) => {
  const sink = await start(t, { record: 10 });
  const openings = [encodeV2(client, client), encodeV1(six, six), "PROXY UNKNOWN\r\n", ""];
  for (const opening of openings) t.match(await flight(t, sink, opening, mail), /^220 .*\r\n221 .*\r\n$/s);
  const sources = (await sink.identities()).map(({ proxy }) => proxy);
  t.strictSame(sources, ["203.0.113.7:1024", "[2001:db8::7]:1025", "local", null]);
  const { messages, recipients, connections } = await settled(sink);
  t.strictSame({ connections, messages, recipients }, { connections: 4, messages: 4, recipients: 8 });
});

t.test("startSink closes without a word when the header that has to be there is another", async (t) => {
  for (const [proxy, opening] of [
    ["v2", encodeV1(client, client)],
    ["v1", encodeV2(client, client)],
    ["v2", "EHLO a\r\n"],
  ] as const) {
    const sink = await start(t, { proxy });
    t.equal(await flight(t, sink, opening), "");
    t.equal((await settled(sink)).faults.header, 1);
    const right = proxy === "v1" ? encodeV1(client, client) : encodeV2(client, client);
    t.match(await flight(t, sink, right, "QUIT\r\n"), /^220 .*\r\n221 .*\r\n$/);
    t.match(await settled(sink), { connections: 2, faults: { header: 1, closed: 0, broken: 0 } });
  }
});

t.test("startSink greets first when no header is awaited, or one that may be missing", async (t) => {
  for (const proxy of ["off", "auto"] as const) {
    const sink = await start(t, { proxy });
    const end = await End.connect(t, { port: sink.port });
    t.match(await end.line(), /^220 /);
    end.close();
  }
  const sink = await start(t, { proxy: "v2" });
  const end = await End.connect(t, { port: sink.port });
  const header = encodeV2(client, client);
  end.send(header.subarray(0, 20));
  await until("the connection", async () => (await sink.counts()).connections === 1);
  t.equal(end.unread, "");
  end.send(header.subarray(20));
  t.match(await end.line(), /^220 /);
});

t.test("startSink records XCLIENT and ID when they come, of as many sessions as asked", async (t) => {
  const smtp = await start(t, { record: 2, threads: 2 });
  for (const user of ["a", "b", "c"]) await flight(t, smtp, `EHLO a\r\nXCLIENT LOGIN=${user}\r\nQUIT\r\n`);
  const known = await smtp.identities();
  t.equal(known.length, 2);
  for (const { xclient } of known) t.match(xclient?.LOGIN, /^[abc]$/);
  const imap = await start(t, { protocol: "imap", record: 2 });
  await flight(t, imap, 'a ID ("x-originating-ip" "203.0.113.7")\r\nb LOGOUT\r\n');
  t.strictSame(await imap.identities(), [
    { proxy: null, xclient: null, id: { "x-originating-ip": "203.0.113.7" } },
  ]);
});

t.test("startSink counts how sessions end when they end badly", async (t) => {
  const sink = await start(t);
  const left = await End.connect(t, { port: sink.port });
  await left.line();
  left.end();
  t.equal(await left.ending(), "end");
  const broken = await End.connect(t, { port: sink.port });
  await broken.line();
  broken.reset();
  t.match(await settled(sink), { connections: 2, faults: { closed: 1, broken: 1 } });
});

t.test("startSink has TLS behind STARTTLS or from the first byte when it has a certificate", async (t) => {
  const certificate = makeCertificate(makeDirectory(t, "sink"), "sink.example.test");
  for (const protocol of ["smtp", "imap"] as const) {
    const words = protocol === "smtp" ? "EHLO a\r\nQUIT\r\n" : "a LOGOUT\r\n";
    const go = protocol === "smtp" ? "EHLO a\r\nSTARTTLS\r\n" : "a STARTTLS\r\n";
    const later = await start(t, { protocol, certificate, record: 1 });
    const end = await End.connect(t, { port: later.port }, encodeV2(client, client));
    end.send(go);
    await end.through(
      protocol === "smtp" ? "220 2.0.0 Ready to start TLS\r\n" : "a OK Begin TLS negotiation now\r\n",
    );
    await end.secure();
    end.send(words);
    t.match(await end.rest(), protocol === "smtp" ? /^250-/ : /^\* BYE/, "without another greeting");
    end.close();
    t.equal((await later.identities())[0]?.proxy, "203.0.113.7:1024");
    for (const proxy of ["v2", "auto", "off"] as const) {
      const first = await start(t, { protocol, certificate, proxy, isImplicit: true });
      const inside = await End.connect(
        t,
        { port: first.port },
        proxy === "off" ? "" : encodeV2(client, client),
      );
      await inside.secure();
      inside.send(words);
      t.match(await inside.rest(), /^(?:220|\* OK) /, `${protocol} ${proxy}`);
      inside.close();
      const plain = await End.connect(
        t,
        { port: first.port },
        proxy === "v2" ? encodeV2(client, client) : "",
      );
      plain.send("EHLO a\r\n");
      await plain.ending();
      plain.close();
      t.match(await settled(first), { connections: 2, faults: { tls: 1, closed: 0, broken: 0 } });
    }
  }
});

t.test("startSink counts exactly when many sessions come at once to several threads", async (t) => {
  const sink = await start(t, { threads: 2, record: 1000 });
  const count = 300;
  const ports = Array.from({ length: count }, (_, index) => 1024 + index);
  const replies = await Promise.all(
    ports.map((port) => flight(t, sink, encodeV2({ ...client, port }, client), mail)),
  );
  const ids = replies.map((reply) => Number(/queued as (\d+)/.exec(reply)?.[1]));
  t.equal(new Set(ids).size, count, "each mail has an id of its own");
  t.match(await settled(sink), {
    connections: count,
    messages: count,
    recipients: 2 * count,
    bytes: count * 17,
    faults: { header: 0, closed: 0, broken: 0, command: 0, order: 0 },
  });
  const sources = (await sink.identities()).map(({ proxy }) => proxy);
  t.strictSame(sources.sort(), ports.map((port) => `203.0.113.7:${port}`).sort());
});

t.test("startSink sends large messages whole when the client reads slowly", async (t) => {
  const messageBytes = 3_000_000;
  const sink = await start(t, { protocol: "imap", messageBytes });
  const end = await End.connect(t, { port: sink.port });
  end.pause();
  end.send(`a LOGIN u p\r\nb SELECT INBOX\r\n${"c FETCH 1 BODY[]\r\n".repeat(3)}d NOOP\r\n`);
  await until("what was asked for", async () => (await sink.counts()).fetches === 3);
  end.send("e LOGOUT\r\n");
  end.resume();
  const said = await end.rest();
  const bodies = said.split(`BODY[] {${messageBytes}}\r\n`).slice(1);
  t.strictSame(
    bodies.map((body) => body.slice(messageBytes, messageBytes + 7)),
    Array(3).fill(")\r\nc OK"),
  );
  t.match(said.slice(-200), /\r\ne OK Logout completed\r\n$/);
  t.match(await sink.counts(), { bytes: 3 * messageBytes, logins: 1 });
});

t.test("startSink has a message of the size that it was asked for, header and all", async (t) => {
  for (const messageBytes of [2, 100, 1000]) {
    const sink = await start(t, { protocol: "imap", messageBytes });
    const end = await End.connect(t, { port: sink.port });
    end.send("a LOGIN u p\r\nb SELECT INBOX\r\nc FETCH 1 BODY[]\r\nd LOGOUT\r\n");
    const [, body = ""] = (await end.rest()).split(`BODY[] {${messageBytes}}\r\n`);
    t.match(body.slice(messageBytes), /^\)\r\nc OK/, `${messageBytes}`);
    t.ok(body.startsWith("From: <a@example.org>\r\n".slice(0, messageBytes)));
    if (messageBytes === 1000) t.match(body, /Subject: sink\r\n\r\nVGhpcyBpcyBhIGxpbmUu/);
  }
});

t.test("startSink takes mails of any size when they are larger than a string can be", async (t) => {
  t.ok(await start(t, { protocol: "smtp", messageBytes: 2 ** 30 }));
});

t.test("startSink does not hear a client any more when it does not read what it asked for", async (t) => {
  const sink = await start(t, { protocol: "imap", messageBytes: 30_000_000 });
  const end = await End.connect(t, { port: sink.port });
  end.pause();
  end.send("a LOGIN u p\r\nb SELECT INBOX\r\nc FETCH 1 BODY[]\r\n");
  await until("what was asked for", async () => (await sink.counts()).fetches === 1);
  end.send("d FETCH 1 BODY[]\r\n");
  // It is through with this one only after it could have read the other.
  await flight(t, sink, "a LOGOUT\r\n");
  t.equal((await sink.counts()).fetches, 1);
});

t.test("startSink ends all sessions and frees the port when it is stopped", async (t) => {
  const sink = await start(t, { threads: 2 });
  const end = await End.connect(t, { port: sink.port });
  await end.line();
  await sink.stop();
  await end.ending();
  const again = await start(t, { port: sink.port });
  t.equal(again.port, sink.port);
  await t.rejects(sink.counts(), { message: "a thread of the sink has ended" });
});

t.test("startSink rejects when somebody else listens there, even one that would share", async (t) => {
  const other = await wire.listen({
    endpoint: { host: "127.0.0.1", port: 0 },
    reusePort: true,
    onConnection: (connection) => connection.close(),
    onAcceptError: () => {},
  });
  t.teardown(() => other.close());
  const { port } = other.endpoint;
  await t.rejects(startSink({ protocol: "smtp", port }), {
    message: `cannot listen on 127.0.0.1:${port}: EADDRINUSE`,
  });
});

t.test("startSink rejects when its address cannot be bound", async (t) => {
  const port = await freePort();
  await t.rejects(startSink({ protocol: "smtp", host: "192.0.2.1", port }), {
    message: `cannot listen on 192.0.2.1:${port}: EADDRNOTAVAIL`,
  });
});

/** Names and their addresses, from a DNS server of the test's own: as much of one as is asked here (RFC 1035 4). */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import t, { type Test } from "tap";
import { resolver } from "../../src/wire/names.ts";

interface Entry {
  readonly type: 1 | 28;
  readonly ttl: number;
  readonly data: readonly number[];
}

/** Listens on a free port; every name but those of `entries` does not exist. */
async function startDns(t: Test, entries: Readonly<Record<string, readonly Entry[]>>): Promise<string> {
  const socket = createSocket("udp4");
  socket.on("message", (query, { port, address }) => {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at]!; length > 0; length = query[at]!) {
      labels.push(query.toString("latin1", at + 1, at + 1 + length));
      at += 1 + length;
    }
    const question = query.subarray(12, at + 5);
    const found = entries[labels.join(".")];
    const records = (found ?? []).filter(({ type }) => type === query.readUInt16BE(at + 1));
    const head = Buffer.alloc(12);
    head.writeUInt16BE(query.readUInt16BE(0));
    head.writeUInt16BE(found === undefined ? 0x8183 : 0x8180, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(records.length, 6);
    const answers = records.map(({ type, ttl, data }) =>
      Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, ttl >> 8, ttl & 255, 0, data.length, ...data]),
    );
    socket.send(Buffer.concat([head, question, ...answers]), port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  t.teardown(() => socket.close());
  return `127.0.0.1:${socket.address().port}`;
}

t.test("resolver finds all addresses of a name, and how long the shortest holds", async (t) => {
  const server = await startDns(t, {
    "mail.example.org": [
      { type: 1, ttl: 300, data: [192, 0, 2, 7] },
      { type: 1, ttl: 40, data: [192, 0, 2, 8] },
      { type: 28, ttl: 600, data: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7] },
    ],
    "old.example.org": [{ type: 1, ttl: 5, data: [192, 0, 2, 9] }],
  });
  const resolve = resolver([server]);
  const found = await resolve("mail.example.org");
  if (!found.ok) throw new Error(found.code);
  t.same(found.addresses.map(({ text }) => text).sort(), ["192.0.2.7", "192.0.2.8", "2001:db8::7"]);
  t.equal(found.ttlSeconds, 40);
  const old = await resolve("old.example.org");
  t.same(old.ok && old.addresses.map(({ text }) => text), ["192.0.2.9"], "one family is enough");
});

t.test("resolver asks the system when the DNS does not know the name", async (t) => {
  const resolve = resolver([await startDns(t, {})]);
  const found = await resolve("localhost");
  t.ok(found.ok && found.addresses.every(({ isLoopback }) => isLoopback));
});

t.test("resolver says why when nobody knows the name", async (t) => {
  const found = await resolver([await startDns(t, {})])("nowhere.invalid");
  t.equal(found.ok, false);
  t.match(found, { code: /^E/ });
});

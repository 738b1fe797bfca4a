/** A DNS server in a test's hands: as much of one as is asked here (RFC 1035 4). */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { Test } from "tap";

export interface Entry {
  readonly type: 1 | 28;
  readonly ttl: number;
  readonly data: readonly number[];
}

/**
 * Listens on a free port of loopback, and gives its address; every name but those of `entries`, as they are then, does not exist.
 * A question of a type that `fails` gets a SERVFAIL.
 */
export async function startDns(
  t: Test,
  entries: Readonly<Record<string, readonly Entry[]>>,
  fails: (type: number) => boolean = () => false,
): Promise<string> {
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
    const asked = query.readUInt16BE(at + 1);
    const records = fails(asked) ? [] : (found ?? []).filter(({ type }) => type === asked);
    const head = Buffer.alloc(12);
    head.writeUInt16BE(query.readUInt16BE(0));
    const status = found === undefined ? 0x8183 : 0x8180;
    head.writeUInt16BE(fails(asked) ? 0x8182 : status, 2);
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

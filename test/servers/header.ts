/** PROXY v2 headers as a load balancer writes them (proxy-protocol.txt 2.2): written anew, so that postern's own are tested. */
import { Address } from "../../src/address.ts";

const signature = Buffer.from("0d0a0d0a000d0a515549540a", "hex");
const version = 0x20;
const stream = 0x01;

/** What a load balancer's own health check sends: LOCAL, no family, nothing behind it. */
export const localHeader = Buffer.concat([signature, Buffer.from([version, 0, 0, 0])]);

/** The header of a client at `source`, which connected to a mail server's public address of the same family. */
export function proxyHeader(source: string, sourcePort = 40_123): Buffer {
  const client = Address.parse(source);
  if (client === null) throw new Error(`no address: ${source}`);
  const server = Address.parse(client.family === 4 ? "192.0.2.25" : "2001:db8:ffff::25");
  const addresses = Buffer.concat([bytesOf(client), bytesOf(server ?? client), Buffer.alloc(4)]);
  addresses.writeUInt16BE(sourcePort, addresses.length - 4);
  addresses.writeUInt16BE(25, addresses.length - 2);
  const family = client.family === 4 ? 0x10 : 0x20;
  return Buffer.concat([
    signature,
    Buffer.from([version | 1, family | stream, 0, addresses.length]),
    addresses,
  ]);
}

function bytesOf(address: Address): Buffer {
  const bytes = Buffer.alloc(16);
  [address.a, address.b, address.c, address.d].forEach((word, index) => {
    bytes.writeUInt32BE(word, index * 4);
  });
  return address.family === 4 ? bytes.subarray(12) : bytes;
}

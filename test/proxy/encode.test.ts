/** What the encoders write, to the byte, and that the decoder and another implementation read it back. */
import { getCiphers } from "node:tls";
import fc from "fast-check";
import { V1ProxyProtocol, V2ProxyProtocol } from "proxy-protocol-js";
import t from "tap";
import { Address, type AddressAndPort } from "../../src/address.ts";
import { encodeV1, encodeV2, HeaderDecoder } from "../../src/proxy/header.ts";
import type { TlvOptions } from "../../src/proxy/tlv.ts";
import { block4, bytesOf, framed, good } from "../wire/headers.ts";

const source4 = endpoint("198.51.100.7", 40001);
const destination4 = endpoint("192.0.2.25", 2525);
const source6 = endpoint("2001:db8::7", 40001);
const destination6 = endpoint("2001:db8:1::25", 10993);

t.test("encodeV2 writes the worked examples when given their endpoints", async (t) => {
  t.strictSame(encodeV2(source4, destination4), wire("IPv4"));
  t.strictSame(encodeV2(source4, destination4, { crc32c: true }), wire("IPv4 with a checksum"));
  t.strictSame(encodeV2(source6, destination6), wire("IPv6"));
  t.strictSame(
    encodeV2(source6, destination6, { uniqueId: "edge", crc32c: true }),
    wire("IPv6 with a unique id and a checksum"),
  );
  t.strictSame(
    encodeV2(source6, destination6, { uniqueId: Buffer.from("edge"), crc32c: true }),
    wire("IPv6 with a unique id and a checksum"),
  );
});

t.test("encodeV2 takes the client's family when the destination has the other", async (t) => {
  t.strictSame(
    encodeV2(source4, destination6),
    bytesOf("0d0a0d0a000d0a515549540a 2111 000c c6336407 00000000 9c41 2af1"),
  );
  t.strictSame(
    encodeV2(source6, destination4),
    bytesOf(
      `0d0a0d0a000d0a515549540a 2121 0024 20010db8000000000000000000000007 ${"00".repeat(10)}ffffc0000219 9c41 09dd`,
    ),
  );
});

t.test("encodeV2 writes an IPv4 block when the source is a mapped address", async (t) => {
  t.strictSame(encodeV2(endpoint("::ffff:198.51.100.7", 40001), destination4), wire("IPv4"));
});

t.test("encodeV2 tells of TLS with the client when it ends here", async (t) => {
  const ssl = { version: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" };
  const cipher = Buffer.from(ssl.cipher).toString("hex");
  t.strictSame(
    encodeV2(source4, destination4, { ssl }),
    framed("2111", block4, "200028 01 00000001 210007 544c5376312e33 230016", cipher),
    "as HAProxy does, but for the certificate that was not verified",
  );
  t.strictSame(encodeV2(source4, destination4, { ssl: null }), wire("IPv4"));
});

t.test("encodeV2 says only that there is TLS when it is still to come", async (t) => {
  t.strictSame(
    encodeV2(source4, destination4, { ssl: { version: null, cipher: null } }),
    framed("2111", block4, "200005 01 00000001"),
  );
});

t.test("encodeV2 stays within what Postfix takes when everything is as long as can be", async (t) => {
  const cipher = getCiphers().reduce((one, other) => (other.length > one.length ? other : one));
  const ssl = { version: "TLSv1.3", cipher };
  const header = encodeV2(source6, destination6, { uniqueId: "i".repeat(128), ssl, crc32c: true });
  t.equal(header.length, 190 + 21 + cipher.length);
  t.ok(header.length <= 536);
  const cipherOf = (length: number) => ({ ssl: { version: null, cipher: "c".repeat(length) } });
  const longest = encodeV2(source6, destination6, cipherOf(473));
  t.match(new HeaderDecoder().feed(longest), { kind: "done", used: 536 });
  t.throws(() => encodeV2(source6, destination6, cipherOf(474)));
});

t.test("encodeV2 throws when its caller breaks the bound of the unique id", async (t) => {
  const longest = encodeV2(source6, destination6, { uniqueId: "i".repeat(128), crc32c: true });
  t.equal(longest.length, 190);
  t.throws(() => encodeV2(source4, destination4, { uniqueId: "i".repeat(129) }));
  t.throws(() => encodeV2(source4, destination4, { uniqueId: "é".repeat(65) }));
});

t.test("encodeV1 writes the line of the client's family when given any two endpoints", async (t) => {
  const line = (source: AddressAndPort, destination: AddressAndPort) =>
    encodeV1(source, destination).toString("latin1");
  t.equal(line(source4, destination4), "PROXY TCP4 198.51.100.7 192.0.2.25 40001 2525\r\n");
  t.equal(line(source6, destination6), "PROXY TCP6 2001:db8::7 2001:db8:1::25 40001 10993\r\n");
  t.equal(line(source4, destination6), "PROXY TCP4 198.51.100.7 0.0.0.0 40001 10993\r\n");
  t.equal(line(source6, destination4), "PROXY TCP6 2001:db8::7 ::ffff:192.0.2.25 40001 2525\r\n");
});

t.test("encodeV1 stays within 107 bytes when the addresses are the longest", async (t) => {
  const longest = endpoint("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535);
  t.equal(encodeV1(longest, longest).length, 104);
});

const words = fc.tuple(...Array.from({ length: 4 }, () => fc.nat(0xffffffff)));
const address4 = fc.nat(0xffffffff).map((word) => Address.v4(word));
const address6 = words.map(([a, b, c, d]) => new Address(a!, b!, c!, d!));
const port = fc.nat(65535);
const anyEndpoint = fc.record({ address: fc.oneof(address4, address6), port });
const client = anyEndpoint.filter(({ address }) => address.isClient);
const name = fc.option(fc.stringMatching(/^[A-Za-z0-9_.-]{0,40}$/));
const options: fc.Arbitrary<TlvOptions> = fc.record(
  {
    ssl: fc.option(fc.record({ version: name, cipher: name })),
    uniqueId: fc.oneof(fc.uint8Array({ maxLength: 128 }), fc.string({ maxLength: 128 })),
    crc32c: fc.boolean(),
  },
  { requiredKeys: [] },
);

t.test("HeaderDecoder reads what encodeV2 wrote when the client is any", async () => {
  fc.assert(
    fc.property(client, anyEndpoint, options, (source, destination, options) => {
      const bytes = encodeV2(source, destination, options);
      const step = new HeaderDecoder().feed(bytes);
      if (step.kind !== "done" || step.header.command !== "proxy") return false;
      const lost = source.address.family === 4 && destination.address.family === 6;
      const expected = lost ? Address.v4(0) : destination.address;
      return (
        step.used === bytes.length &&
        step.header.source.address.equals(source.address) &&
        step.header.source.port === source.port &&
        step.header.destination.address.equals(expected) &&
        step.header.destination.port === destination.port
      );
    }),
  );
});

t.test("proxy-protocol-js reads what encodeV2 wrote when there are no TLVs", async (t) => {
  fc.assert(
    fc.property(client, anyEndpoint, (source, destination) => {
      const bytes = encodeV2(source, destination);
      const read = V2ProxyProtocol.parse(bytes);
      t.equal(read.addressFamilyType, source.address.family === 4 ? 0x10 : 0x20);
      // Command PROXY, transport STREAM, and nothing left over.
      t.strictSame([read.command, read.transportProtocol, read.data?.length ?? 0], [1, 1, 0]);
      t.strictSame(Buffer.from(read.build()), bytes);
    }),
    { numRuns: 50 },
  );
});

t.test("proxy-protocol-js reads what encodeV1 wrote when the client is any", async (t) => {
  fc.assert(
    fc.property(client, anyEndpoint, (source, destination) => {
      const read = V1ProxyProtocol.parse(encodeV1(source, destination).toString("latin1"));
      t.equal(read.source.ipAddress, source.address.text);
      t.equal(read.source.port, source.port);
      t.equal(read.destination.port, destination.port);
    }),
    { numRuns: 50 },
  );
});

function endpoint(text: string, port: number): AddressAndPort {
  const address = Address.parse(text);
  if (address === null) throw new RangeError(text);
  return { address, port };
}

function wire(name: string): Buffer {
  const found = good.find((header) => header.name === name);
  if (found === undefined) throw new RangeError(name);
  return found.bytes;
}

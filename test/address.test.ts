/**
 * Addresses against two other implementations: ipaddr.js for what a text means, and URL (whose hosts are written as
 * RFC 5952 has it) for how an IPv6 address is written.
 */
import fc from "fast-check";
import ipaddr from "ipaddr.js";
import t from "tap";
import { Address, endpointText, Network, Networks, parseEndpoint } from "../src/address.ts";

/** Zero groups are common, so that every shape of `::` comes up. */
const group = fc.oneof(fc.constant(0), fc.nat(0xffff), fc.nat(0xff));
const groups = fc.array(group, { minLength: 8, maxLength: 8 });
const text6 = groups.map((groups) => groups.map((group) => group.toString(16)).join(":"));
const text4 = fc.ipV4();
const textMapped = text4.map((text) => `::ffff:${text}`);
const anyText = fc.oneof(text4, text6, fc.ipV6(), textMapped);
const anyAddress = anyText.map(parsed);
/** ipaddr.js takes `::192.0.2.1` for a mapped address; by RFC 4291 2.5.5.1 it is another one. */
const oracleText = anyText.filter((text) => !/^::[\d.]+\.\d+$/.test(text));

t.test("Address.parse reads what ipaddr.js reads when the text is an address", async () => {
  fc.assert(
    fc.property(oracleText, (text) => {
      const { a, b, c, d } = parsed(text);
      const bytes = theirBytes(text);
      const word = (at: number) => Buffer.from(bytes).readUInt32BE(at);
      return a === word(0) && b === word(4) && c === word(8) && d === word(12);
    }),
    { numRuns: 500 },
  );
});

t.test("Address.parse refuses a text when only lenient readers take it", async (t) => {
  const lenient = [
    "010.0.0.1",
    "0x7f.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "192.168.257",
    "fe80::1%eth0",
  ];
  for (const text of lenient) {
    t.ok(ipaddr.isValid(text), `${text}: the oracle takes it`);
    t.equal(Address.parse(text), null, text);
  }
});

t.test("Address.parse refuses a text when it is no address", async (t) => {
  const wrong = [
    "",
    " ",
    "...",
    "1.2.3",
    "1.2.3.4.5",
    "256.0.0.1",
    "1.2.3.4 ",
    " 1.2.3.4",
    "1.2.3.4\n",
    "1.2.3.4/32",
    "-1.2.3.4",
    "1.2.3.4:25",
    ":",
    ":::",
    "1::2::3",
    "12345::",
    "::g",
    "[::1]",
    "::1\n",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "::ffff:256.0.0.1",
    "::ffff:010.0.0.1",
    "::1.2.3",
    "1.2.3.4::",
    "localhost",
    "٣.1.1.1",
  ];
  for (const text of wrong) t.equal(Address.parse(text), null, JSON.stringify(text));
});

t.test("Address.parse gives the same address when it is given its own text", async () => {
  fc.assert(
    fc.property(anyAddress, (address) => {
      const again = parsed(address.text);
      return again.equals(address) && again.text === address.text;
    }),
  );
});

t.test("Address.text is as RFC 5952 has it when the address is IPv6", async (t) => {
  fc.assert(
    fc.property(fc.oneof(text6, fc.ipV6()), (text) => {
      const address = parsed(text);
      return address.family === 4 || `[${address.text}]` === new URL(`http://[${text}]/`).hostname;
    }),
    { numRuns: 500 },
  );
  const written = {
    "2001:DB8:0:0:0:0:0:1": "2001:db8::1",
    "2001:db8:0:1:1:1:1:1": "2001:db8:0:1:1:1:1:1",
    "0:0:1:0:0:2:3:4": "::1:0:0:2:3:4",
    "1:0:0:2:0:0:0:3": "1:0:0:2::3",
    "1:2:3:4:5:6:0:0": "1:2:3:4:5:6::",
    "0:0:0:0:0:0:0:0": "::",
    "::0102:0304": "::102:304",
  };
  for (const [text, canonical] of Object.entries(written)) t.equal(parsed(text).text, canonical);
});

t.test("Address is the IPv4 address when it was written as a mapped one", async (t) => {
  fc.assert(
    fc.property(text4, (text) => {
      const [plain, mapped] = [parsed(text), parsed(`::ffff:${text}`)];
      return mapped.equals(plain) && mapped.family === 4 && mapped.text === text;
    }),
  );
  t.equal(parsed("::FFFF:c000:0201").text, "192.0.2.1");
  t.equal(parsed("0:0:0:0:0:ffff:192.0.2.1").text, "192.0.2.1");
  t.equal(parsed("::fffe:c000:201").family, 6);
  t.equal(parsed("1::ffff:192.0.2.1").family, 6);
  t.equal(parsed("::192.0.2.1").family, 6);
});

t.test("Network.contains agrees with ipaddr.js when the families are the same", async () => {
  const anyPair = fc.oneof(fc.tuple(text4, text4), fc.tuple(text6, text6));
  fc.assert(
    fc.property(anyPair, fc.nat(128), fc.nat(128), ([base, other], long, flipped) => {
      const bits = base.includes(":") ? 128 : 32;
      const length = long % (bits + 1);
      const network = parsedNetwork(`${base}/${length}`);
      // A random address is seldom near: one that differs in a single bit is what finds a wrong mask.
      const near = withBitFlipped(base, flipped % bits);
      return [base, other, near].every(
        (text) => network.contains(parsed(text)) === theirMatch(text, base, length),
      );
    }),
    { numRuns: 1000 },
  );
});

t.test("Address.prefix keeps the family and its first bits when the length is any", async () => {
  fc.assert(
    fc.property(anyAddress, fc.nat(128), (address, long) => {
      const bits = address.family === 4 ? 32 : 128;
      const length = long % (bits + 1);
      const prefix = address.prefix(length);
      const family = address.family === 4 ? ipaddr.IPv4 : ipaddr.IPv6;
      const first = family.networkAddressFromCIDR(`${address.text}/${length}`).toString();
      return prefix.equals(parsed(first)) && prefix.prefix(length).equals(prefix);
    }),
  );
});

t.test("Network.parse refuses a text when it is no network", async (t) => {
  const wrong = [
    "",
    "/8",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "10/8",
    "::/129",
    "10.0.0.0/ 8",
  ];
  for (const text of [...wrong, "10.0.0.0/8\n", "10.0.0.0/0x8", "fe80::%eth0/64", "::ffff:10.0.0.0/95"]) {
    t.equal(Network.parse(text), null, JSON.stringify(text));
  }
});

t.test(
  "Network.parse takes the address's own bits when the length is that of a mapped network",
  async (t) => {
    const mapped = parsedNetwork("::ffff:10.0.0.0/104");
    t.equal(mapped.length, 8);
    t.ok(mapped.contains(parsed("10.255.0.1")));
    t.notOk(mapped.contains(parsed("11.0.0.1")));
    t.ok(parsedNetwork("::ffff:0.0.0.0/96").contains(parsed("203.0.113.7")));
    t.equal(parsedNetwork("::ffff:192.0.2.1").length, 32);
  },
);

t.test("Network.contains is false when the families differ", async (t) => {
  t.notOk(parsedNetwork("::/0").contains(parsed("192.0.2.1")));
  t.notOk(parsedNetwork("0.0.0.0/0").contains(parsed("2001:db8::1")));
  t.ok(parsedNetwork("0.0.0.0/0").contains(parsed("::ffff:192.0.2.1")));
});

t.test("Networks.contains is true when any of them contains the address", async (t) => {
  const networks = new Networks(["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]);
  for (const text of ["10.1.2.3", "2001:db8:ffff::", "192.0.2.7"])
    t.ok(networks.contains(parsed(text)), text);
  for (const text of ["11.0.0.0", "2001:db9::", "192.0.2.8"]) t.notOk(networks.contains(parsed(text)), text);
  t.notOk(new Networks([]).contains(parsed("10.0.0.1")));
  t.throws(() => new Networks(["10.0.0.0/99"]), RangeError);
});

t.test("Networks.overlaps is true when one of them and the network have an address in common", async (t) => {
  const networks = new Networks(["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]);
  for (const text of [
    "10.1.0.0/16",
    "10.0.0.0/8",
    "0.0.0.0/0",
    "192.0.2.0/24",
    "192.0.2.7",
    "::/0",
    "2001:db8::1",
  ]) {
    t.ok(networks.overlaps(parsedNetwork(text)), text);
  }
  for (const text of ["11.0.0.0/8", "192.0.2.8/29", "192.0.2.6", "2001:db9::/32", "::/16", "8.0.0.0/7"]) {
    t.notOk(networks.overlaps(parsedNetwork(text)), text);
  }
});

t.test("Network.isSingle is true when the network is one address", async (t) => {
  for (const text of ["192.0.2.7", "192.0.2.7/32", "::ffff:192.0.2.7/128", "2001:db8::1/128"]) {
    t.ok(parsedNetwork(text).isSingle, text);
  }
  for (const text of ["192.0.2.7/31", "2001:db8::/32", "2001:db8::/127"])
    t.notOk(parsedNetwork(text).isSingle, text);
});

t.test("Address.isClient agrees with the ranges of ipaddr.js when the address is any", async () => {
  const never = new Set(["unspecified", "broadcast", "multicast", "loopback"]);
  const first = fc.constantFrom(0, 10, 126, 127, 128, 223, 224, 239, 240, 255);
  const edge4 = fc
    .tuple(first, fc.constantFrom("0.0.0", "0.0.1", "255.255.255"))
    .map((parts) => parts.join("."));
  const edge6 = fc.constantFrom(
    "::",
    "::1",
    "::2",
    "ff00::",
    "ff02::1",
    "feff::",
    "fe80::1",
    "fc00::1",
    "::1:0:0",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        oracleText,
        edge4,
        edge6,
        edge4.map((text) => `::ffff:${text}`),
      ),
      (text) => {
        return parsed(text).isClient === !never.has(ipaddr.process(text).range());
      },
    ),
    { numRuns: 1000 },
  );
});

t.test("Address.isLoopback is true when the address is 127.0.0.0/8 or ::1", async (t) => {
  for (const text of ["127.0.0.1", "127.255.255.255", "::ffff:127.0.0.1", "::1"])
    t.ok(parsed(text).isLoopback, text);
  for (const text of ["126.255.255.255", "128.0.0.0", "::", "::2", "1::1"])
    t.notOk(parsed(text).isLoopback, text);
});

t.test("parseEndpoint gives back what endpointText wrote when the address is any", async () => {
  fc.assert(
    fc.property(anyAddress, fc.nat(65535), (address, port) => {
      const endpoint = { host: address.text, port };
      const again = parseEndpoint(endpointText(endpoint));
      return again?.host === endpoint.host && again.port === port;
    }),
  );
});

t.test("parseEndpoint refuses a text when it is no endpoint", async (t) => {
  const wrong = [
    "",
    ":25",
    "192.0.2.1",
    "192.0.2.1:",
    "192.0.2.1:65536",
    "192.0.2.1:-1",
    "192.0.2.1:2 5",
    "192.0.2.1:25\n",
    "[192.0.2.1]:25",
    "2001:db8::1:25",
    "[2001:db8::1]",
    "[2001:db8::1]25",
    "[fe80::1%eth0]:25",
    "[::1]:25]",
    "localhost:25",
    "010.0.0.1:25",
    "192.0.2.1:0x19",
    "192.0.2.1:000025",
    "*:25",
  ];
  for (const text of wrong) t.equal(parseEndpoint(text), null, JSON.stringify(text));
  t.strictSame(parseEndpoint("[::]:0"), { host: "::", port: 0 });
  t.strictSame(parseEndpoint("0.0.0.0:65535"), { host: "0.0.0.0", port: 65535 });
});

function parsed(text: string): Address {
  const address = Address.parse(text);
  if (address === null) throw new RangeError(text);
  return address;
}

function parsedNetwork(text: string): Network {
  const network = Network.parse(text);
  if (network === null) throw new RangeError(text);
  return network;
}

/** Sixteen bytes, an IPv4 address among them mapped. */
function theirBytes(text: string): number[] {
  const address = ipaddr.parse(text);
  return (address instanceof ipaddr.IPv4 ? address.toIPv4MappedAddress() : address).toByteArray();
}

function theirMatch(text: string, base: string, length: number): boolean {
  const [address, network] = [ipaddr.parse(text), ipaddr.parse(base)];
  return address.match(network, length);
}

function withBitFlipped(text: string, bit: number): string {
  const bytes = ipaddr.parse(text).toByteArray();
  bytes[bit >> 3]! ^= 0x80 >> (bit & 7);
  return ipaddr.fromByteArray(bytes).toString();
}

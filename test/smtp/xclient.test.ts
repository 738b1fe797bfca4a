/** The XCLIENT line to the byte. */
import t from "tap";
import { Address } from "../../src/address.ts";
import type { Introduction } from "../../src/dialogue.ts";
import { xclientLine, xtext } from "../../src/smtp/xclient.ts";

const all = new Set("NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT".split(" "));

t.test("xclientLine writes an IPv6 address with its prefix, and IPv4 when it is mapped", async (t) => {
  for (const [client, value] of [
    ["203.0.113.7", "203.0.113.7"],
    ["2001:DB8::7", "IPV6:2001:db8::7"],
    ["::ffff:203.0.113.9", "203.0.113.9"],
  ] as const) {
    t.equal(
      xclientLine(introduction(client, "2001:db8::25"), all),
      `XCLIENT NAME=[UNAVAILABLE] PORT=40123 DESTADDR=IPV6:2001:db8::25 DESTPORT=25 ADDR=${value}\r\n`,
    );
  }
});

t.test("xclientLine uses only what is offered when that is less", async (t) => {
  const line = xclientLine(introduction("203.0.113.7", "192.0.2.25"), new Set(["ADDR", "PORT"]));
  t.equal(line, "XCLIENT PORT=40123 ADDR=203.0.113.7\r\n");
});

t.test("xclientLine stays below 512 bytes when everything is as long as can be", async (t) => {
  const long = "1111:2222:3333:4444:5555:6666:7777:8888";
  t.ok(xclientLine(introduction(long, long), all).length < 512);
});

t.test("xtext leaves only what may stand in a value when it is given anything", async (t) => {
  t.equal(xtext("IPV6:2001:db8::7"), "IPV6:2001:db8::7");
  t.equal(xtext("[UNAVAILABLE]"), "[UNAVAILABLE]");
  t.equal(xtext("a+b=c d\r\n\x7f\xe9"), "a+2Bb+3Dc+20d+0D+0A+7F+C3+A9");
});

function introduction(client: string, destination: string): Introduction {
  return {
    client: { address: address(client), port: 40123 },
    destination: { address: address(destination), port: 25 },
    sessionId: "s1",
    tls: null,
  };
}

function address(text: string): Address {
  const address = Address.parse(text);
  if (address === null) throw new RangeError(text);
  return address;
}

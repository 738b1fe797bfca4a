/** The XCLIENT exchange against transcripts of Postfix, and against servers that do otherwise. */
import fc from "fast-check";
import t from "tap";
import { Address } from "../../src/address.ts";
import type { Introduction, IntroductionStep } from "../../src/dialogue.ts";
import { bytesOf, textOf } from "../../src/lines.ts";
import { Xclient, xtext } from "../../src/smtp/xclient.ts";
import { anyCuts, pieces } from "../cuts.ts";

const greeting = "220 mail.example.test ESMTP\r\n";
const attributes = "NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT";
const hello = `250-mail.example.test\r\n250-PIPELINING\r\n250-XCLIENT ${attributes}\r\n250 CHUNKING\r\n`;
const sentHello = "EHLO gw.example.test\r\n";
const sentXclient =
  "XCLIENT NAME=[UNAVAILABLE] PORT=40123 DESTADDR=192.0.2.25 DESTPORT=25 ADDR=203.0.113.7\r\n";

t.test("Xclient names the client when the server takes it", async (t) => {
  const xclient = introducer();
  t.equal(fed(xclient, greeting), `more ${sentHello}`);
  t.equal(fed(xclient, hello), `more ${sentXclient}`);
  t.equal(
    fed(xclient, "220-again\r\n220 mail\r\n250 early\r\n"),
    "done 220-again\r\n220 mail\r\n250 early\r\n",
  );
});

t.test("Xclient writes an IPv6 address with its prefix, and IPv4 when it is mapped", async (t) => {
  for (const [client, value] of [
    ["2001:DB8::7", "IPV6:2001:db8::7"],
    ["::ffff:203.0.113.9", "203.0.113.9"],
  ] as const) {
    const xclient = introducer(introduction(client, "2001:db8::25"));
    fed(xclient, greeting);
    t.equal(
      fed(xclient, hello),
      `more XCLIENT NAME=[UNAVAILABLE] PORT=40123 DESTADDR=IPV6:2001:db8::25 DESTPORT=25 ADDR=${value}\r\n`,
    );
  }
});

t.test("Xclient stays below 512 bytes when everything is as long as can be", async (t) => {
  const long = "1111:2222:3333:4444:5555:6666:7777:8888";
  const xclient = introducer(introduction(long, long));
  fed(xclient, greeting);
  t.ok(fed(xclient, hello).length < 512);
});

t.test("Xclient uses only what is advertised, in whatever case, when that is less", async (t) => {
  const xclient = introducer();
  fed(xclient, greeting);
  t.equal(fed(xclient, "250-h\r\n250 xclient Addr port\r\n"), "more XCLIENT PORT=40123 ADDR=203.0.113.7\r\n");
});

t.test("Xclient passes the server's own refusal on when it does not want the client", async (t) => {
  const full = "421-4.7.0 too many\r\n421 4.7.0 connections from 203.0.113.7\r\n";
  t.equal(fed(introducer(), full), `declined ${full}`);
  t.equal(fed(introducer(), "554 5.7.1 no\r\n"), "declined 554 5.7.1 no\r\n");
  const xclient = introducer();
  fed(xclient, greeting);
  fed(xclient, hello);
  t.equal(fed(xclient, full), `declined ${full}`);
  t.equal(fed(xclient, greeting), `declined ${full}`, "final");
});

t.test("Xclient is refused when the server does not do as it must", async (t) => {
  for (const [name, replies, detail] of [
    ["no XCLIENT", [greeting, "250-h\r\n250-XCLIENTS ADDR\r\n250 SIZE\r\n"], "XCLIENT not offered"],
    ["a host of that name", [greeting, "250 XCLIENT ADDR\r\n"], "XCLIENT not offered"],
    ["no ADDR", [greeting, "250-h\r\n250 XCLIENT NAME PORT\r\n"], "XCLIENT not offered"],
    ["EHLO refused", [greeting, "502 5.5.1 no\r\n"], "EHLO refused"],
    ["not authorised", [greeting, hello, "550 5.7.0 no\r\n"], "XCLIENT refused"],
    ["250 for 220", [greeting, hello, "250 2.0.0 Ok\r\n"], "XCLIENT refused"],
    ["no SMTP", ["* OK IMAP\r\n"], "malformed SMTP reply"],
    ["no SMTP later", [greeting, hello, "220 a\n"], "malformed SMTP reply"],
    ["talks on", [`${greeting}250`], "bytes behind the greeting"],
    ["talks on later", [greeting, `${hello}2`], "bytes behind the EHLO reply"],
  ] as const) {
    const xclient = introducer();
    const steps = replies.map((reply) => fed(xclient, reply));
    t.equal(steps.at(-1), `refused ${detail}`, name);
    t.equal(fed(xclient, greeting), `refused ${detail}`, `${name}: final`);
  }
});

t.test("Xclient does the same when the server's bytes come in any cuts", async () => {
  const xclientReply = fc.constantFrom(
    "220 a\r\nrest",
    "220-a\r\n220 b\r\n",
    "421 no\r\n",
    "550 no\r\n",
    "?\r\n",
  );
  fc.assert(
    fc.property(
      fc.constantFrom(hello, "250 h\r\n", "500 ?\r\n"),
      xclientReply,
      anyCuts,
      (second, third, cuts) => {
        const whole = introducer();
        const cut = introducer();
        for (const reply of [`220-wait\r\n${greeting}`, second, third]) {
          const expected = fed(whole, reply);
          let sent = "";
          let end = "";
          for (const piece of pieces(bytesOf(reply), cuts)) {
            if (end !== "") {
              if (end.startsWith("done")) end += textOf(piece);
              continue;
            }
            const step = described(cut.feed(piece));
            if (step.startsWith("more ")) sent += step.slice(5);
            else end = step;
          }
          if (expected !== (end === "" ? `more ${sent}` : end)) return false;
          if (end !== "") return true;
        }
        return false;
      },
    ),
  );
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
  };
}

function address(text: string): Address {
  const address = Address.parse(text);
  if (address === null) throw new RangeError(text);
  return address;
}

function introducer(who = introduction("203.0.113.7", "192.0.2.25")): Xclient {
  return new Xclient("gw.example.test", who);
}

function fed(xclient: Xclient, text: string): string {
  return described(xclient.feed(bytesOf(text)));
}

function described(step: IntroductionStep): string {
  switch (step.kind) {
    case "more":
      return `more ${textOf(step.send)}`;
    case "done":
      return `done ${textOf(step.greeting)}`;
    case "declined":
      return `declined ${textOf(step.reply)}`;
    case "refused":
      return `refused ${step.detail}`;
    default:
      return step satisfies never;
  }
}

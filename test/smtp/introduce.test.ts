/** What is settled with an SMTP server ahead of the session, against transcripts of Postfix and servers that do otherwise. */
import fc from "fast-check";
import t from "tap";
import { Address } from "../../src/address.ts";
import type { Agenda, IntroductionStep } from "../../src/dialogue.ts";
import { bytesOf, textOf } from "../../src/lines.ts";
import { SmtpIntroducer } from "../../src/smtp/introduce.ts";
import { anyCuts, pieces, singly } from "../cuts.ts";

const naming: Agenda = { startsTls: false, names: true };
const securing: Agenda = { startsTls: true, names: false };
const both: Agenda = { startsTls: true, names: true };

const greeting = "220 mail.example.test ESMTP\r\n";
/** A postscreen's: the first line comes some seconds before the other. */
const paused = "220-mail.example.test ESMTP\r\n220 mail.example.test ESMTP\r\n";
const attributes = "NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT";
const hello = `250-mail.example.test\r\n250-PIPELINING\r\n250-XCLIENT ${attributes}\r\n250 CHUNKING\r\n`;
const offer = "250-mail.example.test\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 CHUNKING\r\n";
const ready = "220 2.0.0 Ready to start TLS\r\n";

const sentHello = "more EHLO gw.example.test\r\n";
const sentStartTls = "more STARTTLS\r\n";
const sentXclient =
  "more XCLIENT NAME=[UNAVAILABLE] PORT=40123 DESTADDR=192.0.2.25 DESTPORT=25 ADDR=203.0.113.7\r\n";

t.test("SmtpIntroducer names the client when the server takes it", async (t) => {
  const fresh = "220-again\r\n220 mail\r\n";
  t.strictSame(steps(naming, [greeting, hello, `${fresh}250 early\r\n`]), [
    sentHello,
    sentXclient,
    `done ${fresh}250 early\r\n`,
  ]);
});

t.test("SmtpIntroducer begins TLS and keeps the greeting when nobody is to be named", async (t) => {
  t.strictSame(steps(securing, [paused, offer, ready]), [
    sentHello,
    sentStartTls,
    `secure, then done ${paused}`,
  ]);
});

t.test("SmtpIntroducer asks anew inside TLS when the client is to be named as well", async (t) => {
  t.strictSame(steps(both, [paused, offer, ready, hello, greeting]), [
    sentHello,
    sentStartTls,
    `secure, then ${sentHello}`,
    sentXclient,
    `done ${greeting}`,
  ]);
});

t.test("SmtpIntroducer believes no offer but the last when TLS has begun since", async (t) => {
  const everything = offer.replace("PIPELINING", `XCLIENT ${attributes}`);
  const last = steps(both, [greeting, everything, ready, "250-h\r\n250 SIZE\r\n"]).at(-1);
  t.equal(last, "refused identity-refused: XCLIENT not offered");
});

t.test("SmtpIntroducer says nothing when a greeting pauses between its lines", async (t) => {
  const introducer = make(both);
  t.equal(fed(introducer, "220-mail.example.test ESMTP\r\n"), "more ");
  t.equal(fed(introducer, "220 mail.example.test ESMTP\r"), "more ");
  t.equal(fed(introducer, "\n"), sentHello);
});

t.test("SmtpIntroducer reads offers in whatever case they are made", async (t) => {
  t.equal(
    steps(naming, [greeting, "250-h\r\n250 xclient Addr port\r\n"]).at(-1),
    "more XCLIENT PORT=40123 ADDR=203.0.113.7\r\n",
  );
  t.equal(steps(securing, [greeting, "250-h\r\n250 StartTls\r\n"]).at(-1), sentStartTls);
});

t.test("SmtpIntroducer passes the server's own refusal on when it does not want the client", async (t) => {
  const full = "421-4.7.0 too many\r\n421 4.7.0 connections from 203.0.113.7\r\n";
  for (const agenda of [naming, securing, both]) {
    t.strictSame(steps(agenda, [full]), [`unwilling ${full}`]);
    t.strictSame(steps(agenda, ["554 5.7.1 no\r\n"]), ["averse 554 5.7.1 no\r\n"]);
    t.strictSame(steps(agenda, ["250 what\r\n"]), ["declined 250 what\r\n"]);
  }
  const introducer = make(naming);
  for (const reply of [greeting, hello, full]) fed(introducer, reply);
  t.equal(fed(introducer, greeting), `declined ${full}`, "final");
});

t.test("SmtpIntroducer refuses when the server does not do as it must", async (t) => {
  const identity = (detail: string) => `refused identity-refused: ${detail}`;
  const server = (detail: string) => `refused upstream-unavailable: ${detail}`;
  const injection = "refused response-injection: bytes behind the reply to STARTTLS";
  const secured = [greeting, offer, ready];
  for (const [name, agenda, replies, refusal] of [
    ["no XCLIENT", naming, [greeting, "250-h\r\n250 XCLIENTS ADDR\r\n"], identity("XCLIENT not offered")],
    ["a host of that name", naming, [greeting, "250 XCLIENT ADDR\r\n"], identity("XCLIENT not offered")],
    ["no ADDR", naming, [greeting, "250-h\r\n250 XCLIENT PORT\r\n"], identity("XCLIENT not offered")],
    ["EHLO refused", naming, [greeting, "502 5.5.1 no\r\n"], identity("EHLO refused")],
    ["not authorised", naming, [greeting, hello, "550 5.7.0 no\r\n"], identity("XCLIENT refused")],
    ["250 for 220", naming, [greeting, hello, "250 2.0.0 Ok\r\n"], identity("XCLIENT refused")],
    ["no SMTP", naming, ["* OK IMAP\r\n"], identity("malformed SMTP reply")],
    ["no SMTP later", naming, [greeting, hello, "220 a\n"], identity("malformed SMTP reply")],
    ["talks on", naming, [`${greeting}250`], identity("bytes behind the greeting")],
    ["talks on later", naming, [greeting, `${hello}2`], identity("bytes behind the EHLO reply")],
    ["no STARTTLS", securing, [greeting, hello], server("STARTTLS not offered")],
    ["a host STARTTLS", securing, [greeting, "250 STARTTLS\r\n"], server("STARTTLS not offered")],
    ["half the word", securing, [greeting, "250-h\r\n250 STARTTL\r\n"], server("STARTTLS not offered")],
    ["refused", securing, [greeting, offer, "454 4.7.0 no\r\n"], server("STARTTLS refused")],
    ["250 for TLS", both, [greeting, offer, "250 2.0.0 Ok\r\n"], server("STARTTLS refused")],
    ["no EHLO, no TLS", both, [greeting, "500 5.5.1 no\r\n"], server("EHLO refused")],
    ["talks out of turn", securing, [greeting, `${offer}220 `], server("bytes behind the EHLO reply")],
    ["a word behind 220", securing, [greeting, offer, `${ready}250 x\r\n`], injection],
    ["a byte behind 220", both, [greeting, offer, `${ready}\x16`], injection],
    ["no EHLO in TLS", both, [...secured, "502 no\r\n"], identity("EHLO refused")],
    ["no XCLIENT in TLS", both, [...secured, offer], identity("XCLIENT not offered")],
    ["not authorised in TLS", both, [...secured, hello, "550 no\r\n"], identity("XCLIENT refused")],
  ] as const) {
    const introducer = make(agenda);
    const found = replies.map((reply) => fed(introducer, reply));
    t.equal(found.at(-1), refusal, name);
    t.notOk(
      found.slice(0, -1).some((step) => step.startsWith("refused")),
      `${name}: not earlier`,
    );
    t.equal(fed(introducer, greeting), refusal, `${name}: final`);
  }
});

t.test("SmtpIntroducer does the same when the server's bytes come in any cuts", async (t) => {
  const scripts: [Agenda, readonly string[]][] = [
    [naming, [paused, hello, `${paused}surplus`]],
    [naming, [greeting, hello, "421 no\r\n"]],
    [naming, [greeting, offer]],
    [securing, [paused, offer, ready]],
    [securing, [paused, hello]],
    [both, [paused, offer, ready, hello, `${greeting}surplus`]],
    [both, [greeting, offer, ready, hello, "550 no\r\n"]],
    [both, [greeting, offer, ready, "?\r\n"]],
  ];
  for (const [agenda, script] of scripts) {
    const whole = steps(agenda, script);
    t.strictSame(stepsCut(agenda, script, singly), whole, "byte by byte");
    fc.assert(
      fc.property(anyCuts, (cuts) => {
        t.strictSame(
          stepsCut(agenda, script, () => cuts),
          whole,
        );
      }),
      { numRuns: 30 },
    );
  }
});

function make(agenda: Agenda): SmtpIntroducer {
  const client = { address: Address.v4(0xcb007107), port: 40123 };
  const destination = { address: Address.v4(0xc0000219), port: 25 };
  return new SmtpIntroducer("gw.example.test", { client, destination, sessionId: "s1", tls: null }, agenda);
}

/** What comes of each of the server's turns. */
function steps(agenda: Agenda, turns: readonly string[]): string[] {
  const introducer = make(agenda);
  return turns.map((turn) => fed(introducer, turn));
}

/** The same with each turn in pieces; what comes behind the end of the exchange is added to it, as the session does it. */
function stepsCut(
  agenda: Agenda,
  turns: readonly string[],
  cutsOf: (bytes: Uint8Array) => readonly number[],
): string[] {
  const introducer = make(agenda);
  return turns.map((turn) => {
    let step = "more ";
    for (const piece of pieces(bytesOf(turn), cutsOf(bytesOf(turn)))) {
      if (step.startsWith("done ")) step += textOf(piece);
      else if (step === "more ") step = described(introducer.feed(piece));
      else if (piece.length > 0) throw new Error(`bytes behind: ${step}`);
    }
    return step;
  });
}

function fed(introducer: SmtpIntroducer, text: string): string {
  return described(introducer.feed(bytesOf(text)));
}

function described(step: IntroductionStep): string {
  switch (step.kind) {
    case "more":
      return `more ${textOf(step.send)}`;
    case "secure":
      return `secure, then ${described(step.next)}`;
    case "done":
      return `done ${textOf(step.greeting)}`;
    case "unwilling":
    case "averse":
    case "declined":
      return `${step.kind} ${textOf(step.reply)}`;
    case "refused":
      return `refused ${step.reason}: ${step.detail}`;
    default:
      return step satisfies never;
  }
}

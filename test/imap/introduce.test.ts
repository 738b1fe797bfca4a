/** The exchange ahead of the client, against transcripts of Dovecot and servers that do otherwise. */
import fc from "fast-check";
import t from "tap";
import { Address } from "../../src/address.ts";
import type { Agenda, IntroductionStep } from "../../src/dialogue.ts";
import { identityLine } from "../../src/imap/id.ts";
import { ImapIntroducer } from "../../src/imap/introduce.ts";
import { bytesOf, textOf } from "../../src/lines.ts";
import { anyCuts, pieces, singly } from "../cuts.ts";

const naming: Agenda = { startsTls: false, names: true };
const securing: Agenda = { startsTls: true, names: false };
const both: Agenda = { startsTls: true, names: true };

const introduction = {
  client: { address: Address.v4(0xcb007107), port: 40123 },
  destination: { address: Address.v4(0xc0000201), port: 993 },
  sessionId: "s-1",
  tls: null,
};

const greeting = "* OK [CAPABILITY IMAP4rev1 SASL-IR ID STARTTLS LOGINDISABLED] Dovecot ready.\r\n";
const secured = "* OK [CAPABILITY IMAP4rev1 id IDLE] Dovecot ready.\r\n";
const bare = "* OK hello\r\n";
const answer = '* ID ("name" "Dovecot")\r\npostern2 OK ID completed.\r\n';
const list = "* CAPABILITY IMAP4rev1 id IDLE\r\npostern1 OK listed\r\n";
const ready = "postern0 OK Begin TLS negotiation now.\r\n";

const asked = "more postern1 CAPABILITY\r\n";
const sentStartTls = "more postern0 STARTTLS\r\n";
const sentId = `more ${identityLine("postern2", introduction)}`;

t.test("ImapIntroducer names the client when the greeting lists ID", async (t) => {
  t.strictSame(
    steps(naming, [
      greeting,
      '* ID ("name" {7}\r\nDovecot)\r\n* OK still here\r\n',
      "postern2 OK done\r\n* BYE early",
    ]),
    [sentId, "more ", `done ${greeting}* BYE early`],
  );
});

t.test("ImapIntroducer asks for the capabilities when the greeting does not list ID", async (t) => {
  for (const hello of [bare, "* OK [CAPABILITY IMAP4rev1 IDLE] hello\r\n", "* OK [ALERT] ID\r\n"])
    t.strictSame(steps(naming, [hello, list, answer]), [asked, sentId, `done ${hello}`]);
});

t.test("ImapIntroducer shows the capabilities of TLS when it has begun that", async (t) => {
  t.strictSame(steps(securing, [greeting, `* OK wait\r\n${ready}`, list]), [
    sentStartTls,
    `secure, then ${asked}`,
    `done ${secured}`,
  ]);
  t.strictSame(steps(both, [greeting, ready, list, answer]), [
    sentStartTls,
    `secure, then ${asked}`,
    sentId,
    `done ${secured}`,
  ]);
  t.equal(steps(securing, [bare, ready, list]).at(-1), `done ${bare}`, "where none were shown, none are");
  const odd = list.replace("IDLE", () => "$& $1");
  t.equal(steps(securing, [greeting, ready, odd]).at(-1), `done ${secured.replace("IDLE", () => "$& $1")}`);
});

t.test("ImapIntroducer believes no offer but the last when TLS has begun since", async (t) => {
  const refusal = "refused identity-refused: ID not offered";
  t.equal(steps(both, [greeting, ready, list.replace("id ", "")]).at(-1), refusal);
  t.equal(steps(both, [greeting, ready, "postern1 OK x\r\n"]).at(-1), refusal);
});

t.test("ImapIntroducer passes the server's own refusal on when it does not want the client", async (t) => {
  const bye = "* BYE [ALERT] Full\r\n";
  for (const agenda of [naming, securing, both]) {
    const introducer = new ImapIntroducer(introduction, agenda);
    t.equal(fed(introducer, bye), `unwilling ${bye}`);
    t.equal(fed(introducer, greeting), `unwilling ${bye}`, "final");
  }
});

t.test("ImapIntroducer refuses when the server does not do as it must", async (t) => {
  const identity = (detail: string) => `refused identity-refused: ${detail}`;
  const server = (detail: string) => `refused upstream-unavailable: ${detail}`;
  const injection = "refused response-injection: bytes behind the reply to STARTTLS";
  for (const [name, agenda, responses, refusal] of [
    ["PREAUTH", naming, ["* PREAUTH hello\r\n"], identity("greeting is not OK")],
    ["PREAUTH ahead of TLS", both, ["* PREAUTH hello\r\n"], server("greeting is not OK")],
    ["no IMAP", naming, ["220 mx ESMTP\r\n"], identity("greeting is not OK")],
    ["no ID", naming, [bare, "* CAPABILITY IDLE X-ID\r\npostern1 OK x\r\n"], identity("ID not offered")],
    ["no list", naming, [bare, "postern1 OK x\r\n"], identity("ID not offered")],
    ["no to the list", naming, [bare, "* CAPABILITY ID\r\npostern1 NO x\r\n"], identity("ID not offered")],
    ["bye to the list", naming, [bare, "* BYE x\r\n"], identity("ID not offered")],
    ["NO", naming, [greeting, "postern2 NO x\r\n"], identity("ID refused")],
    ["BAD", naming, [greeting, "postern2 BAD x\r\n"], identity("ID refused")],
    ["BYE", naming, [greeting, "* BYE x\r\n"], identity("ID refused")],
    ["talks on", naming, [`${greeting}* `], identity("bytes behind a response")],
    ["answers unasked", naming, [`${greeting}${answer}`], identity("bytes behind a response")],
    ["overlong", naming, [`* OK ${"x".repeat(9000)}`], identity("overlong IMAP response")],
    ["talks ahead of TLS", securing, [`${greeting}p`], server("bytes behind a response")],
    ["NO to TLS", securing, [greeting, "postern0 NO x\r\n"], server("STARTTLS refused")],
    ["BAD to TLS", both, [greeting, "postern0 BAD x\r\n"], server("STARTTLS refused")],
    ["BYE to TLS", both, [greeting, "* BYE x\r\n"], server("STARTTLS refused")],
    ["a word behind OK", securing, [greeting, `${ready}* OK x\r\n`], injection],
    ["a byte behind OK", both, [greeting, `${ready}\x16`], injection],
    [
      "no list in TLS",
      securing,
      [greeting, ready, "postern1 NO x\r\n"],
      server("no capabilities inside TLS"),
    ],
    ["NO in TLS", both, [greeting, ready, list, "postern2 NO x\r\n"], identity("ID refused")],
  ] as const) {
    const introducer = new ImapIntroducer(introduction, agenda);
    const found = responses.map((response) => fed(introducer, response));
    t.equal(found.at(-1), refusal, name);
    t.notOk(
      found.slice(0, -1).some((step) => step.startsWith("refused")),
      `${name}: not earlier`,
    );
    t.equal(fed(introducer, answer), refusal, `${name}: final`);
  }
});

t.test("ImapIntroducer waits when others than its own commands are completed", async (t) => {
  t.equal(steps(naming, [greeting, "postern1 OK x\r\npostern22 OK y\r\n+ go\r\n"]).at(-1), "more ");
});

t.test("ImapIntroducer does the same when the server's bytes come in any cuts", async (t) => {
  const scripts: [Agenda, readonly string[]][] = [
    [naming, [greeting, `${answer}surplus`]],
    [naming, [bare, list, answer]],
    [naming, [bare, list, "postern2 NO\r\n"]],
    [naming, ["* BYE x\r\n"]],
    [securing, [greeting, ready, list]],
    [both, [greeting, ready, list, `${answer}surplus`]],
    [both, [greeting, "postern0 NO\r\n"]],
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

/** What comes of each of the server's turns. */
function steps(agenda: Agenda, turns: readonly string[]): string[] {
  const introducer = new ImapIntroducer(introduction, agenda);
  return turns.map((turn) => fed(introducer, turn));
}

/** The same with each turn in pieces; what comes behind the end of the exchange is added to it, as the session does it. */
function stepsCut(
  agenda: Agenda,
  turns: readonly string[],
  cutsOf: (bytes: Uint8Array) => readonly number[],
): string[] {
  const introducer = new ImapIntroducer(introduction, agenda);
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

function fed(introducer: ImapIntroducer, text: string): string {
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

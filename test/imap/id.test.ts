/** Our ID against transcripts of Dovecot and servers that do otherwise, and what is left of the client's. */
import fc from "fast-check";
import t from "tap";
import { Address } from "../../src/address.ts";
import type { IntroductionStep } from "../../src/dialogue.ts";
import { Id, withoutIdentity } from "../../src/imap/id.ts";
import { bytesOf, textOf } from "../../src/lines.ts";
import { anyCuts, pieces } from "../cuts.ts";

const greeting = "* OK [CAPABILITY IMAP4rev1 SASL-IR ID ENABLE LITERAL+ AUTH=PLAIN] Dovecot ready.\r\n";
const bare = "* OK hello\r\n";
const answer = '* ID ("name" "Dovecot")\r\npostern2 OK ID completed.\r\n';
const list = "* CAPABILITY IMAP4rev1 id IDLE\r\npostern1 OK listed\r\n";
const sentId =
  'postern2 ID ("x-originating-ip" "2001:db8::7" "x-originating-port" "40123" "x-connected-ip" "192.0.2.1" ' +
  '"x-connected-port" "993" "x-session-id" "s-1")\r\n';

t.test("Id names the client when the greeting lists ID", async (t) => {
  const id = introducer();
  t.equal(fed(id, greeting), `more ${sentId}`);
  t.equal(fed(id, '* ID ("name" {7}\r\nDovecot)\r\n* OK still here\r\n'), "more ");
  t.equal(fed(id, "postern2 OK done\r\n* BYE early"), `done ${greeting}* BYE early`);
});

t.test("Id asks for the capabilities when the greeting does not list ID", async (t) => {
  for (const hello of [bare, "* OK [CAPABILITY IMAP4rev1 IDLE] hello\r\n", "* OK [ALERT] ID\r\n"]) {
    const id = introducer();
    t.equal(fed(id, hello), "more postern1 CAPABILITY\r\n");
    t.equal(fed(id, list), `more ${sentId}`);
    t.equal(fed(id, answer), `done ${hello}`);
  }
});

t.test("Id keeps the session's id within bounds when it is odd", async (t) => {
  const id = introducer(`a"\\\r\n b${"x".repeat(80)}`);
  t.match(fed(id, greeting), new RegExp(`"x-session-id" "ab${"x".repeat(62)}"\\)\\r\\n$`));
});

t.test("Id passes the server's own refusal on when it does not want the client", async (t) => {
  const bye = "* BYE [ALERT] Full\r\n";
  const id = introducer();
  t.equal(fed(id, bye), `declined ${bye}`);
  t.equal(fed(id, greeting), `declined ${bye}`, "final");
});

t.test("Id is refused when the server does not do as it must", async (t) => {
  for (const [name, responses, detail] of [
    ["PREAUTH", ["* PREAUTH hello\r\n"], "greeting is not OK"],
    ["no IMAP", ["220 mx ESMTP\r\n"], "greeting is not OK"],
    ["no ID", [bare, "* CAPABILITY IMAP4rev1 IDLE X-ID\r\npostern1 OK x\r\n"], "ID not offered"],
    ["no list", [bare, "postern1 OK x\r\n"], "ID not offered"],
    ["no to the list", [bare, "* CAPABILITY ID\r\npostern1 NO x\r\n"], "ID not offered"],
    ["bye to the list", [bare, "* BYE x\r\n"], "ID not offered"],
    ["NO", [greeting, "postern2 NO x\r\n"], "ID refused"],
    ["BAD", [greeting, "postern2 BAD x\r\n"], "ID refused"],
    ["BYE", [greeting, "* BYE x\r\n"], "ID refused"],
    ["talks on", [`${greeting}* `], "bytes behind a response"],
    ["answers unasked", [`${greeting}${answer}`], "bytes behind a response"],
    ["overlong", [`* OK ${"x".repeat(9000)}`], "overlong IMAP response"],
  ] as const) {
    const id = introducer();
    const steps = responses.map((response) => fed(id, response));
    t.equal(steps.at(-1), `refused identity-refused: ${detail}`, name);
    t.equal(fed(id, answer), `refused identity-refused: ${detail}`, `${name}: final`);
  }
});

t.test("Id waits when others than its own commands are completed", async (t) => {
  const id = introducer();
  fed(id, greeting);
  t.equal(fed(id, "postern1 OK x\r\npostern22 OK y\r\n+ go\r\n"), "more ");
});

t.test("Id does the same when the server's bytes come in any cuts", async () => {
  const scripts = [
    [greeting, `${answer}surplus`],
    [bare, list, answer],
    [bare, list, "postern2 NO\r\n"],
    ["* BYE x\r\n"],
  ];
  fc.assert(
    fc.property(fc.constantFrom(...scripts), anyCuts, (script, cuts) => {
      const whole = introducer();
      const cut = introducer();
      for (const response of script) {
        const expected = fed(whole, response);
        let sent = "";
        let end = "";
        for (const piece of pieces(bytesOf(response), cuts)) {
          if (end !== "") {
            end += textOf(piece);
            continue;
          }
          const step = described(cut.feed(piece));
          if (step.startsWith("more ")) sent += step.slice(5);
          else end = step;
        }
        if (expected !== (end === "" ? `more ${sent}` : end)) return false;
      }
      return true;
    }),
  );
});

t.test("withoutIdentity takes the x- fields out when there are any", async (t) => {
  for (const [command, expected] of [
    ['a ID ("x-originating-ip" "1.2.3.4" "name" "x")\r\n', 'a ID ("name" "x")\r\n'],
    ['a ID ("name" "x" "X-Proxy-TTL" NIL "os"  {3+}\r\na)b)\n', 'a ID ("name" "x" "os"  {3+}\r\na)b)\n'],
    ['a id ("x-a" "b")\r\n', "a id NIL\r\n"],
    ['a ID ( "x-" ""  )  \r\n', "a ID NIL  \r\n"],
    ['a ID  ({4+}\r\nX-ip "v""b" nil)\r\n', 'a ID  ("b" nil)\r\n'],
    ['a ID ("a" "x-b" "x-a" {1+}\n" "c" "\\"x-")\r\n', 'a ID ("a" "x-b" "c" "\\"x-")\r\n'],
  ] as const) {
    t.equal(withoutIdentity(command), expected, JSON.stringify(command));
  }
});

t.test("withoutIdentity changes nothing when there is nothing to take", async (t) => {
  for (const command of [
    'a ID ("name" "x-mailer" "version" "\\"1\\\\")\r\n',
    "a ID NIL\r\n",
    "a ID nil \n",
    "a ID\r\n",
    "a ID ()\r\n",
    'a ID ("\xe9" {2+}\r\n"))\r\n',
  ]) {
    t.equal(withoutIdentity(command), command, JSON.stringify(command));
  }
});

t.test("withoutIdentity is null when the command cannot be read for certain", async (t) => {
  for (const parameters of [
    '("a" "b"',
    '("a")',
    '("a" b)',
    '(a "b")',
    '("a" "b") x',
    '("a" "b"))',
    '(("a" "b"))',
    '("a" "b\\c")',
    '("\\x-a" "b")',
    '("a" "b\rc")',
    '("a" "b\0c")',
    '("a" ~{1+}\r\nb)',
    '("a" {1}\r\nb)',
    '("a" {9+}\r\nb)',
    '("a" NILL)',
    "NIL NIL",
    "NIL ()",
    '"a" "b"',
    "{3+}\r\nNIL",
  ]) {
    t.equal(withoutIdentity(`a ID ${parameters}\r\n`), null, JSON.stringify(parameters));
  }
});

t.test("withoutIdentity is settled when it is asked again, and keeps every other field", async () => {
  const text = fc.string({ unit: fc.constantFrom("x", "-", "X", "a", " ", "(", ")", "{1+}"), maxLength: 6 });
  const string = fc.oneof(
    text.map((text) => ({ text, wire: `"${text}"` })),
    text.map((text) => ({ text, wire: `{${text.length}+}\r\n${text}` })),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(string, string), { maxLength: 5 }), (fields) => {
      const wire = (kept: typeof fields) => kept.map(([key, value]) => `${key.wire} ${value.wire}`).join(" ");
      const kept = fields.filter(([key]) => !key.text.toLowerCase().startsWith("x-"));
      const expected = kept.length === 0 && fields.length > 0 ? "a ID NIL\r\n" : `a ID (${wire(kept)})\r\n`;
      const found = withoutIdentity(`a ID (${wire(fields)})\r\n`);
      return found === expected && withoutIdentity(found) === found;
    }),
  );
});

function introducer(sessionId = "s-1"): Id {
  return new Id({
    client: { address: Address.parse("2001:db8::7") ?? Address.v4(0), port: 40123 },
    destination: { address: Address.parse("192.0.2.1") ?? Address.v4(0), port: 993 },
    sessionId,
    tls: null,
  });
}

function fed(id: Id, text: string): string {
  return described(id.feed(bytesOf(text)));
}

function described(step: IntroductionStep): string {
  switch (step.kind) {
    case "more":
      return `more ${textOf(step.send)}`;
    case "secure":
      return "secure";
    case "done":
      return `done ${textOf(step.greeting)}`;
    case "declined":
      return `declined ${textOf(step.reply)}`;
    case "refused":
      return `refused ${step.reason}: ${step.detail}`;
    default:
      return step satisfies never;
  }
}

/** Who logs in, as far as the lines show it, and which of the server's answers are a judgement. */
import t from "tap";
import { Logins } from "../../src/imap/login.ts";
import { completionOf } from "../../src/imap/scan.ts";
import { bytesOf } from "../../src/lines.ts";

const alice = Buffer.from("\0alice\0secret").toString("base64");

/** What is told of a login: its first line, then what the client sends more, then the server's word. */
function told(lines: readonly string[], answer = "a NO no\r\n"): string[] {
  const logins = new Logins();
  const facts: string[] = [];
  const [first = "", ...more] = lines;
  const isPlain = /^a LOGIN/i.test(first);
  if (isPlain) logins.beginPlain(`${first}\r\n`);
  else logins.beginSasl(`${first}\r\n`);
  for (const text of more) {
    if (isPlain) logins.literal(bytesOf(text));
    else logins.respond(bytesOf(`${text}\r\n`));
  }
  const completion = completionOf(answer);
  if (completion === null) throw new Error(answer);
  for (const _ of ["once", "and no more"])
    logins.settle(completion, {
      login: (ok, method, user) => facts.push(`${ok ? "+" : "-"} ${method} ${user}`),
    });
  return facts;
}

t.test("Logins knows the user when the lines tell, in whatever form", async (t) => {
  for (const [lines, fact] of [
    [["a LOGIN alice secret"], "- LOGIN alice"],
    [['a login "al\\"ic\\\\e" "secret"'], '- LOGIN al"ic\\e'],
    [['a LOGIN "al ice" {3}', "abc"], "- LOGIN al ice"],
    [["a LOGIN {5}", "alice", "secret"], "- LOGIN alice"],
    [["a LOGIN {5+}", "a", "lic", "e", "secret"], "- LOGIN alice"],
    [["a LOGIN {5+}", "alicesecret"], "- LOGIN alice"],
    [["a LOGIN {6+}", "\xc3\xa4lice"], "- LOGIN älice"],
    [['a LOGIN "\xe4lice" x'], "- LOGIN älice"],
    [["a LOGIN alice@example.test +x"], "- LOGIN alice@example.test"],
    [[`a AUTHENTICATE PLAIN ${alice}`], "- PLAIN alice"],
    [["a authenticate plain", alice], "- PLAIN alice"],
    [["a AUTHENTICATE PLAIN =", alice], "- PLAIN alice"],
    [["a AUTHENTICATE LOGIN", "YWxpY2U=", "c2VjcmV0"], "- LOGIN alice"],
    [["a AUTHENTICATE XOAUTH2 YWxpY2U="], "- XOAUTH2 null"],
    [["a AUTHENTICATE <x> YWxpY2U="], "- unknown null"],
  ] as const)
    t.strictSame(told(lines), [fact], lines.join());
});

t.test("Logins tells no user when the lines do not, and never a password", async (t) => {
  for (const lines of [
    ["a LOGIN"],
    ['a LOGIN "" secret'],
    ["a LOGIN {0+}", "secret"],
    ["a LOGIN (alice) secret"],
    ['a LOGIN "alice secret'],
    [`a LOGIN ${"x".repeat(256)} secret`],
    ["a LOGIN {256+}", "x".repeat(256)],
  ])
    t.strictSame(told(lines), ["- LOGIN null"], lines.join());
});

t.test("Logins tells what the server has judged, and nothing else", async (t) => {
  const plain = ["a LOGIN alice secret"];
  for (const [lines, answer, fact] of [
    [plain, "a OK in\r\n", "+"],
    [plain, "a OK [CAPABILITY IMAP4rev1] in\r\n", "+"],
    [plain, "a OK [UNAVAILABLE] in all the same\r\n", "+"],
    [plain, "a NO\r\n", "-"],
    [plain, "a NO [AUTHENTICATIONFAILED] no\r\n", "-"],
    [plain, "a NO [AUTHORIZATIONFAILED] no\r\n", "-"],
    [plain, "a NO [EXPIRED] no\r\n", "-"],
    [plain, "a NO [ALERT] [UNAVAILABLE] no\r\n", "-"],
    [plain, "a NO [unavailable] later\r\n", null],
    [plain, "a NO [SERVERBUG] oh\r\n", null],
    [plain, "a NO [CORRUPTION] oh\r\n", null],
    [plain, "a NO [LIMIT] too many\r\n", null],
    [plain, "a NO [INUSE] wait\r\n", null],
    [plain, "a NO [CONTACTADMIN] closed\r\n", null],
    [plain, "a NO [PRIVACYREQUIRED] TLS\r\n", null],
    [plain, "a NO [REFERRAL imap://other.example.test/] there\r\n", null],
    [plain, "a BAD what\r\n", null],
    [["a AUTHENTICATE FOO"], "a NO unknown mechanism\r\n", null],
    [["a AUTHENTICATE FOO ="], "a NO no\r\n", "-"],
    [["a AUTHENTICATE"], "a NO no\r\n", null],
    [["a AUTHENTICATE PLAIN", "*"], "a NO aborted\r\n", null],
    [["a AUTHENTICATE PLAIN", "*"], "a BAD aborted\r\n", null],
    [["a AUTHENTICATE EXTERNAL", ""], "a OK in\r\n", "+"],
  ] as const)
    t.equal(told(lines, answer)[0]?.[0] ?? null, fact, `${lines.join()} ${answer}`);
});

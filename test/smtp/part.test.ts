/** A check's conversation: when it is our turn, and what is a greeting. */
import t from "tap";
import { bytesOf, textOf } from "../../src/lines.ts";
import { SmtpParting } from "../../src/smtp/part.ts";

/** The kinds of the steps that these pieces lead to, and the detail of a refusal. */
function steps(...pieces: string[]): string[] {
  const parting = new SmtpParting();
  return pieces.map((piece) => {
    const step = parting.feed(bytesOf(piece));
    return step.kind === "refused" ? step.detail : step.kind;
  });
}

t.test("SmtpParting says QUIT when the last line of the greeting is whole", async (t) => {
  t.equal(textOf(new SmtpParting().goodbye), "QUIT\r\n");
  t.same(steps("220-mx.exa", "mple\r\n", "220-more\r\n220", " hi\r", "\n"), [
    "waiting",
    "waiting",
    "waiting",
    "waiting",
    "greeted",
  ]);
});

t.test("SmtpParting is parted when anything answers its QUIT", async (t) => {
  t.same(steps("220 hi\r\n", "221-b", "ye\r\n221 bye\r\n"), ["greeted", "waiting", "parted"]);
  t.same(steps("421 busy\r\n", "221 bye\r\n"), ["its greeting is a 421", "parted"]);
});

t.test("SmtpParting refuses when a server refuses, or is none", async (t) => {
  t.same(steps("554-no\r\n554 no\r\n"), ["its greeting is a 554"]);
  t.same(steps("250 hi\r\n"), ["its greeting is a 250"]);
  t.same(steps("* OK hi\r\n"), ["malformed SMTP reply"]);
  t.same(steps("x".repeat(3000)), ["malformed SMTP reply"]);
  t.same(steps("220 hi\r\n250 ahead\r\n"), ["bytes behind the greeting"]);
});

/** A check's conversation: when it is our turn, and what is a greeting. */
import t from "tap";
import { ImapParting } from "../../src/imap/part.ts";
import { bytesOf, textOf } from "../../src/lines.ts";

const OK = "postern3 OK Logged out\r\n";

/** The kinds of the steps that these pieces lead to, and the detail of a refusal. */
function steps(...pieces: string[]): string[] {
  const parting = new ImapParting();
  return pieces.map((piece) => {
    const step = parting.feed(bytesOf(piece));
    return step.kind === "refused" ? step.detail : step.kind;
  });
}

t.test("ImapParting says LOGOUT when the greeting is whole, and is parted with its OK", async (t) => {
  t.equal(textOf(new ImapParting().goodbye), "postern3 LOGOUT\r\n");
  t.same(steps("* O", "K hi\r\n", "* BYE bye\r\n", OK), ["waiting", "greeted", "waiting", "parted"]);
  t.same(steps("* OK hi\r\n", `* BYE bye\r\n${OK}`), ["greeted", "parted"]);
});

t.test("ImapParting refuses when a server refuses, or is none", async (t) => {
  t.same(steps("* BYE busy\r\n", OK), ["its greeting is a BYE", "parted"]);
  t.same(steps("* PREAUTH hi\r\n"), ["greeting is not OK"]);
  t.same(steps("220 hi\r\n"), ["greeting is not OK"]);
  t.same(steps("x".repeat(9000)), ["overlong IMAP response"]);
  t.same(steps("* OK hi\r\n* OK more\r\n"), ["bytes behind the greeting"]);
});

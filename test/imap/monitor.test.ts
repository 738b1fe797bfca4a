/** The health checker's side of the dialogue, as load balancers speak it. */
import fc from "fast-check";
import t from "tap";
import { monitors } from "../../src/imap/monitor.ts";
import { bytesOf, textOf } from "../../src/lines.ts";
import { anyCuts, pieces } from "../cuts.ts";

const monitor = monitors("mail.example.test");
const bye = "* BYE [CLIENTBUG] Commands that cannot be followed\r\n";

t.test("monitors says BYE at once when the pool is down", async (t) => {
  const down = monitor(false);
  t.match(textOf(down.greeting), /^\* BYE \[UNAVAILABLE\] /);
  t.ok(down.closing);
  t.equal(down.feed(bytesOf("a LOGOUT\r\n")).length, 0);
});

t.test("monitors answers a check when the pool is up", async (t) => {
  const up = monitor(true);
  t.equal(textOf(up.greeting), "* OK [CAPABILITY IMAP4rev1] mail.example.test ready\r\n");
  t.equal(
    textOf(up.feed(bytesOf("a capability\r\nb.1] NOOP\n"))),
    "* CAPABILITY IMAP4rev1\r\na OK Completed\r\nb.1] OK Completed\r\n",
  );
  t.notOk(up.closing);
  t.equal(textOf(up.feed(bytesOf("c Logout\r\nd NOOP\r\n"))), "* BYE Logging out\r\nc OK Completed\r\n");
  t.ok(up.closing);
});

t.test("monitors says BYE, and nothing of what it heard, when it hears anything else", async (t) => {
  for (const text of [
    "a LOGIN joe secret\r\n",
    "NOOP\r\n",
    "\r\n",
    " NOOP\r\n",
    "+ NOOP\r\n",
    "* NOOP\r\n",
    '"a" NOOP\r\n',
    "a/b NOOP\r\n",
    `${"a".repeat(65)} NOOP\r\n`,
    "a NOOP \r\n",
    "a\r NOOP\r\n",
    "x".repeat(513),
  ]) {
    const up = monitor(true);
    t.equal(textOf(up.feed(bytesOf(text))), bye, JSON.stringify(text));
    t.ok(up.closing);
  }
  const many = monitor(true);
  t.equal(textOf(many.feed(bytesOf("a NOOP\r\n".repeat(30)))), "a OK Completed\r\n".repeat(20) + bye);
});

t.test("monitors answers the same when the commands come in any cuts", async () => {
  const command = fc.constantFrom("a NOOP\r\n", "b CAPABILITY\n", "c LOGOUT\r\n", "d ID NIL\r\n");
  fc.assert(
    fc.property(fc.array(command, { maxLength: 6 }), anyCuts, (commands, cuts) => {
      const bytes = bytesOf(commands.join(""));
      const cut = monitor(true);
      const whole = monitor(true);
      let text = "";
      for (const piece of pieces(bytes, cuts)) text += textOf(cut.feed(piece));
      return text === textOf(whole.feed(bytes)) && cut.closing === whole.closing;
    }),
  );
});

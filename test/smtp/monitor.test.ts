/** The health checker's side of the dialogue, as load balancers speak it. */
import fc from "fast-check";
import t from "tap";
import { bytesOf, textOf } from "../../src/lines.ts";
import { monitors } from "../../src/smtp/monitor.ts";
import { anyCuts, pieces } from "../cuts.ts";

const monitor = monitors("mx.example.test");
const closing = "421 4.3.2 mx.example.test Service not available, try again later\r\n";

t.test("monitors says 421 at once when the pool is down", async (t) => {
  const down = monitor(false);
  t.equal(textOf(down.greeting), closing);
  t.ok(down.closing);
  t.equal(down.feed(bytesOf("QUIT\r\n")).length, 0);
});

t.test("monitors answers a check when the pool is up", async (t) => {
  const up = monitor(true);
  t.equal(textOf(up.greeting), "220 mx.example.test ESMTP\r\n");
  t.notOk(up.closing);
  t.equal(textOf(up.feed(bytesOf("HELO localhost\r\n"))), "250 mx.example.test\r\n");
  t.equal(textOf(up.feed(bytesOf("ehlo\n"))), "250 mx.example.test\r\n");
  t.equal(textOf(up.feed(bytesOf("Noop\r\n"))), "250 2.0.0 Ok\r\n");
  t.notOk(up.closing);
  t.equal(textOf(up.feed(bytesOf("QUIT\r\nNOOP\r\n"))), "221 2.0.0 Bye\r\n");
  t.ok(up.closing);
});

t.test("monitors says 421 and closes when it hears anything else", async (t) => {
  for (const text of [
    "MAIL FROM:<a@example.org>\r\n",
    "RSET\r\n",
    "\r\n",
    " NOOP\r\n",
    "NOOPS\r\n",
    "NOOP\rQUIT\r\n",
    "constructor\r\n",
    "x".repeat(513),
  ]) {
    const up = monitor(true);
    t.equal(textOf(up.feed(bytesOf(text))), closing, JSON.stringify(text));
    t.ok(up.closing);
  }
});

t.test("monitors answers twenty commands when more come", async (t) => {
  const up = monitor(true);
  t.equal(textOf(up.feed(bytesOf("NOOP\r\n".repeat(30)))), "250 2.0.0 Ok\r\n".repeat(20) + closing);
  t.ok(up.closing);
});

t.test("monitors answers the same when the commands come in any cuts", async () => {
  const command = fc.constantFrom("EHLO a\r\n", "HELO b\n", "NOOP\r\n", "NOOP x\n", "QUIT\r\n", "VRFY\r\n");
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

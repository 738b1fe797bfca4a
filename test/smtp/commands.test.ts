/** What command lines are taken for: as Postfix takes them. */
import t from "tap";
import { bytesOf } from "../../src/lines.ts";
import { chunkOf, hasPath, verbOf } from "../../src/smtp/commands.ts";

t.test("verbOf gives the verb when it is one that matters, as Postfix reads it", async (t) => {
  for (const [line, verb] of [
    ["MAIL FROM:<a>", "MAIL"],
    [" \t\v\fmail", "MAIL"],
    ["Xclient\vADDR=1", "XCLIENT"],
    ["XFORWARD", "XFORWARD"],
    ["starttls ", "STARTTLS"],
    ["MAILS", null],
    ["MAI", null],
    ["MAIL:FROM:<a>", null],
    ["XCLIENT,ADDR=1", null],
    ["XCLIENT\xa0ADDR=1", null],
    ['"XCLIENT" ADDR=1', null],
    ["\x0dATA\x01", null],
    ["", null],
    ["NOOP", null],
  ] as const) {
    t.equal(verbOf(bytesOf(`${line}\r\n`)), verb, JSON.stringify(line));
  }
});

t.test("hasPath is true when the keyword has anything behind it, as Postfix counts", async (t) => {
  for (const [line, path] of [
    ["MAIL FROM:<a>", true],
    ["MAIL\tfrom: \v<a", true],
    [" MAIL  FROM::", true],
    ["MAIL FROM:", false],
    ["MAIL FROM: \t", false],
    ["MAIL FROM :<a>", false],
    ["MAIL FROM <a>", false],
    ["MAIL TO:<a>", false],
    ["MAIL", false],
  ] as const) {
    t.equal(hasPath(bytesOf(`${line}\r\n`), "FROM:"), path, JSON.stringify(line));
  }
  t.equal(hasPath(bytesOf("RCPT TO:<a>\r\n"), "TO:"), true);
});

t.test("chunkOf gives a number when there is no doubt about it", async (t) => {
  t.same(chunkOf(bytesOf("BDAT 0012\r\n")), { octets: 12, last: false });
  t.same(chunkOf(bytesOf(" bdat  0 \tlast \r\n")), { octets: 0, last: true });
  for (const line of [
    "BDAT",
    "BDAT ",
    "BDAT +1",
    "BDAT 1e3",
    "BDAT 1 LASTS",
    "BDAT LAST 1",
    "BDAT 1\xa0LAST",
    "BDAT\xa01",
    `BDAT ${"9".repeat(16)}`,
  ]) {
    t.equal(chunkOf(bytesOf(`${line}\r\n`)), null, line);
  }
});

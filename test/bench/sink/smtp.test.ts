/** SMTP sessions with the sink: each reply, and exact counts, in any cuts. */
import t from "tap";
import type { SinkCounts } from "../../../bench/sink/counts.ts";
import { SmtpResponder } from "../../../bench/sink/smtp.ts";
import { bytesOf, textOf } from "../../../src/lines.ts";
import { singly } from "../../cuts.ts";
import { hold } from "./responding.ts";

let mails = 0;
const talk = (words: string, options?: Parameters<typeof hold>[2]) =>
  hold((given) => new SmtpResponder(given, () => ++mails), words, options);

/** Each reply's code, multi-line replies once. */
const codesOf = (replies: string) => [...replies.matchAll(/^(\d{3}) /gm)].map(([, code]) => Number(code));

const envelope = "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.test>\r\n";

interface Case {
  readonly what: string;
  readonly words: string;
  readonly codes: readonly number[];
  readonly counts?: Partial<Omit<SinkCounts, "faults">>;
  readonly faults?: Partial<SinkCounts["faults"]>;
}

const cases: readonly Case[] = [
  {
    what: "two mails, pipelined, the second with two recipients and dots",
    words: `EHLO a\r\n${envelope}DATA\r\nA: b\r\n\r\nc\r\n.\r\n${envelope}RCPT TO:<c@d>\r\nDATA\r\n..\r\n.a\r\n.\r\nQUIT\r\n`,
    codes: [250, 250, 250, 354, 250, 250, 250, 250, 354, 250, 221],
    counts: { messages: 2, recipients: 3, bytes: 11 + 8 },
  },
  {
    what: "an empty mail",
    words: `EHLO a\r\n${envelope}DATA\r\n.\r\n`,
    codes: [250, 250, 250, 354, 250],
    counts: { messages: 1, recipients: 1 },
  },
  {
    what: "a mail whose end does not come",
    words: `EHLO a\r\n${envelope}DATA\r\na\r\n.\n`,
    codes: [250, 250, 250, 354],
  },
  {
    what: "BDAT, pipelined, with a chunk that looks like an end and one that is empty",
    words: `EHLO a\r\n${envelope}BDAT 5\r\n\r\n.\r\nBDAT 2\r\nQUBDAT 0 LAST\r\nQUIT\r\n`,
    codes: [250, 250, 250, 250, 250, 250, 221],
    counts: { messages: 1, recipients: 1, bytes: 7 },
  },
  {
    what: "BDAT without a recipient, whose octets are no commands",
    words: "EHLO a\r\nBDAT 6 LAST\r\nQUIT\r\nBDAT x\r\nNOOP\r\n",
    codes: [250, 503, 501, 250],
    faults: { order: 1, command: 1 },
  },
  {
    what: "what is out of order",
    words: `${envelope}EHLO a\r\nDATA\r\nMAIL FROM:<>\r\nMAIL FROM:<>\r\nDATA\r\nRSET\r\nRCPT TO:<a@b>\r\nSTARTTLS\r\n`,
    codes: [503, 503, 250, 503, 250, 503, 503, 250, 503, 503],
    faults: { order: 7 },
  },
  {
    what: "what is of the wrong form",
    words: "HELO a\r\nVRFY a\r\nMAIL TO:<a>\r\nMAIL FROM:<a>\r\nRCPT TO:<>\r\n\r\nXCLIENT\r\n",
    codes: [250, 500, 501, 250, 501, 500, 503],
    faults: { command: 4, order: 1 },
  },
  {
    what: "logins",
    words: `EHLO a\r\nAUTH PLAIN ${code("\0user\0secret")}\r\nAUTH PLAIN\r\n${code("\0wrong\0secret")}\r\n`,
    codes: [250, 235, 334, 535],
    counts: { logins: 1 },
    faults: { login: 1 },
  },
  {
    what: "logins in two steps",
    words: `EHLO a\r\nAUTH LOGIN\r\n${code("user")}\r\n${code("wrong")}\r\nAUTH LOGIN ${code("wrong")}\r\n${code("x")}\r\nAUTH LOGIN\r\n*\r\nAUTH GSSAPI\r\n`,
    codes: [250, 334, 334, 235, 334, 535, 334, 501, 504],
    counts: { logins: 1 },
    faults: { login: 2, command: 1 },
  },
  {
    what: "a line that is too long",
    words: `EHLO a\r\nNOOP ${"x".repeat(12_288)}\r\nNOOP\r\n`,
    codes: [250, 500],
    faults: { line: 1 },
  },
];

for (const { what, words, codes, counts = {}, faults = {} } of cases) {
  t.test(`SmtpResponder replies and counts exactly when it is told ${what}`, async (t) => {
    const bytes = bytesOf(words);
    const places = singly(bytes.subarray(0, 400));
    for (const cuts of [[], singly(bytes), ...places.map((place) => [place])]) {
      const { replies, tally } = talk(words, { cuts });
      const { faults: counted, ...rest } = tally;
      t.strictSame(codesOf(replies), codes);
      const all = { connections: 0, open: 0, messages: 0, recipients: 0, bytes: 0, logins: 0, fetches: 0 };
      t.strictSame(rest, { ...all, ...counts });
      const nonzero = Object.entries(counted).filter(([, count]) => count > 0);
      t.strictSame(Object.fromEntries(nonzero), faults);
    }
  });
}

t.test("SmtpResponder gives running queue ids when mails come", async (t) => {
  mails = 0;
  const { replies } = talk(`EHLO a\r\n${`${envelope}DATA\r\n.\r\n`.repeat(3)}`);
  const ids = [...replies.matchAll(/queued as (\d+)/g)].map(([, id]) => id);
  t.strictSame(ids, ["1", "2", "3"]);
});

t.test("SmtpResponder records XCLIENT and greets anew when it is told who the client is", async (t) => {
  const { replies, announced } = talk(
    "EHLO a\r\nXCLIENT ADDR=203.0.113.7 PORT=1024\r\nMAIL FROM:<a>\r\nEHLO a\r\nXCLIENT ADDR=ipv6:2001:db8::7 LOGIN=a+2Bb+40c NAME=[UNAVAILABLE]\r\nXCLIENT REALM=a\r\nXCLIENT ADDR=a+b\r\n",
  );
  t.strictSame(codesOf(replies), [250, 220, 503, 250, 220, 501, 501]);
  t.strictSame(announced.xclient, {
    ADDR: "2001:db8::7",
    PORT: "1024",
    LOGIN: "a+b@c",
    NAME: "[UNAVAILABLE]",
  });
});

t.test("SmtpResponder hands over to TLS once, and starts anew, when STARTTLS is offered", async (t) => {
  const { replies, responder } = talk("EHLO a\r\n", { offersTls: true });
  t.match(replies, /250-STARTTLS\r\n/);
  const [ready] = responder.feed(bytesOf("STARTTLS\r\nhello"));
  t.strictSame([String(ready).slice(0, 4), responder.state], ["220 ", "securing"]);
  t.equal(textOf(responder.rest()), "hello");
  responder.secured();
  const inside = responder.feed(bytesOf("MAIL FROM:<a>\r\nEHLO a\r\nSTARTTLS\r\n"));
  t.strictSame(codesOf(String(inside[0])), [503, 250, 503]);
  t.notMatch(String(inside[0]), /STARTTLS/);
});

function code(text: string): string {
  return Buffer.from(text).toString("base64");
}

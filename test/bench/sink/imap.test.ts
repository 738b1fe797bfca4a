/** IMAP sessions with the sink: each reply, exact counts and what ID says, in any cuts. */
import t from "tap";
import type { SinkCounts } from "../../../bench/sink/counts.ts";
import { ImapResponder } from "../../../bench/sink/imap.ts";
import { bytesOf, textOf } from "../../../src/lines.ts";
import { singly } from "../../cuts.ts";
import { hold } from "./responding.ts";

const message = bytesOf("Subject: a\r\n\r\nb\r\n.\r\n");

const talk = (words: string, options?: Parameters<typeof hold>[2]) =>
  hold((given) => new ImapResponder(given, message), words, options);

/** What stands in front of each line, the tag or the sign, and the word behind it. */
const headsOf = (replies: string) =>
  [...replies.matchAll(/^([*+]|[a-z]\d?) (\w*)/gm)].map(([, sign, word]) => `${sign} ${word}`.trim());

const entrance = "a LOGIN user secret\r\nb SELECT INBOX\r\n";
const entered = ["a OK", "* FLAGS", "* 1000", "* OK", "b OK"];

interface Case {
  readonly what: string;
  readonly words: string;
  readonly heads: readonly string[];
  readonly counts?: Partial<Omit<SinkCounts, "faults">>;
  readonly faults?: Partial<SinkCounts["faults"]>;
}

const cases: readonly Case[] = [
  {
    what: "a whole session in one flight",
    words: `${entrance}c NOOP\r\nd FETCH 1 BODY.PEEK[]\r\ne FETCH 1000 (UID RFC822.SIZE BODY[])\r\nf IDLE\r\nDONE\r\ng LOGOUT\r\nh NOOP\r\n`,
    heads: [...entered, "c OK", "* 1", "d OK", "* 1000", "e OK", "+ idling", "f OK", "* BYE", "g OK"],
    counts: { logins: 1, fetches: 2, bytes: 2 * message.length },
  },
  {
    what: "a size alone",
    words: `${entrance}c FETCH 2 RFC822.SIZE\r\n`,
    heads: [...entered, "* 2", "c OK"],
    counts: { logins: 1 },
  },
  {
    what: "logins with literals, of which one waits",
    words: 'a LOGIN {5}\r\nwrong {1+}\r\nx\r\nb LOGIN "wr\\ong" x\r\nc LOGIN {4+}\r\nu"\\r {3}\r\na b\r\n',
    heads: ["+", "a NO", "b NO", "+", "c OK"],
    counts: { logins: 1 },
    faults: { login: 2 },
  },
  {
    what: "logins by SASL",
    words: `a AUTHENTICATE PLAIN ${code("\0wrong\0x")}\r\nb AUTHENTICATE PLAIN\r\n*\r\nc AUTHENTICATE GSSAPI\r\nd AUTHENTICATE PLAIN\r\n${code("\0u\0x")}\r\n`,
    heads: ["a NO", "+", "b BAD", "c NO", "+", "d OK"],
    counts: { logins: 1 },
    faults: { login: 2, command: 1 },
  },
  {
    what: "what is out of order",
    words: `a SELECT INBOX\r\nb FETCH 1 BODY[]\r\nc IDLE\r\nd LOGIN u p\r\ne LOGIN u p\r\nf FETCH 1 BODY[]\r\ng STARTTLS\r\nh IDLE\r\ni NOOP\r\n`,
    heads: ["a BAD", "b BAD", "c BAD", "d OK", "e BAD", "f BAD", "g BAD", "+ idling", "h BAD"],
    counts: { logins: 1 },
    faults: { order: 7 },
  },
  {
    what: "what is of the wrong form",
    words: `${entrance}c FETCH 0 BODY[]\r\nd FETCH 1001 BODY[]\r\ne FETCH 1\r\nf FETCH 1 ENVELOPE\r\ng SELECT Sent\r\nh STATUS\r\n\r\n`,
    heads: [...entered, "c BAD", "d BAD", "e BAD", "f BAD", "g NO", "h BAD", "* BAD"],
    counts: { logins: 1 },
    faults: { command: 7 },
  },
  {
    what: "a line that is too long",
    words: `a NOOP${" ".repeat(8192)}\r\nb NOOP\r\n`,
    heads: ["* BYE"],
    faults: { line: 1 },
  },
  {
    what: "a literal that is too long",
    words: "a LOGIN {8190+}\r\nb NOOP\r\n",
    heads: ["* BYE"],
    faults: { line: 1 },
  },
];

for (const { what, words, heads, counts = {}, faults = {} } of cases) {
  t.test(`ImapResponder replies and counts exactly when it is told ${what}`, async (t) => {
    const bytes = bytesOf(words);
    const places = singly(bytes.subarray(0, 400));
    for (const cuts of [[], singly(bytes), ...places.map((place) => [place])]) {
      const { replies, tally } = talk(words, { cuts });
      const { faults: counted, ...rest } = tally;
      t.strictSame(headsOf(replies), heads);
      const all = { connections: 0, open: 0, messages: 0, recipients: 0, bytes: 0, logins: 0, fetches: 0 };
      t.strictSame(rest, { ...all, ...counts });
      const nonzero = Object.entries(counted).filter(([, count]) => count > 0);
      t.strictSame(Object.fromEntries(nonzero), faults);
    }
  });
}

t.test("ImapResponder sends the message whole when it is fetched", async (t) => {
  const { replies } = talk(`${entrance}c FETCH 7 (RFC822.SIZE BODY.PEEK[])\r\n`);
  const size = message.length;
  t.match(replies, `* 7 FETCH (RFC822.SIZE ${size} BODY[] {${size}}\r\n${textOf(message)})\r\nc OK`);
});

t.test("ImapResponder records what ID says when its strings are quoted or literals", async (t) => {
  const words =
    'a ID NIL\r\nb ID ("X-Originating-IP" "203.0.113.7" "x-session-id" {5+}\r\na"b c "x-proxy-ttl" "4")\r\n';
  const { announced, replies } = talk(words, { cuts: singly(bytesOf(words)) });
  t.strictSame(headsOf(replies), ["* ID", "a OK", "* ID", "b OK"]);
  t.strictSame(announced.id, {
    "x-originating-ip": "203.0.113.7",
    "x-session-id": 'a"b c',
    "x-proxy-ttl": "4",
  });
});

t.test("ImapResponder hands over to TLS once when STARTTLS is offered", async (t) => {
  const { responder } = talk("", { offersTls: true });
  t.match(textOf(responder.greeting), / STARTTLS\]/);
  responder.feed(bytesOf("a STARTTLS\r\nhello"));
  t.equal(responder.state, "securing");
  t.equal(textOf(responder.rest()), "hello");
  responder.secured();
  t.notMatch(textOf(responder.greeting), /STARTTLS/);
  t.match(String(responder.feed(bytesOf("a STARTTLS\r\n"))[0]), /^a BAD/);
});

function code(text: string): string {
  return Buffer.from(text).toString("base64");
}

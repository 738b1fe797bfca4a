/** The watch where nothing may pass, where nothing may change, and at its bounds. Whole sessions are in another file. */
import t from "tap";
import { Address } from "../../src/address.ts";
import { bytesOf, textOf } from "../../src/lines.ts";
import { Followed, opening, openingHeard, openingSaid, type Script } from "./follow.ts";

const mail = "MAIL FROM:<carol@example.org>\r\n";
const rcpt = "RCPT TO:<alice@example.test>\r\n";
const ok = "250 2.1.0 Ok\r\n";
const away = "421 4.3.2 mx.example.test Service not available, try again later\r\n";
const inData: Script = [...opening, ["C", `${mail}${rcpt}DATA\r\n`], ["S", `${ok}${ok}354 go\r\n`]];

t.test("SmtpWatch lets bytes pass as the same view when it changes nothing", async (t) => {
  const followed = new Followed().play(opening);
  for (const text of [`NOOP\r\n${mail}${rcpt}`, "BDAT 5\r\nab\r\ncNOOP\r\nDATA\r\n"]) {
    const chunk = bytesOf(text);
    t.equal(followed.client(chunk), chunk, JSON.stringify(text));
  }
  const replies = bytesOf(`${ok.repeat(4)}214-a\r\n214 b\r\n354 go\r\n`);
  t.equal(followed.server(replies), replies);
  const other = new Followed().play(inData);
  for (const text of ["a\r\nb", "c\r\n", ".a\r\n.", "\r\nQUIT\r\n"]) {
    const chunk = bytesOf(text);
    t.equal(other.client(chunk), chunk, JSON.stringify(text));
  }
});

t.test("SmtpWatch keeps a CR at the chunk's end back when the byte behind it is not there", async (t) => {
  const followed = new Followed().play(inData);
  t.equal(textOf(followed.client(bytesOf("a\r\n.\r"))), "a\r\n.");
  t.equal(textOf(followed.client(bytesOf("\nNOO"))), "\r\n");
  t.equal(textOf(followed.client(bytesOf("P\r\n"))), "NOOP\r\n");
});

t.test("SmtpWatch ends the session when what a client says cannot be followed", async (t) => {
  const bareLf = "521 5.5.2 mx.example.test Error: bare <LF> received\r\n";
  const bareCr = "521 5.5.2 mx.example.test Error: bare <CR> received\r\n";
  const tooLong = "521 5.5.2 mx.example.test Error: line too long\r\n";
  const foreign = "221 2.7.0 Error: I can break rules, too. Goodbye.\r\n";
  for (const [said, passed, reason, words] of [
    ["NOOP\r\nNOOP\n", "NOOP\r\n", "bare-newline", bareLf],
    ["\n", "", "bare-newline", bareLf],
    ["NO\rOP\r\n", "", "bare-newline", bareCr],
    ["NOOP\r\r\n", "", "bare-newline", bareCr],
    ["NOOP\0\r\n", "", "nul-byte", "521 5.5.2 mx.example.test Error: NUL byte received\r\n"],
    ["NOOP\0\n", "", "nul-byte", "521 5.5.2 mx.example.test Error: NUL byte received\r\n"],
    [`NOOP ${"x".repeat(2042)}\r\n`, "", "line-too-long", tooLong],
    ["x".repeat(12289), "", "line-too-long", tooLong],
    [`AUTH PLAIN ${"x".repeat(12276)}\r\n`, "", "line-too-long", tooLong],
    ["BDAT\r\n", "", "protocol-violation", away],
    ["BDAT -1\r\n", "", "protocol-violation", away],
    ["BDAT 0x10\r\n", "", "protocol-violation", away],
    ["BDAT 1 LAST x\r\n", "", "protocol-violation", away],
    ["BDAT 1LAST\r\n", "", "protocol-violation", away],
    [`BDAT 1${"0".repeat(15)}\r\n`, "", "protocol-violation", away],
    ["GET / HTTP/1.1\r\nHost: x\r\n", "", "not-smtp", foreign],
    ["connect mx:25 HTTP/1.0\r\n", "", "not-smtp", foreign],
    ["POST /\r\n", "", "not-smtp", foreign],
  ] as const) {
    const followed = new Followed().play(opening);
    followed.client(bytesOf(said));
    const outstanding = passed === "" ? "" : ok;
    if (outstanding !== "") {
      t.equal(followed.ended, false, "what was asked before is answered before");
      t.equal(followed.watch.client(bytesOf("NOOP\r\n")).length, 0);
      followed.server(bytesOf(outstanding));
    }
    t.equal(followed.end, `refused ${reason}`, JSON.stringify(said.slice(0, 40)));
    t.equal(followed.toServer, openingHeard + passed);
    t.equal(followed.toClient, openingSaid + outstanding + words);
    t.equal(followed.watch.client(bytesOf("NOOP\r\n")).length + followed.watch.server(bytesOf(ok)).length, 0);
  }
});

t.test("SmtpWatch ends the session when what the server says cannot be followed", async (t) => {
  for (const [command, said, passed, detail, words] of [
    ["", ok, "", "reply to nothing", away],
    ["NOOP\r\n", ok + ok, ok, "reply to nothing", away],
    ["NOOP\r\n", "354 go\r\n", "", "reply out of step", away],
    ["NOOP\r\n", "334 \r\n", "", "reply out of step", away],
    ["DATA\r\n", "250 Ok\r\n", "", "reply out of step", away],
    ["STARTTLS\r\n", "250 Ok\r\n", "", "reply out of step", away],
    ["DATA\r\n", "334 \r\n", "", "reply out of step", away],
    ["AUTH PLAIN\r\n", "354 go\r\n", "", "reply out of step", away],
    ["NOOP\r\n", "250-a\r\n251 b\r\n", "250-a\r\n", "mixed reply", ""],
    ["NOOP\r\n", "354-a\r\n354 b\r\n", "354-a\r\n", "reply out of step", ""],
    ["NOOP\r\n", "250 a\n", "", "malformed reply", away],
    ["NOOP\r\n", "250 a\rb\r\n", "", "malformed reply", away],
    ["NOOP\r\n", "250 a\0\r\n", "", "malformed reply", away],
    ["NOOP\r\n", "2500 a\r\n", "", "malformed reply", away],
    ["NOOP\r\n", "25\r\n", "", "malformed reply", away],
    ["NOOP\r\n", "150 a\r\n", "", "malformed reply", away],
    ["NOOP\r\n", "600 a\r\n", "", "malformed reply", away],
    ["NOOP\r\n", "2:0 a\r\n", "", "malformed reply", away],
    ["NOOP\r\n", `250 ${"x".repeat(2043)}\r\n`, "", "overlong reply", away],
    ["NOOP\r\n", "250-a\r\n".repeat(1001), "250-a\r\n".repeat(1000), "endless reply", ""],
  ] as const) {
    const followed = new Followed().play([...opening, ["C", command], ["S", said]]);
    t.equal(followed.end, "failed protocol-violation", JSON.stringify(said.slice(0, 40)));
    t.equal(followed.watch.conclusion?.detail, detail);
    t.equal(followed.toClient, openingSaid + passed + words);
  }
});

t.test("SmtpWatch tells the client to come back when the server is lost, unless it was told", async (t) => {
  for (const [script, words] of [
    [[], ""],
    [
      [
        ["C", "NOOP\r\n"],
        ["S", ok],
      ],
      "",
    ],
    [[["C", "NOOP\r\n"]], away],
    [
      [
        ["C", "AUTH LOGIN\r\n"],
        ["S", "334 VXNlcm5hbWU6\r\n"],
      ],
      away,
    ],
    [
      [
        ["C", `${mail}${rcpt}DATA\r\n`],
        ["S", `${ok}${ok}354 go\r\n`],
        ["C", "a\r\n"],
      ],
      away,
    ],
    [
      [
        ["C", `${mail}${rcpt}DATA\r\n`],
        ["S", `${ok}${ok}354 go\r\n`],
        ["C", "a\r\n.\r\n"],
      ],
      away,
    ],
    [
      [
        ["C", "NOOP\r\n"],
        ["S", "250 hal"],
      ],
      away,
    ],
    [
      [
        ["C", "HELP\r\n"],
        ["S", "214-a\r\n"],
      ],
      "",
    ],
    [
      [
        ["C", "QUIT\r\n"],
        ["S", "221 Bye\r\n"],
      ],
      "",
    ],
    [[["S", "421 4.4.2 timeout\r\n"]], ""],
  ] as const) {
    const followed = new Followed().play([...opening, ...script]);
    t.equal(textOf(followed.watch.lost()), words, JSON.stringify(script));
  }
});

t.test("SmtpWatch takes as much as it says when it comes to its bounds", async (t) => {
  const followed = new Followed().play(opening);
  followed.client(bytesOf(`NOOP ${"x".repeat(2041)}\r\n`));
  followed.client(bytesOf("NOOP\r\n".repeat(1023)));
  followed.server(bytesOf(`250 ${"x".repeat(2042)}\r\n`));
  followed.client(bytesOf("NOOP\r\n"));
  t.equal(followed.toServer.length, openingHeard.length + 2048 + 6 * 1024);
  followed.client(bytesOf("NOOP\r\nNOOP\r\n"));
  t.equal(followed.toServer.length, openingHeard.length + 2048 + 6 * 1024);
  t.equal(followed.ended, false, "its turn has not come");
  followed.server(bytesOf(ok.repeat(1024)));
  t.equal(followed.end, "refused too-many-commands");
  t.ok(followed.toClient.endsWith(ok + away));
  const login = new Followed().play(opening);
  login.client(bytesOf(`AUTH PLAIN ${"x".repeat(12275)}\r\n`));
  login.server(bytesOf("334 \r\n"));
  login.client(bytesOf(`${"x".repeat(12286)}\r\n`));
  t.equal(login.end, "following");
});

t.test("SmtpWatch ends the session when it has refused twenty commands", async (t) => {
  const followed = new Followed().play(opening);
  followed.client(bytesOf(`NOOP\r\n${"XCLIENT\r\n".repeat(19)}`));
  t.equal(followed.end, "following");
  followed.client(bytesOf("XCLIENT\r\nNOOP\r\n"));
  followed.server(bytesOf(ok));
  t.equal(followed.toServer, `${openingHeard}NOOP\r\n`);
  const refusal = "502 5.5.1 Error: command not implemented\r\n";
  const last = "421 4.7.0 mx.example.test Error: too many errors\r\n";
  t.equal(followed.toClient, openingSaid + ok + refusal.repeat(20) + last);
  t.equal(followed.end, "refused too-many-errors");
});

t.test(
  "SmtpWatch counts the server's errors with its own, and forgives all when a message is taken",
  async (t) => {
    const wrong = `550 no\r\n`;
    const followed = new Followed().play(opening);
    const errs = (own: number, others: number) => {
      followed.client(bytesOf("NOOP\r\n".repeat(others)));
      followed.server(bytesOf(wrong.repeat(others)));
      followed.client(bytesOf("XCLIENT\r\n".repeat(own)));
    };
    errs(9, 10);
    errs(0, 1);
    t.equal(followed.end, "following", "it is the server that ends a session for its own");
    followed.play([
      ["C", `${mail}${rcpt}DATA\r\n`],
      ["S", `${ok}${ok}354 go\r\n`],
      ["C", "a\r\n.\r\n"],
      ["S", ok],
    ]);
    errs(9, 10);
    t.equal(followed.end, "following");
    errs(1, 0);
    t.equal(followed.end, "refused too-many-errors");
  },
);

t.test("SmtpWatch keeps what a client says ahead of an answer until it is there", async (t) => {
  const text = "a\r\n.\r\nQUIT\r\n";
  const followed = new Followed().play(opening);
  followed.client(bytesOf(`${mail}${rcpt}DATA\r\n${text.slice(0, 4)}`));
  t.equal(followed.end, "waiting");
  followed.client(bytesOf(text.slice(4)));
  followed.server(bytesOf(ok + ok));
  t.equal(followed.toServer, `${openingHeard}${mail}${rcpt}DATA\r\n`);
  t.equal(followed.end, "waiting");
  followed.server(bytesOf("354 go\r\n"));
  t.equal(followed.end, "following");
  t.equal(followed.toServer, `${openingHeard}${mail}${rcpt}DATA\r\n${text}`);
  followed.server(bytesOf(`${ok}221 Bye\r\n`));
  t.same(followed.facts, ["message + 1"]);
  // Where the server does not want the message, the same bytes are commands, and judged as such.
  const refused = new Followed({ "message-rate": 1 }).play(opening);
  refused.client(bytesOf(`${mail}DATA\r\n${mail}`));
  refused.server(bytesOf(`${ok}554 no\r\n`));
  refused.client(bytesOf(`RSET\r\n${mail}`));
  t.equal(refused.toServer, `${openingHeard}${mail}DATA\r\n${mail}RSET\r\n`);
  t.ok(refused.asked.length === 2);
  // Behind AUTH the next line may be a secret, or a command.
  const login = new Followed().play(opening);
  login.client(bytesOf("AUTH LOGIN\r\nXCLIENT\r\nXCLIENT\r\nXCLIENT\r\n"));
  login.play([
    ["S", "334 VXNlcm5hbWU6\r\n"],
    ["S", "334 UGFzc3dvcmQ6\r\n"],
    ["S", "535 no\r\n"],
  ]);
  t.equal(login.toServer, `${openingHeard}AUTH LOGIN\r\nXCLIENT\r\nXCLIENT\r\n`);
  t.ok(login.toClient.endsWith("535 no\r\n502 5.5.1 Error: command not implemented\r\n"));
});

t.test("SmtpWatch passes a greeting on at once when its end may never come", async (t) => {
  const followed = new Followed();
  followed.server(bytesOf("220-mail.example.test ESMTP\r\n"));
  t.equal(followed.toClient, "220-mail.example.test ESMTP\r\n");
  followed.client(bytesOf("XCLIENT ADDR=192.0.2.1\r\nEHLO spam\r\n"));
  t.equal(followed.toServer, "EHLO spam\r\n");
  followed.server(bytesOf("250-mail.example.test\r\n250 XCLIENT NAME\r\n"));
  t.equal(
    followed.toClient,
    "220-mail.example.test ESMTP\r\n502 5.5.1 Error: command not implemented\r\n250 mail.example.test\r\n",
  );
  const dropped = new Followed().play([["S", "220-mail.example.test ESMTP\r\n521 5.7.1 Blocked\r\n"]]);
  t.equal(dropped.toClient, "220-mail.example.test ESMTP\r\n521 5.7.1 Blocked\r\n");
  t.equal(dropped.end, "following");
});

t.test(
  "SmtpWatch takes XCLIENT and XFORWARD out when an EHLO reply has them, and nothing else",
  async (t) => {
    for (const [reply, shown] of [
      ["250-h\r\n250-XCLIENT NAME ADDR\r\n250 SIZE\r\n", "250-h\r\n250 SIZE\r\n"],
      ["250-h\r\n250-SIZE\r\n250 xForward=NAME\r\n", "250-h\r\n250 SIZE\r\n"],
      ["250-h\r\n250-xclient\r\n250 XFORWARD\r\n", "250 h\r\n"],
      ["250-XCLIENT\r\n250-XCLIENTS a\r\n250-AUTH=XCLIENT\r\n250-\r\n250\r\n", null],
      ["250 XCLIENT\r\n", null],
      ["250-h\r\n421 4.3.2 bye\r\n", null],
      ["502-h\r\n502 XCLIENT\r\n", null],
    ] as const) {
      const followed = new Followed().play([...opening, ["C", "EHLO x\r\n"]]);
      const chunk = bytesOf(reply);
      followed.server(chunk);
      t.equal(textOf(chunk), reply, "the chunk is left as it is");
      t.equal(followed.toClient, openingSaid + (shown ?? reply), JSON.stringify(reply));
      t.equal(followed.end, "following");
    }
  },
);

t.test("SmtpWatch counts a MAIL before EHLO when the server has taken it", async (t) => {
  const demanding = new Followed({ "message-rate": 0 }).play([
    ["S", "220 hi\r\n"],
    ["C", mail],
    ["S", "503 5.5.1 Error: send HELO/EHLO first\r\n"],
    ["C", "HELO\r\n"],
    ["S", "501 Syntax\r\n"],
    ["C", mail],
    ["S", "503 5.5.1 Error: send HELO/EHLO first\r\n"],
    ["C", `HELO x\r\n${mail}`],
    ["S", "250 x\r\n"],
  ]);
  t.same(demanding.asked, ["message-rate"]);
  t.match(demanding.toClient, /\r\n250 x\r\n450 4\.7\.1 Error: too much mail from 203\.0\.113\.7\r\n$/);
  t.equal(demanding.end, "following");
  const lenient = new Followed({ "message-rate": 1 }).play([
    ["S", "220 hi\r\n"],
    ["C", mail],
    ["S", ok],
    ["C", `RSET\r\n${mail}${rcpt}`],
    ["S", ok + ok + ok],
    ["C", "DATA\r\n"],
  ]);
  t.equal(lenient.toServer, `${mail}RSET\r\n${mail}${rcpt}`);
  t.equal(
    lenient.toClient,
    `220 hi\r\n${ok}${ok}450 4.7.1 Error: too much mail from 203.0.113.7\r\n421 4.3.2 mx.example.test Service not available, try again later\r\n`,
  );
  t.equal(lenient.end, "refused message-rate");
});

t.test("SmtpWatch writes an address as Postfix does when it refuses", async (t) => {
  for (const [text, written] of [
    ["2001:DB8:0:0:1:0:0:3", "2001:db8::1:0:0:3"],
    ["::ffff:203.0.113.9", "203.0.113.9"],
  ] as const) {
    const followed = new Followed({ "message-rate": 0 }, Address.parse(text) ?? undefined).play(opening);
    followed.client(bytesOf(mail));
    t.equal(followed.toClient, `${openingSaid}450 4.7.1 Error: too much mail from ${written}\r\n`);
  }
});

t.test(
  "SmtpWatch is committed from a message's end until the server has said what becomes of it",
  async (t) => {
    for (const [script, begun, ended] of [
      ["DATA\r\n", "354 go\r\n", "a\r\n.\r\n"],
      ["BDAT 2\r\n", "", "a\nBDAT 0 LAST\r\n"],
    ] as const) {
      const followed = new Followed().play([
        ...opening,
        ["C", `${mail}${rcpt}${script}`],
        ["S", `${ok}${ok}${begun}`],
      ]);
      t.equal(followed.watch.isCommitted, false, "its content is still to come");
      followed.client(bytesOf(ended));
      t.equal(followed.watch.isCommitted, true);
      if (begun === "") followed.server(bytesOf("250 2 octets\r\n"));
      followed.server(bytesOf("250 2.0.0 Ok: queued as 12345\r"));
      t.equal(followed.watch.isCommitted, true);
      followed.server(bytesOf("\n"));
      t.equal(followed.watch.isCommitted, false);
    }
  },
);

t.test("SmtpWatch is committed to the message before while a last chunk's octets are to come", async (t) => {
  const followed = new Followed().play([
    ...opening,
    ["C", `${mail}${rcpt}BDAT 2 LAST\r\na`],
    ["S", `${ok}${ok}`],
  ]);
  t.equal(followed.watch.isCommitted, false);
  followed.client(bytesOf("b"));
  t.equal(followed.watch.isCommitted, true);
  followed.client(bytesOf(`${mail}${rcpt}BDAT 2 LAST\r\nc`));
  t.equal(followed.watch.isCommitted, true, "to the first, of which nothing was said yet");
  followed.server(bytesOf(`250 2.0.0 Ok: queued as 12345\r\n${ok}${ok}`));
  t.equal(followed.watch.isCommitted, false);
  followed.client(bytesOf("d"));
  t.equal(followed.watch.isCommitted, true);
  followed.server(bytesOf("250 2.0.0 Ok: queued as 12346\r\n"));
  t.equal(followed.watch.isCommitted, false);
});

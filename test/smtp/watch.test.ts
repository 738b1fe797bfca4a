/** The watch where nothing may pass, where nothing may change, and at its bounds. Whole sessions are in another file. */
import t from "tap";
import { Address } from "../../src/address.ts";
import { bytesOf, textOf } from "../../src/lines.ts";
import { Followed, opening, openingHeard, openingSaid, type Script } from "./follow.ts";

const mail = "MAIL FROM:<carol@example.org>\r\n";
const rcpt = "RCPT TO:<alice@example.test>\r\n";
const ok = "250 2.1.0 Ok\r\n";
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
  for (const [said, passed, violation] of [
    ["NOOP\r\nNOOP\n", "NOOP\r\n", "NUL, bare CR or bare LF"],
    ["\n", "", "NUL, bare CR or bare LF"],
    ["NO\rOP\r\n", "", "NUL, bare CR or bare LF"],
    ["NOOP\r\r\n", "", "NUL, bare CR or bare LF"],
    ["NOOP\0\r\n", "", "NUL, bare CR or bare LF"],
    [`NOOP ${"x".repeat(2042)}\r\n`, "", "overlong line"],
    ["x".repeat(12289), "", "overlong line"],
    [`AUTH PLAIN ${"x".repeat(12276)}\r\n`, "", "overlong line"],
    ["STARTTLS\r\nNOOP\r\n", "STARTTLS\r\n", "bytes ahead of the server's answer"],
    ["DATA\r\n.", "DATA\r\n", "bytes ahead of the server's answer"],
    ["AUTH LOGIN\r\nQUIT\r\n", "AUTH LOGIN\r\n", "bytes ahead of the server's answer"],
    ["BDAT\r\n", "", "malformed BDAT"],
    ["BDAT -1\r\n", "", "malformed BDAT"],
    ["BDAT 0x10\r\n", "", "malformed BDAT"],
    ["BDAT 1 LAST x\r\n", "", "malformed BDAT"],
    ["BDAT 1LAST\r\n", "", "malformed BDAT"],
    [`BDAT 1${"0".repeat(15)}\r\n`, "", "malformed BDAT"],
  ] as const) {
    const followed = new Followed().play(opening);
    followed.client(bytesOf(said));
    t.equal(followed.watch.violation, violation, JSON.stringify(said.slice(0, 40)));
    t.equal(followed.toServer, openingHeard + passed);
    followed.play([
      ["C", "QUIT\r\n"],
      ["S", ok],
    ]);
    t.equal(followed.watch.client(bytesOf("NOOP\r\n")).length + followed.watch.server(bytesOf(ok)).length, 0);
  }
});

t.test("SmtpWatch ends the session when what the server says cannot be followed", async (t) => {
  for (const [command, said, passed, violation] of [
    ["", ok, "", "reply to nothing"],
    ["NOOP\r\n", ok + ok, ok, "reply to nothing"],
    ["NOOP\r\n", "354 go\r\n", "", "reply out of step"],
    ["NOOP\r\n", "334 \r\n", "", "reply out of step"],
    ["DATA\r\n", "250 Ok\r\n", "", "reply out of step"],
    ["STARTTLS\r\n", "250 Ok\r\n", "", "reply out of step"],
    ["DATA\r\n", "334 \r\n", "", "reply out of step"],
    ["AUTH PLAIN\r\n", "354 go\r\n", "", "reply out of step"],
    ["NOOP\r\n", "250-a\r\n251 b\r\n", "250-a\r\n", "mixed reply"],
    ["NOOP\r\n", "250 a\n", "", "malformed reply"],
    ["NOOP\r\n", "250 a\rb\r\n", "", "malformed reply"],
    ["NOOP\r\n", "250 a\0\r\n", "", "malformed reply"],
    ["NOOP\r\n", "2500 a\r\n", "", "malformed reply"],
    ["NOOP\r\n", "25\r\n", "", "malformed reply"],
    ["NOOP\r\n", "150 a\r\n", "", "malformed reply"],
    ["NOOP\r\n", "600 a\r\n", "", "malformed reply"],
    ["NOOP\r\n", "2:0 a\r\n", "", "malformed reply"],
    ["NOOP\r\n", `250 ${"x".repeat(2043)}\r\n`, "", "overlong reply"],
    ["NOOP\r\n", "250-a\r\n".repeat(1001), "250-a\r\n".repeat(1000), "endless reply"],
    ["STARTTLS\r\n", "220 go\r\n250 injected\r\n", "220 go\r\n", "bytes behind the reply to STARTTLS"],
  ] as const) {
    const followed = new Followed().play([...opening, ["C", command], ["S", said]]);
    t.equal(followed.watch.violation, violation, JSON.stringify(said.slice(0, 40)));
    t.equal(followed.toClient, openingSaid + passed);
  }
});

t.test("SmtpWatch takes as much as it says when it comes to its bounds", async (t) => {
  const followed = new Followed().play(opening);
  followed.client(bytesOf(`NOOP ${"x".repeat(2041)}\r\n`));
  followed.client(bytesOf("NOOP\r\n".repeat(1023)));
  t.equal(followed.watch.violation, null);
  followed.server(bytesOf(`250 ${"x".repeat(2042)}\r\n`));
  followed.client(bytesOf("NOOP\r\n"));
  t.equal(followed.watch.violation, null);
  followed.client(bytesOf("NOOP\r\n"));
  t.equal(followed.watch.violation, "too many commands at once");
  const login = new Followed().play(opening);
  login.client(bytesOf(`AUTH PLAIN ${"x".repeat(12275)}\r\n`));
  login.server(bytesOf("334 \r\n"));
  login.client(bytesOf(`${"x".repeat(12286)}\r\n`));
  t.equal(login.watch.violation, null);
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
  t.equal(dropped.watch.violation, null);
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
      t.equal(followed.watch.violation, null);
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
  t.equal(demanding.watch.closing, false);
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
  t.equal(lenient.watch.closing && lenient.watch.severed, true);
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

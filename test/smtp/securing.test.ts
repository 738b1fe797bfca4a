/** The watch where TLS ends here: what is offered, who may begin, and what is void from then on. */
import t from "tap";
import { bytesOf, textOf } from "../../src/lines.ts";
import { singly } from "../cuts.ts";
import { type Allowances, Followed, type Script } from "./follow.ts";

const ours: Allowances = { options: { startTls: "offered", loginNeedsTls: true } };
const greeting = "220 mail.example.test ESMTP\r\n";
const list = "250-h\r\n250-SIZE 1\r\n250-StartTLS\r\n250-AUTH=PLAIN\r\n250 AUTH PLAIN LOGIN\r\n";
const begin = "220 2.0.0 Ready to start TLS\r\n";
const away = "421 4.3.2 mx.example.test Service not available, try again later\r\n";
const ok = "250 2.0.0 Ok\r\n";
const opening: Script = [
  ["S", greeting],
  ["C", "EHLO a\r\n"],
  ["S", list],
];

t.test("SmtpWatch offers STARTTLS and hides AUTH when TLS ends here and has not begun", async (t) => {
  for (const [reply, shown] of [
    [list, "250-h\r\n250-STARTTLS\r\n250 SIZE 1\r\n"],
    ["250 h\r\n", "250-h\r\n250 STARTTLS\r\n"],
    ["250\r\n", "250-\r\n250 STARTTLS\r\n"],
    ["250-h\r\n250 AUTH PLAIN\r\n", "250-h\r\n250 STARTTLS\r\n"],
    ["250-h\r\n250-XCLIENT\r\n250 AUTHENTIC\r\n", "250-h\r\n250-STARTTLS\r\n250 AUTHENTIC\r\n"],
    ["502 no\r\n", "502 no\r\n"],
  ] as const) {
    const script: Script = [
      ["S", greeting],
      ["C", "EHLO a\r\n"],
      ["S", reply],
    ];
    t.equal(new Followed(ours).play(script).toClient, greeting + shown, JSON.stringify(reply));
    t.equal(new Followed(ours).play(script, singly).toClient, greeting + shown, JSON.stringify(reply));
  }
  const helo = new Followed(ours).play([
    ["S", greeting],
    ["C", "HELO a\r\n"],
    ["S", "250 h\r\n"],
  ]);
  t.equal(helo.toClient, `${greeting}250 h\r\n`, "HELO has no list");
});

t.test("SmtpWatch begins TLS, and lets the server forget, when the client says STARTTLS", async (t) => {
  const followed = new Followed(ours).play([
    ...opening,
    ["C", "MAIL FROM:<a@example.org>\r\n"],
    ["S", ok],
    ["C", "starttls\r\n"],
  ]);
  t.equal(followed.end, "following");
  t.equal(followed.toServer, "EHLO a\r\nMAIL FROM:<a@example.org>\r\nRSET\r\n");
  followed.play([["S", ok]]);
  t.equal(followed.end, "securing");
  t.ok(followed.toClient.endsWith(ok + begin), "not the reply to RSET");
  const before = followed.toClient.length;
  followed.play([
    ["T", ""],
    ["C", "MAIL FROM:<b@example.org>\r\n"],
    ["S", "503 5.5.1 Error: send HELO/EHLO first\r\n"],
    ["C", "EHLO a\r\n"],
    ["S", list],
    ["C", "STARTTLS\r\nAUTH PLAIN AGEAYg==\r\n"],
  ]);
  t.equal(followed.end, "following");
  t.same(followed.asked, ["message-rate", "auth-rate"], "a MAIL without a new EHLO is not in its place");
  t.equal(
    followed.toClient.slice(before),
    "503 5.5.1 Error: send HELO/EHLO first\r\n250-h\r\n250-SIZE 1\r\n250-AUTH=PLAIN\r\n250 AUTH PLAIN LOGIN\r\n554 5.5.1 Error: TLS already active\r\n",
  );
});

t.test("SmtpWatch gives the go-ahead in its turn when commands stand before STARTTLS", async (t) => {
  const followed = new Followed(ours).play([
    ...opening,
    ["C", "NOOP\r\nXCLIENT\r\nSTARTTLS\r\n"],
    ["S", `${ok}${ok}`],
  ]);
  t.equal(followed.end, "securing");
  t.ok(followed.toClient.endsWith(`${ok}502 5.5.1 Error: command not implemented\r\n${begin}`));
});

t.test("SmtpWatch refuses STARTTLS when the client may not begin", async (t) => {
  for (const [allowances, script, reply] of [
    [{ securing: "limited" }, [], "454 4.7.0 Error: too many new TLS sessions from unknown[203.0.113.7]\r\n"],
    [{ securing: "busy" }, [], "454 4.7.0 TLS not available due to local problem\r\n"],
    [{ options: { startTls: "begun" } }, [], "554 5.5.1 Error: TLS already active\r\n"],
    [
      { options: { startTls: "offered" } },
      [
        ["C", "AUTH PLAIN AGEAYg==\r\n"],
        ["S", "235 in\r\n"],
        ["C", "AUTH PLAIN AGEAYg==\r\n"],
        ["S", "503 already\r\n"],
      ],
      "503 5.5.1 Error: already authenticated\r\n",
    ],
  ] as const) {
    const followed = new Followed({ ...ours, ...allowances }).play([
      ...opening,
      ...script,
      ["C", "STARTTLS \r\nSTARTTLS now\r\n"],
    ]);
    t.ok(followed.toClient.endsWith(`${reply}501 5.5.4 Syntax: STARTTLS\r\n`), reply);
    t.notOk(followed.toServer.includes("RSET"));
    t.equal(followed.end, "following");
  }
});

t.test("SmtpWatch passes the server's own no on when it does not take the RSET", async (t) => {
  const followed = new Followed(ours).play([...opening, ["C", "STARTTLS\r\n"], ["S", "421 4.3.2 bye\r\n"]]);
  t.ok(followed.toClient.endsWith("421 4.3.2 bye\r\n"));
  t.equal(followed.end, "following");
});

t.test("SmtpWatch ends the session when anything comes with STARTTLS or its answer", async (t) => {
  const synchronization = "554 5.5.0 mx.example.test Error: SMTP protocol synchronization\r\n";
  for (const startTls of ["offered", "passed"] as const) {
    const allowances = { options: { startTls } };
    const reply = startTls === "offered" ? ok : begin;
    for (const script of [
      [["C", "STARTTLS\r\nEHLO b\r\n"]],
      [["C", "STARTTLS\r\n\x16\x03"]],
      [
        ["C", "STARTTLS\r\n"],
        ["C", "E"],
      ],
    ] as const) {
      const followed = new Followed(allowances).play([...opening, ["C", "NOOP\r\n"], ...script]);
      t.equal(followed.ended, false, "its turn has not come");
      followed.server(bytesOf(ok));
      t.equal(followed.end, "refused command-injection", startTls);
      t.ok(followed.toClient.endsWith(`\r\n${ok}${synchronization}`), "in place of a go-ahead");
      t.notOk(followed.toServer.includes("EHLO b"));
    }
    const injected = new Followed(allowances).play([
      ...opening,
      ["C", "STARTTLS\r\n"],
      ["S", `${reply}250 injected\r\n`],
    ]);
    t.equal(injected.end, "failed response-injection", startTls);
    t.ok(injected.toClient.endsWith(`\r\n${away}`));
    t.notOk(injected.toClient.includes(begin), "no go-ahead");
  }
  const late = new Followed(ours).play([...opening, ["C", "STARTTLS\r\n"], ["S", ok], ["C", "EHLO b\r\n"]]);
  t.equal(late.end, "refused command-injection");
});

t.test("SmtpWatch keeps logins back when they have to wait for TLS", async (t) => {
  const followed = new Followed(ours).play([...opening, ["C", "AUTH PLAIN AGEAYg==\r\nNOOP\r\n"], ["S", ok]]);
  t.equal(followed.toServer, "EHLO a\r\nNOOP\r\n");
  t.ok(
    followed.toClient.endsWith(
      `538 5.7.11 Encryption required for requested authentication mechanism\r\n${ok}`,
    ),
  );
  t.same(followed.asked, ["auth-rate"], "and counts them all the same");
  const lax = new Followed({ options: { startTls: "offered", loginNeedsTls: false } }).play(opening);
  t.ok(lax.toClient.endsWith("250-SIZE 1\r\n250-AUTH=PLAIN\r\n250 AUTH PLAIN LOGIN\r\n"));
});

t.test("SmtpWatch sends a client away when too many of its logins have failed", async (t) => {
  const followed = new Followed({ mayLogIn: false }).play([
    ...opening,
    ["C", "NOOP\r\nAUTH PLAIN AGEAYg==\r\nNOOP\r\n"],
  ]);
  t.equal(followed.toServer, "EHLO a\r\nNOOP\r\n");
  followed.play([["S", ok]]);
  t.equal(followed.end, "refused auth-failure-rate");
  t.ok(
    followed.toClient.endsWith(
      `${ok}421 4.7.0 mx.example.test Error: too many failed logins from 203.0.113.7\r\n`,
    ),
  );
});

t.test("SmtpWatch refuses a client that talks before the whole greeting when it is told to", async (t) => {
  const strict: Allowances = { options: { earlyTalk: "refuse" } };
  const early = new Followed(strict).play([
    ["S", "220-h\r\n"],
    ["C", "EHLO a\r\n"],
  ]);
  t.equal(early.toServer, "");
  early.play([["S", "220 h\r\n"]]);
  t.equal(early.end, "refused early-talk");
  t.equal(new Followed(strict).play(opening).end, "following");
});

t.test("SmtpWatch ends the session when the client's first bytes are no text", async (t) => {
  for (const [text, end] of [
    ["\x16\x03\x01\x02\x00\x01", "refused not-smtp"],
    ["\xff\xf4", "refused not-smtp"],
    ["\x7f", "refused not-smtp"],
    ["\r\nEHLO a\r\n", "following"],
    [" EHLO a\r\n", "following"],
    ["~\r\n", "following"],
  ] as const) {
    const followed = new Followed().play([
      ["S", greeting],
      ["C", text],
    ]);
    t.equal(followed.end, end, JSON.stringify(text));
    t.equal(followed.toServer, end === "following" ? text : "");
    t.equal(followed.watch.conclusion?.detail, end === "following" ? undefined : "no text");
  }
});

t.test("SmtpWatch closes at once when a newline stands alone and it is told to", async (t) => {
  const followed = new Followed({ options: { bareNewline: "close" } }).play([
    ...opening,
    ["C", "MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n"],
    ["S", `${ok}${ok}354 go\r\n`],
    ["C", "a\nb"],
  ]);
  t.equal(followed.end, "refused bare-newline");
  t.equal(
    textOf(followed.watch.conclusion?.words ?? bytesOf("")),
    `550 5.5.2 mx.example.test Error: bare <LF> received\r\n${away}`,
  );
  t.same(followed.facts, ["message - 1"]);
});

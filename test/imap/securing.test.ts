/** The watch where TLS ends here, and the logins that have to wait for it. */
import t from "tap";
import { bytesOf } from "../../src/lines.ts";
import { singly } from "../cuts.ts";
import { type Allowances, Followed, greeting, type Script } from "./follow.ts";

const ours: Allowances = { options: { startTls: "offered", loginNeedsTls: true } };
const begin = "s OK Begin TLS negotiation now\r\n";
const injected = "* BYE [CLIENTBUG] Nothing may follow STARTTLS ahead of TLS\r\n";
const away = "* BYE [UNAVAILABLE] Service not available, try again later\r\n";

function played(allowances: Allowances, script: Script, cutsOf?: (bytes: Uint8Array) => number[]): Followed {
  return new Followed(allowances).play([["S", greeting], ...script], cutsOf);
}

t.test("ImapWatch begins TLS without the server when the client says STARTTLS", async (t) => {
  for (const cutsOf of [undefined, singly]) {
    const followed = new Followed(ours).play(
      [
        ["S", "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n"],
        ["C", "s starttls\r\n"],
      ],
      cutsOf,
    );
    t.equal(followed.end, "securing");
    t.equal(followed.toServer, "");
    t.equal(followed.toClient, `* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] hi\r\n${begin}`);
    const before = followed.toClient.length;
    followed.play(
      [
        ["T", ""],
        ["C", "a CAPABILITY\r\n"],
        ["S", "* CAPABILITY IMAP4rev1 STARTTLS SASL-IR AUTH=PLAIN\r\na OK x\r\n"],
        ["C", "b STARTTLS\r\nc LOGIN joe x\r\n"],
        ["S", "c OK in\r\n"],
      ],
      cutsOf,
    );
    t.equal(
      followed.toClient.slice(before),
      "* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\na OK x\r\nb BAD TLS already active\r\nc OK in\r\n",
    );
    t.equal(followed.toServer, "a CAPABILITY\r\nc LOGIN joe x\r\n");
    t.equal(followed.end, "opaque");
    t.same(followed.facts, ["+ LOGIN joe"]);
  }
});

t.test(
  "ImapWatch gives the go-ahead when all before it is completed, and no response half said",
  async (t) => {
    const followed = played(ours, [["C", "a NOOP\r\nb NOOP\r\ns STARTTLS\r\n"]]);
    t.equal(followed.toServer, "a NOOP\r\nb NOOP\r\n");
    for (const [text, end] of [
      ["a OK x\r\n", "following"],
      ["b OK y\r\n* OK", "following"],
      [" wait\r\n", "securing"],
    ] as const) {
      followed.play([["S", text]]);
      t.equal(followed.end, end, text);
    }
    t.equal(followed.toClient, `${greeting}a OK x\r\nb OK y\r\n* OK wait\r\n${begin}`);
  },
);

t.test("ImapWatch refuses STARTTLS in its tag when the client may not begin", async (t) => {
  for (const [allowances, reply] of [
    [{ ...ours, securing: "limited" }, "s NO [LIMIT] Too many new TLS sessions, try again later\r\n"],
    [{ ...ours, securing: "busy" }, "s NO [UNAVAILABLE] TLS not available now, try again later\r\n"],
    [{ options: { startTls: "begun" } }, "s BAD TLS already active\r\n"],
  ] as const) {
    const followed = played(allowances, [["C", "s STARTTLS\r\na NOOP\r\n"]]);
    t.equal(followed.toClient, greeting + reply);
    t.equal(followed.toServer, "a NOOP\r\n");
    t.equal(followed.end, "following");
  }
});

t.test("ImapWatch ends the session when anything comes with STARTTLS or its answer", async (t) => {
  for (const startTls of ["offered", "passed"] as const) {
    for (const script of [
      [["C", "s STARTTLS\r\nb NOOP\r\n"]],
      [["C", "s STARTTLS\r\n\x16\x03"]],
      [["C", "a NOOP\r\ns STARTTLS\r\nb"]],
    ] as const) {
      const followed = played({ options: { startTls } }, script);
      t.equal(followed.end, "refused command-injection", startTls);
      t.equal(followed.toClient, greeting + injected, "and no go-ahead");
      t.notMatch(followed.toServer, /b NOOP|\x16/);
    }
  }
  const late = played(ours, [
    ["C", "s STARTTLS\r\n"],
    ["C", "b"],
  ]);
  t.equal(late.end, "refused command-injection");
  t.equal(late.toClient, greeting + begin + injected);
  const fromServer = played({}, [
    ["C", "s STARTTLS\r\n"],
    ["S", "s OK go\r\n* OK [ALERT] injected\r\n"],
  ]);
  t.equal(fromServer.end, "failed response-injection: bytes behind the go-ahead");
  t.equal(fromServer.toClient, greeting + away);
});

t.test("ImapWatch keeps logins back when they have to wait for TLS", async (t) => {
  const needs = (tag: string) => `${tag} NO [PRIVACYREQUIRED] Login needs TLS\r\n`;
  for (const startTls of ["offered", "passed"] as const) {
    const allowances = { options: { startTls, loginNeedsTls: true } };
    const script: Script = [
      ["C", "a LOGIN joe x\r\nb AUTHENTICATE PLAIN AGEAYg==\r\nc LOGIN {3+}\r\njoe {1}\r\nd NOOP\r\n"],
    ];
    for (const cutsOf of [undefined, singly]) {
      const followed = played(allowances, script, cutsOf);
      t.equal(followed.toServer, "d NOOP\r\n");
      t.equal(followed.toClient, greeting + needs("a") + needs("b") + needs("c"));
      t.same(followed.asked, ["auth-rate", "auth-rate", "auth-rate"], "and counts them all the same");
      t.same(followed.facts, []);
    }
  }
  const lax = played({ options: { startTls: "begun", loginNeedsTls: true } }, [["C", "a LOGIN joe x\r\n"]]);
  t.equal(lax.toServer, "a LOGIN joe x\r\n");
});

t.test("ImapWatch passes STARTTLS on as a command when TLS is the server's", async (t) => {
  const followed = played({}, [
    ["C", "s STARTTLS\r\n"],
    ["S", "s NO not now\r\n"],
    ["C", "a NOOP\r\n"],
  ]);
  t.equal(followed.toServer, "s STARTTLS\r\na NOOP\r\n");
  t.equal(followed.end, "following");
  followed.server(bytesOf("* CAPABILITY STARTTLS AUTH=PLAIN LOGINDISABLED\r\n"));
  t.ok(followed.toClient.endsWith("* CAPABILITY STARTTLS AUTH=PLAIN LOGINDISABLED\r\n"), "as it came");
});

/** The watch on the server's side: limits and their words among its responses, its own faults, and its end. */
import t from "tap";
import { bytesOf, textOf } from "../../src/lines.ts";
import { singly } from "../cuts.ts";
import { type Allowances, Followed, greeting, type Script } from "./follow.ts";

const away = "* BYE [UNAVAILABLE] Service not available, try again later\r\n";
const tooMany = (tag: string) => `${tag} NO [LIMIT] Too many login attempts, try again later\r\n`;

function played(allowances: Allowances, script: Script, cutsOf?: (bytes: Uint8Array) => number[]): Followed {
  return new Followed(allowances).play([["S", greeting], ...script], cutsOf);
}

t.test("ImapWatch refuses logins in their tag when there are too many, and goes on", async (t) => {
  const script: Script = [
    ["C", "a NOOP\r\nb LOGIN joe x\r\nc AUTHENTICATE PLAIN AGEAYg==\r\nd AUTHENTICATE LOGIN\r\n"],
    ["C", "e LOGIN {3}\r\nf LOGIN {3+}\r\na\r\n {2+}\r\nb \r\ng LOGIN {3+}\r\njoe {4}\r\nh NOOP\r\n"],
    ["S", "a OK x\r\nh OK y\r\n"],
  ];
  for (const cutsOf of [undefined, singly]) {
    const followed = played({ logins: 0 }, script, cutsOf);
    t.equal(followed.toServer, "a NOOP\r\nh NOOP\r\n");
    t.equal(
      followed.toClient,
      `${greeting}${[..."bcdefg"].map(tooMany).join("")}a OK x\r\nh OK y\r\n`,
      "a literal that the client waits with never comes; another is no command",
    );
    t.equal(followed.asked.length, 6);
    t.equal(followed.end, "following");
  }
  const second = played({ logins: 1 }, [
    ["C", "a LOGIN joe x\r\nb LOGIN joe y\r\n"],
    ["S", "a NO no\r\n"],
  ]);
  t.equal(second.toServer, "a LOGIN joe x\r\n");
  t.equal(second.toClient, `${greeting}a NO no\r\n${tooMany("b")}`);
  t.equal(second.watch.lost().length, 0, "the server owes no answer to what it has not seen");
});

t.test("ImapWatch holds its own words back when a response is half said", async (t) => {
  const followed = played({ logins: 0 }, [["S", "* ID ({9}\r\na OK"]]);
  followed.play([["C", "b LOGIN joe x\r\n"]]);
  t.equal(followed.toClient, greeting + tooMany("b"), "ahead of it, as none of it has passed");
  followed.play([["S", "\r\nyz NIL)\r\n"]]);
  t.equal(followed.toClient, `${greeting}${tooMany("b")}* ID ({9}\r\na OK\r\nyz NIL)\r\n`);
});

t.test(
  "ImapWatch sends a client away when too many of its logins have failed, pipelined or not",
  async (t) => {
    const followed = played({ failures: 2 }, [
      ["C", "a LOGIN joe x\r\nb LOGIN joe y\r\nc AUTHENTICATE PLAIN AGpvZQB6\r\nd NOOP\r\n"],
      ["S", "a NO no\r\n"],
      ["S", "b NO no\r\n"],
    ]);
    t.equal(followed.toServer, "a LOGIN joe x\r\nb LOGIN joe y\r\n");
    t.same(followed.facts, ["- LOGIN joe", "- LOGIN joe"]);
    t.equal(followed.end, "refused auth-failure-rate");
    t.equal(followed.toClient, `${greeting}a NO no\r\nb NO no\r\n* BYE [LIMIT] Too many failed logins\r\n`);
    const forgiven = played({ failures: 1 }, [
      ["C", "a LOGIN joe x\r\nb LOGIN joe y\r\n"],
      ["S", "a NO [UNAVAILABLE] later\r\n"],
    ]);
    t.equal(forgiven.toServer, "a LOGIN joe x\r\nb LOGIN joe y\r\n");
  },
);

t.test("ImapWatch ends the session when it has refused too much", async (t) => {
  const logins = "a LOGIN joe x\r\n".repeat(19);
  for (const [allowances, last, reason] of [
    [{ logins: 0 }, "a LOGIN joe x\r\n", "auth-rate"],
    [{ logins: 0 }, "a AUTHENTICATE X\r\n", "auth-rate"],
    [{ logins: 0 }, "a COMPRESS DEFLATE\r\n", "too-many-errors"],
    [{ options: { loginNeedsTls: true } }, "a LOGIN {3+}\r\n", "too-many-errors"],
  ] as const) {
    const followed = played(allowances, [["C", logins]]);
    t.equal(followed.end, "following", "not before");
    followed.play([["C", `${last}b NOOP\r\n`]]);
    t.equal(followed.end, `refused ${reason}`);
    t.match(followed.toClient, /a (?:NO|BAD) .*\r\n\* BYE \[LIMIT\] Too many errors\r\n$/);
    t.equal(followed.toServer, "");
  }
});

t.test("ImapWatch refuses COMPRESS when the client is not logged in", async (t) => {
  const followed = played({}, [["C", "a compress DEFLATE\r\nb NOOP\r\n"]]);
  t.equal(followed.toServer, "b NOOP\r\n");
  t.equal(followed.toClient, `${greeting}a BAD Not before login\r\n`);
});

t.test("ImapWatch passes a greeting that is BYE, and lets nothing through behind it", async (t) => {
  const followed = new Followed().play([
    ["S", "* BYE [ALERT] Full\r\n"],
    ["C", "a LOGIN joe x\r\n"],
  ]);
  t.equal(followed.toClient, "* BYE [ALERT] Full\r\n");
  t.equal(followed.toServer, "");
  t.equal(followed.end, "waiting");
  t.equal(followed.watch.lost().length, 0);
});

const login: Script = [["C", "a LOGIN joe x\r\n"]];

/** Servers that do otherwise, and what is said of them; null: with its first words. */
const faults: readonly (readonly [name: string, script: Script | null, detail: string])[] = [
  ["PREAUTH", null, "greeting is not OK"],
  ["a tag for a greeting", null, "greeting is not OK"],
  ["an overlong line", [["S", "x".repeat(8193)]], "overlong response"],
  ["an endless literal", [["S", "* ID ({99999}\r\n"]], "overlong response"],
  ["a wrong tag", [...login, ["S", "b OK in\r\n"]], "completion of nothing"],
  [
    "a tag too often",
    [
      ["C", "a NOOP\r\n"],
      ["S", "a OK x\r\na OK x\r\n"],
    ],
    "completion of nothing",
  ],
  ["no status", [...login, ["S", "a FINE in\r\n"]], "malformed response"],
  ["no IMAP", [["S", "220 mx ESMTP\r\n"]], "malformed response"],
  ["a blank line", [["S", "\r\n"]], "malformed response"],
  ["a go-ahead for nothing", [["S", "+ go\r\n"]], "continuation of nothing"],
  [
    "a go-ahead for a NOOP",
    [
      ["C", "a NOOP\r\n"],
      ["S", "+ go\r\n"],
    ],
    "continuation of nothing",
  ],
  ["a go-ahead for a whole LOGIN", [...login, ["S", "+ go\r\n"]], "continuation of nothing"],
  [
    "a go-ahead for STARTTLS",
    [
      ["C", "a STARTTLS\r\n"],
      ["S", "+ go\r\n"],
    ],
    "continuation of nothing",
  ],
  [
    "a word into a literal",
    [
      ["C", "a LOGIN {9+}\r\njo"],
      ["S", "a NO no\r\n"],
    ],
    "answer ahead of the command's end",
  ],
  [
    "a yes to half a LOGIN",
    [
      ["C", "a LOGIN {9+}\r\njo"],
      ["S", "a OK in\r\n"],
    ],
    "answer ahead of the command's end",
  ],
  [
    "a second go-ahead",
    [
      ["C", "a LOGIN {9}\r\n"],
      ["S", "+ go\r\n+ go\r\n"],
    ],
    "continuation of nothing",
  ],
];

t.test("ImapWatch ends the session when the server cannot be followed", async (t) => {
  for (const [name, script, detail] of faults) {
    for (const cutsOf of [undefined, singly]) {
      const first = name === "PREAUTH" ? "* PREAUTH in\r\n" : "a OK hi\r\n";
      const followed =
        script === null ? new Followed().play([["S", first]], cutsOf) : played({}, script, cutsOf);
      t.equal(followed.end, `failed protocol-violation: ${detail}`, name);
      t.ok(followed.toClient.endsWith(away), name);
      t.notMatch(followed.toClient, /PREAUTH|FINE|220|ESMTP/);
      t.same(followed.facts, []);
    }
  }
});

t.test("ImapWatch takes completions in any order when several are owed", async (t) => {
  const followed = played({}, [
    ["C", "a NOOP\r\nb LOGIN joe x\r\n"],
    ["S", "b OK in\r\na OK x\r\n* whatever\r\n"],
  ]);
  t.equal(followed.end, "opaque");
  t.equal(followed.toClient, `${greeting}b OK in\r\na OK x\r\n* whatever\r\n`);
  t.equal(followed.watch.lost().length, 0);
});

t.test(
  "ImapWatch says BYE for a lost server when it owed something and had not taken its leave",
  async (t) => {
    for (const [script, words] of [
      [[], ""],
      [[["C", "a NOOP\r\n"]], away],
      [[["C", "a LOGIN {3}\r\n"]], away],
      [
        [
          ["C", "a NOOP\r\n"],
          ["S", "* ID ({3}\r\n1"],
        ],
        away,
      ],
      [
        [
          ["C", "a NOOP\r\n"],
          ["S", "a OK\r\n"],
        ],
        "",
      ],
      [
        [
          ["C", "a LOGOUT\r\n"],
          ["S", "* BYE logging out\r\n"],
        ],
        "",
      ],
      [
        [
          ["C", "a LOGIN joe x\r\n"],
          ["S", "a OK in\r\n"],
        ],
        "",
      ],
    ] as readonly (readonly [Script, string])[]) {
      const { watch } = played({}, script);
      t.equal(textOf(watch.lost()), words, JSON.stringify(script));
    }
    for (const heard of ["", "* OK he"]) {
      const { watch } = new Followed().play([["S", heard]]);
      t.equal(textOf(watch.lost()), away, "a greeting is owed from the beginning");
    }
  },
);

t.test("ImapWatch adds no BYE when the server has said its own", async (t) => {
  const followed = played({}, [
    ["S", "* BYE idle for too long\r\n"],
    ["C", "\x16\x03\n"],
  ]);
  t.equal(followed.end, "refused protocol-violation: malformed command");
  t.equal(followed.toClient, `${greeting}* BYE idle for too long\r\n`);
});

t.test("ImapWatch keeps little when either side never comes to an end", async (t) => {
  const endless = bytesOf("(".repeat(65536));
  const held: number[] = [];
  for (const start of ["a ID ", 'a ID ("k" {8000+}\r\n', "a LOGIN {9000+}\r\n", "a AUTHENTICATE PLAIN "]) {
    const followed = played({}, [["C", start]]);
    for (let chunk = 0; chunk < 100 && !followed.ended; chunk++) followed.client(endless);
    t.match(followed.end, /^refused (?:line-too-long|protocol-violation)/, start);
    held.push(followed.toServer.length);
  }
  t.ok(Math.max(...held) < 32, "and nothing of it has passed");
  for (const start of ["* ", "* ID ({30000}\r\n", "a "]) {
    const followed = played({}, [["S", start]]);
    for (let chunk = 0; chunk < 100 && !followed.ended; chunk++) followed.server(endless);
    t.equal(followed.end, "failed protocol-violation: overlong response", start);
  }
});

/** The watch on the client's side: what passes as it is, what waits for the server, and the ways to hide an ID from it. */
import t from "tap";
import { bytesOf, textOf } from "../../src/lines.ts";
import { singly } from "../cuts.ts";
import { Followed, greeting, type Script, saidBy } from "./follow.ts";

const spoof = 'z ID ("x-originating-ip" "192.0.2.99")\r\n';
const cleared = "z ID NIL\r\n";

function greeted(): Followed {
  return new Followed().play([["S", greeting]]);
}

t.test("ImapWatch takes the x- fields out when an ID has some, wherever it is", async (t) => {
  for (const before of [
    "",
    "a NOOP\r\n",
    "a NOOP\n",
    "\r\n",
    "QUIT\r\n",
    "a LOGIN joe secret\r\n",
    'a LOGIN joe "{5+}"\r\n',
    "a LOGIN joe pass}\r\n",
    "a LOGIN {3+}\r\njoe {6+}\r\nsecret\r\n",
    'a LOGIN "\\"j\\\\" {6+}\nsec\r\nt\r\n',
    "a LOGIN {0+}\r\n {0+}\r\n\r\n",
    'b ID ("name" {41+}\r\nz ID ("x-originating-ip" "192.0.2.99")\r\nz)\r\n',
    "a AUTHENTICATE FOO\r\n",
    "a AUTHENTICATE {5+} \r\n",
  ]) {
    for (const cutsOf of [() => [], singly]) {
      const followed = greeted().play([["C", before + spoof]], cutsOf);
      if (/LOGIN|AUTH/.test(before)) followed.play([["S", "a NO no\r\n"]], cutsOf);
      t.equal(followed.toServer, before + cleared, JSON.stringify(before));
    }
  }
});

t.test("ImapWatch lets everything else pass as the same view when nothing is held", async (t) => {
  const followed = greeted();
  for (const text of [
    'a ID ("name" "x")\r\nb CAPABILITY\r\n',
    "\r\n",
    "d\r\n",
    "c LOGIN {3+}\r\njoe s\r\n",
  ]) {
    const chunk = bytesOf(text);
    t.equal(followed.client(chunk), chunk, JSON.stringify(text));
  }
  for (const text of [
    "* OK wait\r\n* ID ({1}\r\nx NIL)\r\n",
    "c NO no\r\n",
    "a OK x\r\nb OK y\r\nd BAD z\r\n",
  ]) {
    const chunk = bytesOf(text);
    t.equal(followed.server(chunk), chunk, JSON.stringify(text));
  }
});

t.test("ImapWatch holds a line back when it is not whole, on either side", async (t) => {
  const followed = greeted();
  t.equal(textOf(followed.client(bytesOf("a NOOP\r\nb I"))), "a NOOP\r\n");
  t.equal(followed.client(bytesOf('D ("x-a" {1+}\r\n')).length, 0);
  t.equal(textOf(followed.client(bytesOf(")) \r\nc NOOP\r\n"))), "b ID NIL \r\nc NOOP\r\n");
  t.equal(textOf(followed.server(bytesOf("a OK x\r\n* ID ({5"))), "a OK x\r\n");
  t.equal(followed.server(bytesOf("}\r\n1")).length, 0);
  t.equal(textOf(followed.server(bytesOf("2345 NIL)\r\n* O"))), "* ID ({5}\r\n12345 NIL)\r\n");
});

t.test("ImapWatch keeps back what the client says when the server's answer decides what it is", async (t) => {
  const more = `b NOOP\r\n${spoof}`;
  for (const [script, passed, answer, then] of [
    [[["C", `a LOGIN joe x\r\n${more}`]], "a LOGIN joe x\r\n", "a NO no\r\n", `b NOOP\r\n${cleared}`],
    [[["C", `a LOGIN {3}\r\n${more}`]], "a LOGIN {3}\r\n", "a BAD no\r\n", `b NOOP\r\n${cleared}`],
    [[["C", "a LOGIN joe {1}\r\nx\r\nb"]], "a LOGIN joe {1}\r\n", "+ go\r\n", "x\r\n"],
    [[["C", "a AUTHENTICATE X\r\nYQ==\r\nb"]], "a AUTHENTICATE X\r\n", "+\r\n", "YQ==\r\n"],
    [[["C", `a AUTHENTICATE X\r\n${more}`]], "a AUTHENTICATE X\r\n", "a NO no\r\n", `b NOOP\r\n${cleared}`],
    [
      [
        ["C", "a AUTHENTICATE X\r\n"],
        ["S", "+ \r\n"],
        ["C", `x\r\n${more}`],
      ],
      "a AUTHENTICATE X\r\nx\r\n",
      "a NO no\r\n",
      `b NOOP\r\n${cleared}`,
    ],
  ] as const) {
    for (const cutsOf of [() => [], singly]) {
      const followed = greeted().play(script, cutsOf);
      t.equal(followed.toServer, passed);
      t.equal(followed.end, "waiting", passed);
      followed.play([["S", answer]], cutsOf);
      t.equal(followed.toServer, passed + then);
    }
  }
});

t.test("ImapWatch keeps an early talker's bytes back when the greeting is not whole", async (t) => {
  const followed = new Followed().play([
    ["S", "* OK rea"],
    ["C", spoof],
  ]);
  t.equal(followed.toServer, "");
  t.equal(followed.end, "waiting");
  followed.play([["S", "dy\r\n"]]);
  t.equal(followed.toServer, cleared);
});

t.test("ImapWatch is opaque when the client is logged in or encrypted", async (t) => {
  for (const script of [
    [
      ["C", "a LOGIN joe secret\r\n"],
      ["S", "a OK in\r\n"],
    ],
    [
      ["C", "a NOOP\r\nb login joe x\r\n"],
      ["S", "a OK x\r\nb ok [CAPABILITY IMAP4rev1] x\r\n"],
    ],
    [
      ["C", "a LOGIN {3}\r\n"],
      ["S", "+ OK\r\n"],
      ["C", "joe {1}\r\n"],
      ["S", "+\r\n"],
      ["C", "x\r\n"],
      ["S", "a OK\r\n"],
    ],
    [
      ["C", "a AUTHENTICATE PLAIN AGpvZQBz\r\n"],
      ["S", "a OK in\r\n"],
    ],
    [
      ["C", "a AUTHENTICATE LOGIN\r\n"],
      ["S", "+ VXNlcjo=\r\n"],
      ["C", "am9l\r\n"],
      ["S", "+ \r\n"],
      ["C", "\r\n"],
      ["S", "a OK\r\n"],
    ],
    [
      ["C", "a STARTTLS\r\n"],
      ["S", "* OK wait\r\na OK go\r\n"],
    ],
  ] as Script[]) {
    const followed = greeted();
    followed.play(script.slice(0, -1));
    t.equal(followed.toServer, saidBy("C", script));
    t.not(followed.end, "opaque");
    followed.play(script.slice(-1));
    t.equal(followed.toClient, greeting + saidBy("S", script));
    t.equal(followed.end, "opaque", JSON.stringify(script));
    const chunk = bytesOf("\x16\x03\x01\0\r{5}\r\nx ID");
    t.equal(followed.client(chunk), chunk);
    const other = bytesOf("x".repeat(9000));
    t.equal(followed.server(other), other);
    t.equal(followed.watch.lost().length, 0, "and owes no word");
  }
});

t.test("ImapWatch passes all that comes behind the OK to a login, in any cuts", async (t) => {
  const answer = "a OK in\r\n* 1 EXISTS\r\n* BYE {3";
  for (let cut = 0; cut <= answer.length; cut++) {
    const followed = greeted().play([
      ["C", "a LOGIN joe x\r\n"],
      ["S", answer.slice(0, cut)],
      ["S", answer.slice(cut)],
    ]);
    t.equal(followed.toClient, greeting + answer);
    t.equal(followed.end, "opaque");
  }
});

t.test("ImapWatch goes on when login fails, or was never tried", async (t) => {
  for (const script of [
    [
      ["C", "a LOGIN joe x\r\n"],
      ["S", "a NO no\r\n"],
    ],
    [
      ["C", "a LOGIN {3}\r\n"],
      ["S", "a BAD no literals\r\n"],
    ],
    [
      ["C", "a LOGIN joe {1}\r\n"],
      ["S", "* OK wait\r\n+ OK\r\n"],
      ["C", "x\r\n"],
      ["S", "a NO\r\n"],
    ],
    [
      ["C", "a AUTHENTICATE PLAIN\r\n"],
      ["S", "+ \r\n"],
      ["C", "*\r\n"],
      ["S", "a BAD aborted\r\n"],
    ],
    [
      ["C", "a AUTHENTICATE PLAIN\r\n"],
      ["S", "+ \r\na NO timed out\r\n"],
    ],
    [
      ["C", "a STARTTLS\r\n"],
      ["S", "a BAD no TLS\r\n"],
    ],
    [
      ["C", "a NOOP\r\nb NOOP\r\n"],
      ["S", "b OK y\r\n* OK z\r\na OK x\r\n"],
    ],
    [
      ["C", "a LOGIN joe x\r\n"],
      ["S", "* LIST {12}\r\na OK xxxxx\r\n x\r\n* OK {5}\r\na NO\r\n"],
    ],
  ] as Script[]) {
    for (const cutsOf of [() => [], singly]) {
      const followed = greeted().play([...script, ["C", spoof]], cutsOf);
      t.equal(followed.toServer, saidBy("C", script) + cleared, JSON.stringify(script));
      t.equal(followed.toClient, greeting + saidBy("S", script));
      t.equal(followed.end, "following");
    }
  }
});

t.test("ImapWatch releases what it held when login succeeds meanwhile", async (t) => {
  for (const held of [
    'b ID ("x-a" "b',
    'b ID ("x-a" {9+}\r\n12',
    "b SELECT INB",
    "b APPEND x {3+}\r\na\0b",
  ]) {
    const followed = greeted().play([["C", `a LOGIN joe x\r\n${held}`]]);
    followed.watch.server(bytesOf("a OK in\r\n"));
    t.equal(followed.watch.stage, "following", "not before the held bytes have passed");
    followed.play([["C", "{5}\0"]]);
    t.equal(followed.toServer, `a LOGIN joe x\r\n${held}{5}\0`);
    t.equal(followed.end, "opaque");
  }
  const response = greeted().play([
    ["C", "a AUTHENTICATE PLAIN\r\n"],
    ["S", "+ \r\n"],
    ["C", "AG"],
    ["S", "a OK\r\n"],
  ]);
  t.equal(response.end, "following");
  response.play([["C", "E"]]);
  t.equal(response.toServer, "a AUTHENTICATE PLAIN\r\nAGE");
  t.equal(response.end, "opaque");
});

const violation = "protocol-violation";

/** What would be read in two ways, if it passed: with the client bytes that may still pass. */
const hidden: [name: string, script: Script, passed: string, reason?: string][] = [
  ["a bare CR in a command", [["C", "a NOOP\rID\r\n"]], "", "bare-newline"],
  ["a bare CR at a line's end", [["C", "a NOOP\r\r\n"]], "", "bare-newline"],
  ["a NUL behind ID", [["C", 'a ID\0 ("x-a" "b")\r\n']], "", "nul-byte"],
  ["a NUL in a tag", [["C", "a\0 NOOP\r\n"]], "", "nul-byte"],
  ["a NUL in a literal", [["C", "a LOGIN {3+}\r\n\0j"]], "a LOGIN {3+}\r\n", "nul-byte"],
  ["no tag", [["C", ` ${spoof.slice(2)}`]], ""],
  ["a tag that is none", [["C", "( LOGIN joe x\r\n"]], ""],
  ["a tag with a slash", [["C", "a/b LOGIN joe x\r\n"]], ""],
  ["a tag with eight bits", [["C", "\xe4 NOOP\r\n"]], ""],
  ["a tag that is too long", [["C", `${"a".repeat(65)} NOOP\r\n`]], ""],
  ["TLS on a cleartext port", [["C", "\x16\x03\x01\x02\x01\n"]], ""],
  ["two spaces before ID", [["C", `a  ${spoof.slice(2)}`]], ""],
  ["a tab behind ID", [["C", 'a ID\t("x-a" "b")\r\n']], ""],
  ["a literal behind two spaces", [["C", `a  LOGIN {42+}\r\n${spoof} x\r\n`]], ""],
  ["a second literal behind two spaces", [["C", "a LOGIN {1+}\r\nx  {42+}\r\n"]], "a LOGIN {1+}\r\nx"],
  ["a literal in NOOP", [["C", `a NOOP {42+}\r\n${spoof}`]], ""],
  ["a literal without a command", [["C", `a {42+}\r\n${spoof}`]], ""],
  ["a literal behind an open quote", [["C", `a LOGIN "x {42+}\r\n${spoof}`]], ""],
  ["a literal in quotes left open", [["C", `a LOGIN joe "{42+}\r\n${spoof}`]], ""],
  ["a literal in an atom", [["C", `a LOGIN joe{42+}\r\n${spoof}`]], ""],
  ["a literal behind a control character", [["C", `a LOGIN \x01 {42+}\r\n${spoof}`]], ""],
  ["a literal behind a list", [["C", `a LOGIN (x) {42+}\r\n${spoof}`]], ""],
  ["a literal8", [["C", `a LOGIN ~{42+}\r\n${spoof}`]], ""],
  ["a literal with a minus", [["C", `a LOGIN {42-}\r\n${spoof}`]], ""],
  ["a literal with a space", [["C", `a LOGIN {42 }\r\n${spoof}`]], ""],
  ["a literal glued to a literal", [["C", "a LOGIN {1+}\r\nx{42+}\r\n"]], "a LOGIN {1+}\r\nx"],
  ["a third string's literal", [["C", "a LOGIN joe {1+}\r\nx {42+}\r\n"]], "a LOGIN joe {1+}\r\nx"],
  ["a third literal", [["C", "a LOGIN {1+}\r\nx {1+}\r\ny {42+}\r\n"]], "a LOGIN {1+}\r\nx {1+}\r\ny"],
  ["a literal in AUTHENTICATE", [["C", `a AUTHENTICATE {42+}\r\n${spoof}`]], ""],
  ["a literal in STARTTLS", [["C", `a STARTTLS {42+}\r\n${spoof}`]], ""],
  ["a literal in COMPRESS", [["C", `a COMPRESS {42+}\r\n${spoof}`]], ""],
  ["an overlong literal", [["C", "a LOGIN joe {8192+}\r\n"]], ""],
  ["an endless literal", [["C", "a LOGIN joe {99999+}\r\n"]], ""],
  ["an ID behind STARTTLS", [["C", `a STARTTLS\r\n${spoof}`]], "a STARTTLS\r\n", "command-injection"],
  [
    "an ID in place of a response",
    [
      ["C", "a AUTHENTICATE PLAIN\r\n"],
      ["S", "+ \r\n"],
      ["C", spoof],
    ],
    "a AUTHENTICATE PLAIN\r\n",
  ],
  ["an ID with a literal that waits", [["C", 'a ID ("x-a" {1}\r\n']], ""],
  ["an ID left open", [["C", 'a ID ("x-a" "b"\r\n']], ""],
  ["an ID with too short a literal", [["C", 'a ID ("a" {1+}\r\nx" "x-a" "b")\r\n']], ""],
  ["an endless ID", [["C", `a ID ("a" {8000+}\r\n${"x".repeat(8000)}${" ".repeat(200)})\r\n`]], ""],
  ["too many literals", [["C", `a ID (${"{0+}\r\n ".repeat(61)}`]], ""],
  ["too many lists", [["C", `a X ${"(".repeat(9)}\r\n`]], ""],
  ["ten thousand lists", [["C", `a ID ${"(".repeat(10_000)}\r\n`]], ""],
  ["lists behind a literal", [["C", `a LOGIN {1+}\r\nx ${"(".repeat(9)}\r\n`]], "a LOGIN {1+}\r\nx"],
  ["an endless line", [["C", `a AUTHENTICATE ${"x".repeat(12288)}`]], "", "line-too-long"],
  ["a tag of a megabyte", [["C", "a".repeat(2 ** 20)]], "", "line-too-long"],
  ["a command that Dovecot cannot hold", [["C", `a X ${"x".repeat(8190)}\r\n`]], "", "line-too-long"],
  [
    "too many commands at once",
    [["C", "a NOOP\r\n".repeat(33)]],
    "a NOOP\r\n".repeat(32),
    "too-many-commands",
  ],
];

t.test("ImapWatch ends the session when an ID could hide", async (t) => {
  for (const [name, script, passed, reason = violation] of hidden) {
    // A megabyte byte by byte is tried in larger cuts.
    const cutsOf = name.includes("mega") ? () => [0.001, 0.3, 0.9] : singly;
    for (const cuts of [() => [], cutsOf]) {
      const followed = greeted().play(script, cuts);
      t.equal(followed.toServer, passed, name);
      t.match(followed.end, new RegExp(`^refused ${reason}(?:: |$)`), name);
      t.match(followed.toClient, /\r\n\* BYE \[(?:CLIENTBUG|LIMIT)\] [^\r\n]+\r\n$/, name);
      const { conclusion } = followed.watch;
      t.equal(followed.watch.client(bytesOf("a NOOP\r\n")).length, 0, `${name}: final`);
      t.equal(followed.watch.server(bytesOf("a OK\r\n")).length, 0, `${name}: final`);
      t.equal(followed.watch.conclusion, conclusion);
    }
  }
});

t.test("ImapWatch lets pass what looks alike when all read it the same", async (t) => {
  for (const text of [
    `a X ${"(".repeat(8)}\r\n`,
    `a X ${"()".repeat(4000)}\r\n`,
    `a LOGIN joe "${"(".repeat(50)}"\r\n`,
    `a LOGIN joe "\\"${"(".repeat(50)}"\r\n`,
    `${"a".repeat(64)} NOOP\r\n`,
    `a AUTHENTICATE X ${"x".repeat(12000)}\r\n`,
    `a X ${"x".repeat(8186)}\r\n`,
    `a ID (${'"k" {1+}\r\nv '.repeat(30)})\r\n`,
  ])
    t.equal(greeted().play([["C", text]]).toServer, text, text.slice(0, 20));
});

t.test("ImapWatch is not fooled when an earlier command's OK has the login's tag", async (t) => {
  const followed = greeted().play([
    ["C", "a NOOP\r\na LOGIN joe x\r\n"],
    ["S", "a OK noop\r\n"],
  ]);
  t.equal(followed.end, "following");
  t.same(followed.facts, []);
  followed.play([["S", "a OK login\r\n"]]);
  t.equal(followed.end, "opaque");
});

/** The watch on whole sessions, on the ways to hide an ID from it, and the same in any cuts. */
import fc from "fast-check";
import t from "tap";
import { IdentityWatch } from "../../src/imap/watch.ts";
import { bytesOf, textOf } from "../../src/lines.ts";
import { anyCuts, pieces, singly } from "../cuts.ts";

/** `C:` and `S:` lines as they are said, in turn. */
type Script = readonly (readonly [side: "C" | "S", text: string])[];

const spoof = 'z ID ("x-originating-ip" "192.0.2.99")\r\n';
const cleared = "z ID NIL\r\n";

t.test("IdentityWatch takes the x- fields out when an ID has some, wherever it is", async (t) => {
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
  ]) {
    t.equal(said([["C", before + spoof]]), before + cleared, JSON.stringify(before));
  }
});

t.test("IdentityWatch lets everything else pass as the same view when nothing is held", async (t) => {
  const watch = new IdentityWatch();
  for (const text of [
    'a ID ("name" "x")\r\nb CAPABILITY\r\n',
    "c LOGIN {3+}\r\njoe s\r\n",
    "\r\n",
    "d\r\n",
  ]) {
    const chunk = bytesOf(text);
    t.equal(watch.client(chunk), chunk, JSON.stringify(text));
  }
});

t.test("IdentityWatch holds a line back when it is not whole", async (t) => {
  const watch = new IdentityWatch();
  t.equal(textOf(watch.client(bytesOf("a NOOP\r\nb I"))), "a NOOP\r\n");
  t.equal(watch.client(bytesOf('D ("x-a" {1+}\r\n')).length, 0);
  t.equal(textOf(watch.client(bytesOf(")) \r\nc NOOP\r\n"))), "b ID NIL \r\nc NOOP\r\n");
});

t.test("IdentityWatch is opaque when the client is logged in or encrypted", async (t) => {
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
    const watch = new IdentityWatch();
    const last = script.length - 1;
    t.equal(said(script.slice(0, last), watch), clientText(script));
    t.not(watch.stage, "opaque");
    said(script.slice(last), watch);
    t.equal(watch.stage, "opaque", JSON.stringify(script));
    const chunk = bytesOf("\x16\x03\x01\0\r{5}\r\nx ID");
    t.equal(watch.client(chunk), chunk);
    watch.server(bytesOf("x".repeat(9000)));
    t.equal(watch.conclusion, null);
  }
});

t.test("IdentityWatch goes on when login fails, or was never tried", async (t) => {
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
      ["C", "a AUTHENTICATE FOO\r\n"],
      ["S", "a NO unknown\r\n"],
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
      ["C", "a NOOP\r\n"],
      ["S", "a OK x\r\nb OK y\r\n* OK z\r\n+ w\r\n"],
    ],
    [
      ["C", "a LOGIN joe x\r\n"],
      ["S", "* LIST {11}\r\na OK xxxxx\r\n x\r\n* OK {5}\r\na NO\r\n"],
    ],
  ] as Script[]) {
    const watch = new IdentityWatch();
    t.equal(said([...script, ["C", spoof]], watch), clientText(script) + cleared, JSON.stringify(script));
    t.not(watch.stage, "opaque");
  }
});

t.test("IdentityWatch releases what it held when login succeeds meanwhile", async (t) => {
  for (const held of ['b ID ("x-a" "b', 'b ID ("x-a" {9+}\r\n12', "b SELECT INB"]) {
    const watch = new IdentityWatch();
    said(
      [
        ["C", `a LOGIN joe x\r\n${held}`],
        ["S", "a OK in\r\n"],
      ],
      watch,
    );
    t.not(watch.stage, "opaque", "not before the held bytes have passed");
    t.equal(textOf(watch.client(bytesOf("{5}\0"))), `${held}{5}\0`);
    t.equal(watch.stage, "opaque");
  }
});

/** What would be read in two ways, if it passed: with the client bytes that may still pass. */
const hidden: [name: string, script: Script, passed: string][] = [
  ["a bare CR in a command", [["C", "a NOOP\rID\r\n"]], ""],
  ["a bare CR at a line's end", [["C", "a NOOP\r\r\n"]], ""],
  ["a NUL behind ID", [["C", 'a ID\0 ("x-a" "b")\r\n']], ""],
  ["a NUL in a tag", [["C", "a\0 NOOP\r\n"]], ""],
  ["no tag", [["C", ` ${spoof.slice(2)}`]], ""],
  ["a tag that is none", [["C", "( LOGIN joe x\r\n"]], ""],
  ["a tag with a slash", [["C", "a/b LOGIN joe x\r\n"]], ""],
  ["a tag that is too long", [["C", `${"a".repeat(65)} NOOP\r\n`]], ""],
  ["TLS on a cleartext port", [["C", "\x16\x03\x01\x02\0\x01\n"]], ""],
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
  ["a literal in AUTHENTICATE", [["C", `a AUTHENTICATE {42+}\r\n${spoof}`]], ""],
  ["a literal in STARTTLS", [["C", `a STARTTLS {42+}\r\n${spoof}`]], ""],
  ["a literal that does not wait", [["C", "a LOGIN {3}\r\njoe"]], "a LOGIN {3}\r\n"],
  ["an overlong literal", [["C", "a LOGIN joe {8192+}\r\n"]], ""],
  ["an ID behind STARTTLS", [["C", `a STARTTLS\r\n${spoof}`]], "a STARTTLS\r\n"],
  ["an ID behind AUTHENTICATE", [["C", `a AUTHENTICATE FOO\r\n${spoof}`]], "a AUTHENTICATE FOO\r\n"],
  [
    "an ID in place of a response",
    [
      ["C", "a AUTHENTICATE PLAIN\r\n"],
      ["S", "+ \r\n"],
      ["C", spoof],
    ],
    "a AUTHENTICATE PLAIN\r\n",
  ],
  [
    "an ID behind a response",
    [
      ["C", "a AUTHENTICATE PLAIN\r\n"],
      ["S", "+ \r\n"],
      ["C", `x\r\n${spoof}`],
    ],
    "a AUTHENTICATE PLAIN\r\nx\r\n",
  ],
  ["an ID with a literal that waits", [["C", 'a ID ("x-a" {1}\r\n']], ""],
  ["an ID left open", [["C", 'a ID ("x-a" "b"\r\n']], ""],
  ["an ID with too short a literal", [["C", 'a ID ("a" {1+}\r\nx" "x-a" "b")\r\n']], ""],
  ["an endless ID", [["C", `a ID ("a" {8000+}\r\n${"x".repeat(8000)}${" ".repeat(200)})\r\n`]], ""],
  ["an endless line", [["C", `a NOOP ${"x".repeat(12288)}`]], ""],
  ["too many commands at once", [["C", "a NOOP\r\n".repeat(33)]], "a NOOP\r\n".repeat(32)],
];

t.test("IdentityWatch ends the session when an ID could hide", async (t) => {
  for (const [name, script, passed] of hidden) {
    for (const cuts of [[], singly(bytesOf(clientText(script)))]) {
      const watch = new IdentityWatch();
      t.equal(said(script, watch, cuts), passed, name);
      t.not(watch.conclusion, null, name);
      const { conclusion } = watch;
      t.equal(watch.client(bytesOf("a NOOP\r\n")).length, 0, `${name}: final`);
      t.equal(watch.conclusion, conclusion);
    }
  }
});

t.test("IdentityWatch is not fooled when an earlier command's OK has the login's tag", async (t) => {
  const watch = new IdentityWatch();
  const script: Script = [
    ["C", "a NOOP\r\na LOGIN joe x\r\n"],
    ["S", "a OK noop\r\n"],
    ["C", spoof],
  ];
  t.equal(said(script, watch), `a NOOP\r\na LOGIN joe x\r\n${cleared}`);
  t.not(watch.stage, "opaque");
  watch.server(bytesOf("a OK login\r\n"));
  t.equal(watch.stage, "opaque");
});

t.test("IdentityWatch ends the session when the server cannot be followed", async (t) => {
  const overlong = new IdentityWatch();
  overlong.server(bytesOf("x".repeat(8193)));
  t.match(overlong.conclusion, { outcome: "failed", detail: "overlong response" });
  const early = new IdentityWatch();
  said(
    [
      ["C", "a LOGIN {9+}\r\njo"],
      ["S", "a NO\r\n"],
    ],
    early,
  );
  t.match(early.conclusion, { outcome: "failed", detail: "answer ahead of the command's end" });
});

t.test("IdentityWatch says the same when either side comes in any cuts", async () => {
  const client = fc.constantFrom(
    spoof,
    'b ID ("a" {3+}\r\nx-y "X-b" NIL)\n',
    "a NOOP\r\n",
    "\r\n",
    "a LOGIN joe x\r\n",
    "b LOGIN {3+}\r\na\r\n {2+}\r\nid\r\n",
    "b LOGIN {3}\r\n",
    "joe x\r\n",
    "c AUTHENTICATE PLAIN\r\n",
    "am9l\r\n",
    "d STARTTLS\r\n",
    "a NOOP {4}\r\n",
    "e ID (",
    "\0\r",
  );
  const server = fc.constantFrom(
    "+ go\r\n",
    "a OK x\r\n",
    "a NO x\r\n",
    "b OK x\r\n",
    "b BAD x\r\n",
    "c OK\r\n",
    "c NO\r\n",
    "d OK x\r\n",
    "* ID (NIL {7}\r\nc OK x\r\n)\r\n",
    "z OK x\r\n",
  );
  const turn = fc.oneof(
    fc.tuple(fc.constant("C" as const), client),
    fc.tuple(fc.constant("S" as const), server),
  );
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 12 }), anyCuts, (script, cuts) => {
      const whole = new IdentityWatch();
      const cut = new IdentityWatch();
      const same = said(script, whole) === said(script, cut, cuts);
      return same && whole.conclusion?.detail === cut.conclusion?.detail && whole.stage === cut.stage;
    }),
    { numRuns: 2000 },
  );
});

function clientText(script: Script): string {
  return script.map(([side, text]) => (side === "C" ? text : "")).join("");
}

/** What the server hears of the script, each turn of which comes in these cuts. */
function said(script: Script, watch = new IdentityWatch(), cuts: readonly number[] = []): string {
  let text = "";
  for (const [side, turn] of script) {
    for (const piece of pieces(bytesOf(turn), cuts)) {
      if (side === "C") text += textOf(watch.client(piece));
      else watch.server(piece);
    }
  }
  return text;
}

/**
 * Clients and a model server with the watch between them, the bytes of both directions in any cuts and any order: the
 * server hears the same as without cuts, the client is told it, and what the watch tells is what the server did.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { bytesOf } from "../../src/lines.ts";
import { anyCuts } from "../cuts.ts";
import { Followed } from "./follow.ts";
import { ModelServer } from "./model.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64");

const simple = fc.constantFrom(
  "NOOP\r\n",
  "CAPABILITY\r\n",
  "XYZZY (a)\r\n",
  'ID ("name" "x")\r\n',
  'ID ("x-originating-ip" "192.0.2.9" "name" "x")\r\n',
  'ID ("name" {15+}\r\nz ID ("x-a" "b" "X-Session-ID" {3+}\r\n"\r\n)\r\n',
  "COMPRESS DEFLATE\r\n",
);
const password = fc.constantFrom("wrong", "wrong", "wrong", "right");
const user = fc.constantFrom("alice", "bob", "broken");
const login = fc
  .tuple(user, password)
  .chain(([user, password]) =>
    fc.constantFrom(
      [`LOGIN ${user} ${password}\r\n`],
      [`LOGIN "${user}" "${password}"\r\n`],
      [`LOGIN {${user.length}+}\r\n${user} {${password.length}+}\r\n${password}\r\n`],
      [`LOGIN {${user.length}}\r\n`, `${user} ${password}\r\n`],
      [`LOGIN ${user} {${password.length}}\r\n`, `${password}\r\n`],
      ["AUTHENTICATE PLAIN\r\n", `${base64(`\0${user}\0${password}`)}\r\n`],
      ["AUTHENTICATE PLAIN\r\n", "*\r\n"],
    ),
  );
/** Commands at once, then a login, whose other lines the client sends when it is asked for them, or at once. */
const turn = fc.tuple(fc.array(simple, { maxLength: 4 }), login, fc.boolean());
const sessions = fc.array(turn, { minLength: 1, maxLength: 5 }).map((turns): string[] => {
  let tag = 0;
  return turns.flatMap(([commands, [first = "", ...more], waits]) => {
    const head = [...commands, first].map((command) => `t${tag++} ${command}`).join("");
    return waits ? [head, ...more] : [head + more.join("")];
  });
});

/** Which side goes next, and with how many of its bytes at most. */
const moves = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 40 })), { maxLength: 80 });

function played(groups: readonly string[], order: readonly (readonly [boolean, number])[]) {
  const followed = new Followed();
  const server = new ModelServer();
  let fromServer = "* OK model\r\n";
  const move = (bytes: string, feed: (chunk: Uint8Array) => void): void => {
    const heard = followed.toServer.length;
    feed(bytesOf(bytes));
    fromServer += server.hear(followed.toServer.slice(heard));
  };
  const next = order[Symbol.iterator]();
  for (const group of ["", ...groups]) {
    let fromClient = group;
    while (fromClient !== "" || fromServer !== "") {
      const [clientFirst, bytesMax] = next.next().value ?? [true, Number.POSITIVE_INFINITY];
      const isClients = fromServer === "" || (clientFirst && fromClient !== "");
      const part = (isClients ? fromClient : fromServer).slice(0, bytesMax);
      if (isClients) fromClient = fromClient.slice(part.length);
      else fromServer = fromServer.slice(part.length);
      move(part, (chunk) => (isClients ? followed.client(chunk) : followed.server(chunk)));
    }
  }
  // Postern's own words stand wherever a response ends: in which order the client hears them is open.
  const told = followed.toClient.split("\r\n").sort();
  const { asked, facts, toServer, end } = followed;
  return { asked, facts, toServer, end, told, judged: server.judged, commands: server.commands };
}

t.test("ImapWatch comes to the same end when both directions are cut and mixed", async (t) => {
  let logins = 0;
  let ids = 0;
  fc.assert(
    fc.property(sessions, moves, (groups, order) => {
      const wholly = played(groups, []);
      const mixed = played(groups, order);
      assert.deepEqual(mixed, wholly);
      assert.equal(mixed.end, mixed.judged.some((fact) => fact.startsWith("+")) ? "opaque" : "following");
      assert.deepEqual(
        mixed.facts.map((fact) => fact.replace(/ (?:LOGIN|PLAIN) /, " ")),
        mixed.judged,
      );
      for (const command of mixed.commands) {
        assert.ok(!/COMPRESS|originating|Session/.test(command), command);
        if (/^\S+ ID /.test(command)) ids++;
      }
      logins += mixed.judged.length;
    }),
    { numRuns: 1000 },
  );
  t.ok(logins > 500, "there were logins");
  t.ok(ids > 500, "there were IDs");
});

t.test("ImapWatch says the same when either side says anything in any cuts", async () => {
  const client = fc.constantFrom(
    'z ID ("x-originating-ip" "192.0.2.99")\r\n',
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
    "a OK [CAPABILITY STARTTLS AUTH=PLAIN] x\r\n",
    "a NO x\r\n",
    "b OK x\r\n",
    "b BAD x\r\n",
    "c OK\r\n",
    "c NO [LIMIT]\r\n",
    "d OK x\r\n",
    "* ID (NIL {7}\r\nc OK x\r\n)\r\n",
    "* BYE\r\n",
    "z OK x\r\n",
  );
  const turn = fc.oneof(
    fc.tuple(fc.constant("C" as const), client),
    fc.tuple(fc.constant("S" as const), server),
  );
  const options = fc.constantFrom({}, { loginNeedsTls: true }, { startTls: "begun" as const });
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 12 }), options, anyCuts, (script, options, cuts) => {
      const opened = () => new Followed({ logins: 2, options }).play([["S", "* OK hi\r\n"]]);
      assert.deepEqual(opened().play(script, () => cuts).outcome, opened().play(script).outcome);
    }),
    { numRuns: 2000 },
  );
});

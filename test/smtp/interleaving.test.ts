/**
 * Clients and a model server with the watch between them, the bytes of both directions in any cuts and any order: the
 * server hears and the client is told the same as without cuts, and what the watch tells is what the server did.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { bytesOf } from "../../src/lines.ts";
import { Followed } from "./follow.ts";
import { ModelServer } from "./model.ts";

/** What the client says without waiting for an answer. */
type Group = string;

const mail = "MAIL FROM:<carol@example.org>\r\n";
const rcpt = "RCPT TO:<alice@example.test>\r\n";

const command = fc.constantFrom(
  mail,
  rcpt,
  rcpt,
  "RCPT TO:<nobody@example.test>\r\n",
  "RSET\r\n",
  "NOOP\r\n",
  "XCLIENT ADDR=192.0.2.1\r\n",
);
const body = fc
  .array(fc.constantFrom("a", "..", "spam", "\r\n", "RSET\r\n", "\r\n..\r\n", "\r\n.b"), { maxLength: 6 })
  .map((parts) => `${parts.join("")}\r\n.\r\n`);
const octets = fc.string({ unit: fc.constantFrom("a", "\r", "\n", ".", "\0"), maxLength: 9 });
const transaction = fc.oneof(
  fc.array(command, { maxLength: 5 }).map((commands) => [commands.join("")]),
  // Behind the message the client goes on at once.
  fc
    .tuple(body, fc.array(command, { maxLength: 3 }))
    .map(([text, more]) => [`${mail}${rcpt}DATA\r\n`, text + more.join("")]),
  fc
    .tuple(octets, octets)
    .map(([one, two]) => [
      `${mail}${rcpt}${rcpt}BDAT ${one.length}\r\n${one}BDAT ${two.length} LAST\r\n${two}`,
    ]),
  fc.constant(["AUTH LOGIN\r\n", "Ym9i\r\n", "EHLO again\r\n"]),
);
const sessions = fc
  .array(transaction, { minLength: 1, maxLength: 5 })
  .map((groups): Group[] => ["EHLO x\r\n", ...groups.flatMap((some) => ["RSET\r\n", ...some])]);

/** Which side goes next, and with how many of its bytes at most. */
const moves = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 40 })), { maxLength: 60 });

function played(groups: readonly Group[], order: readonly (readonly [boolean, number])[]) {
  const followed = new Followed();
  const server = new ModelServer();
  let fromServer = "220 model\r\n";
  const move = (bytes: string, feed: (chunk: Uint8Array) => void): void => {
    const heard = followed.toServer.length;
    feed(bytesOf(bytes));
    fromServer += server.hear(followed.toServer.slice(heard));
  };
  const moves = order[Symbol.iterator]();
  for (const group of ["", ...groups]) {
    let fromClient = group;
    while (fromClient !== "" || fromServer !== "") {
      const [clientFirst, bytesMax] = moves.next().value ?? [true, Number.POSITIVE_INFINITY];
      if (fromServer === "" || (clientFirst && fromClient !== "")) {
        const part = fromClient.slice(0, bytesMax);
        fromClient = fromClient.slice(part.length);
        move(part, (chunk) => followed.client(chunk));
      } else {
        const part = fromServer.slice(0, bytesMax);
        fromServer = fromServer.slice(part.length);
        move(part, (chunk) => followed.server(chunk));
      }
    }
  }
  return { ...followed.outcome, messages: server.messages, commands: server.commands };
}

t.test("SmtpWatch comes to the same end when both directions are cut and mixed", async (t) => {
  let messages = 0;
  fc.assert(
    fc.property(sessions, moves, (groups, order) => {
      const wholly = played(groups, []);
      const mixed = played(groups, order);
      assert.deepEqual(mixed, wholly);
      assert.equal(mixed.end, "following");
      const accepted = mixed.facts.filter((fact) => fact.startsWith("message +"));
      assert.equal(accepted.length, mixed.messages.length);
      assert.ok(!mixed.commands.includes("XCLIENT"));
      assert.ok(!/XCLIENT|XFORWARD/.test(mixed.toClient));
      messages += accepted.length;
    }),
    { numRuns: 1000 },
  );
  t.ok(messages > 500, "there were messages");
});

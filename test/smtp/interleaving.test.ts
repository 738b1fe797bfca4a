/**
 * Clients and a model server with the watch between them, the bytes of both directions in any cuts and any order: the
 * server hears and the client is told the same as without cuts, and what the watch tells is what the server did.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { bytesOf } from "../../src/lines.ts";
import { type Allowances, Followed } from "./follow.ts";
import { ModelServer } from "./model.ts";

/** What the client says, piece by piece: it waits for all answers to one before it says the next. */
type Groups = readonly string[];

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
const transaction: fc.Arbitrary<Groups> = fc.oneof(
  fc.array(command, { maxLength: 5 }).map((commands) => [commands.join("")]),
  // Behind the message the client goes on at once.
  fc
    .tuple(body, fc.array(command, { maxLength: 3 }))
    .map(([text, more]) => [`${mail}${rcpt}DATA\r\n`, text + more.join("")]),
  // The message comes ahead of the go-ahead, which may never come: then its lines are commands.
  fc.tuple(body, command).map(([text, to]) => [`${mail}${to}DATA\r\n${text}RSET\r\n`]),
  fc
    .tuple(octets, octets)
    .map(([one, two]) => [
      `${mail}${rcpt}${rcpt}BDAT ${one.length}\r\n${one}BDAT ${two.length} LAST\r\n${two}`,
    ]),
  fc.constant(["AUTH LOGIN\r\n", "Ym9i\r\n", "EHLO again\r\n"]),
  fc.constant(["AUTH LOGIN\r\nYm9i\r\nEHLO again\r\n"]),
);
/** Said where it ends here; behind it the client starts over. */
const startTls: fc.Arbitrary<Groups> = fc.constant(["NOOP\r\nSTARTTLS\r\n", "EHLO inside\r\n"]);

const sessionsOf = (part: fc.Arbitrary<Groups>) =>
  fc
    .array(part, { minLength: 1, maxLength: 5 })
    .map((groups): Groups => ["EHLO x\r\n", ...groups.flatMap((some) => ["RSET\r\n", ...some])]);

/** Which side goes next, and with how many of its bytes at most. */
type Moves = readonly (readonly [clientFirst: boolean, bytesMax: number])[];

/** More than any session here has bytes. */
const singly: Moves = Array.from({ length: 10_000 }, (_, index) => [index % 2 === 0, 1] as const);
const moves: fc.Arbitrary<Moves> = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 40 })), { maxLength: 60 }),
  },
  { weight: 1, arbitrary: fc.constant(singly) },
);

function played(groups: Groups, order: Moves, allowances: Allowances = {}) {
  const followed = new Followed(allowances);
  const server = new ModelServer();
  let fromServer = "220 model\r\n";
  const move = (bytes: string, feed: (chunk: Uint8Array) => void): void => {
    const heard = followed.toServer.length;
    const chunk = bytesOf(bytes);
    feed(chunk);
    // What is kept has to be a copy.
    chunk.fill(0x3f);
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
    if (followed.end === "securing") followed.watch.secured();
  }
  return { ...followed.outcome, messages: server.messages, commands: server.commands };
}

const worlds: Readonly<Record<string, { part: fc.Arbitrary<Groups>; allowances: Allowances }>> = {
  "nothing is limited": { part: transaction, allowances: {} },
  "limits refuse some": { part: transaction, allowances: { "message-rate": 2, "recipient-rate": 3 } },
  "TLS ends here": {
    part: fc.oneof({ weight: 4, arbitrary: transaction }, { weight: 1, arbitrary: startTls }),
    allowances: { options: { startTls: "offered", loginNeedsTls: true } },
  },
};

for (const [world, { part, allowances }] of Object.entries(worlds)) {
  t.test(`SmtpWatch comes to the same end when all is cut and mixed and ${world}`, async (t) => {
    let messages = 0;
    let held = 0;
    fc.assert(
      fc.property(sessionsOf(part), moves, (groups, order) => {
        const wholly = played(groups, [], allowances);
        const mixed = played(groups, order, allowances);
        assert.deepEqual(mixed, wholly);
        // Twenty refusals are too many, and the end.
        assert.match(mixed.end, /^(following|refused (too-many-errors|message-rate|recipient-rate))$/);
        const accepted = mixed.facts.filter((fact) => fact.startsWith("message +"));
        assert.equal(accepted.length, mixed.messages.length);
        assert.ok(!/XCLIENT|STARTTLS/.test(mixed.commands.join()));
        assert.ok(!/XCLIENT|XFORWARD/.test(mixed.toClient));
        messages += accepted.length;
        held += mixed.toClient.match(/^(450|220 2\.0\.0) /gm)?.length ?? 0;
      }),
      { numRuns: 500 },
    );
    t.ok(messages > 200, "there were messages");
    t.equal(held > 100, world !== "nothing is limited", "and what the world is about");
  });
}

t.test("SmtpWatch changes nothing but the list of extensions when a client does nothing odd", async (t) => {
  let messages = 0;
  const decent = sessionsOf(transaction).filter((groups) => !groups.join("").includes("XCLIENT"));
  fc.assert(
    fc.property(decent, moves, (groups, order) => {
      const { toClient, toServer, messages: taken } = played(groups, order);
      const server = new ModelServer();
      const said = server.hear(groups.join(""));
      assert.equal(toServer, groups.join(""));
      assert.equal(
        toClient,
        `220 model\r\n${said.replace(/250-XFORWARD.*\r\n/g, "").replace(/-CHUNKING\r\n.*/g, " CHUNKING")}`,
      );
      assert.deepEqual(taken, server.messages);
      messages += taken.length;
    }),
    { numRuns: 500 },
  );
  t.ok(messages > 200, "there were messages");
});

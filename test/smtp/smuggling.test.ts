/**
 * Where messages end, as a server sees it that is as lax as any ever was: no message ends for it that does not end for
 * the watch, and none that the watch refuses ever ends.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { bytesOf } from "../../src/lines.ts";
import { anyCuts } from "../cuts.ts";
import { firstBare, strictEnd } from "./ends.ts";
import { Followed, opening, type Script } from "./follow.ts";

const head = "MAIL FROM:<carol@example.org>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n";
const ok = "250 2.1.0 Ok\r\n";
const inData: Script = [...opening, ["C", head], ["S", `${ok}${ok}354 go\r\n`]];
const second = `${head.replace("alice", "bob")}Second.\r\n.\r\n`;

/** Lines that end in any way that a server has ever taken for one; how many messages end in `text`, which begins one. */
function laxEnds(text: string): number {
  return text
    .split(/\r\n|\r|\n/)
    .slice(0, -1)
    .filter((line) => line === ".").length;
}

function heardOf(text: string, cuts: readonly number[]): { followed: Followed; heard: string } {
  const followed = new Followed().play(inData);
  const before = followed.toServer.length;
  followed.play([["C", text]], () => cuts);
  return { followed, heard: followed.toServer.slice(before) };
}

function check(text: string, cuts: readonly number[]): void {
  const { followed, heard } = heardOf(text, cuts);
  const end = strictEnd(text);
  const message = end < 0 ? text : text.slice(0, end);
  const bare = firstBare(message);
  const { ended } = followed;
  assert.equal(followed.facts.length > 0, bare !== null);
  if (bare === null) {
    // A CR at the end is still to come.
    assert.equal(heard.slice(0, message.length), end < 0 ? message.replace(/\r$/, "") : message);
    assert.equal(laxEnds(heard.slice(0, message.length)), end < 0 ? 0 : 1);
    return;
  }
  assert.equal(followed.end, end < 0 ? "severed" : "refused bare-newline");
  assert.ok(message.slice(0, bare.index).startsWith(heard), "nothing from the bare one on");
  assert.equal(laxEnds(heard), 0, "and no end");
  assert.deepEqual(followed.facts, ["message - 1"]);
  const reply = `550 5.5.2 mx.example.test Error: bare <${bare[0] === "\r" ? "CR" : "LF"}> received\r\n`;
  assert.equal(followed.toClient.includes(reply), ended);
}

t.test(
  "SmtpWatch lets no second message in when the first one's end is hidden, cut at every byte",
  async (t) => {
    for (const end of [
      "\n.\n",
      "\n.\r\n",
      "\r\n.\n",
      "\r.\r",
      "\r\n.\r",
      "\r.\r\n",
      "\n\r.\r\n",
      "\r\r\n.\r\n",
      "\0\n.\n",
    ]) {
      const text = `First.${end}${second}`;
      for (let at = 0; at <= text.length; at++) check(text, [at / text.length]);
      check(
        text,
        Array.from(text, (_, index) => index / text.length),
      );
    }
    t.pass("all");
  },
);

t.test("SmtpWatch ends a message where a strict server does when it is made of anything", async (t) => {
  const part = fc.constantFrom(
    "a",
    ".",
    "..",
    "\r",
    "\n",
    "\r\n",
    "\r\n.\r\n",
    "\r\n.",
    ".\r\n",
    "\0",
    "\xe9",
  );
  const parts = fc.array(part, { minLength: 1, maxLength: 14 }).map((some) => some.join(""));
  const well = fc
    .array(fc.constantFrom("a", ".", "..", "\r\n", "\r\n."), { maxLength: 14 })
    .map((some) => some.join(""));
  fc.assert(fc.property(fc.oneof(parts, well), anyCuts, check), { numRuns: 3000 });
  t.pass("held");
});

t.test("SmtpWatch follows what comes behind a message when it is pipelined", async (t) => {
  const followed = new Followed().play(inData);
  followed.client(bytesOf(`First.\r\n.\r\n${second.slice(0, head.length - 2)}`));
  t.equal(followed.asked.length, 4);
  t.equal(followed.end, "following");
});

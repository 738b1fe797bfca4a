/** Text that a client chose: the same JSON value, in plain characters and escapes alone. */
import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { foreignText } from "../../src/observe/foreign.ts";

t.test("foreignText is the same text in plain characters and escapes when it is any text", async () => {
  const unit = fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code));
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(unit).map((units) => units.join("")),
  );
  fc.assert(
    fc.property(text, (text) => {
      const json = JSON.stringify({ user: foreignText(text) });
      assert.match(json, /^\{"user":"(?:[A-Za-z0-9@.+_-]|\\u[0-9a-f]{4})*"\}$/);
      assert.equal(JSON.parse(json).user, text);
    }),
  );
});

t.test("foreignText leaves letters, digits and six signs as they are, and escapes all others", async (t) => {
  const ascii = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code)).join("");
  const json = JSON.stringify(foreignText(ascii));
  const plain = json.slice(1, -1).replace(/\\u00[0-7][0-9a-f]/g, "");
  t.equal(plain, "+-.0123456789@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz");
});

t.test("foreignText cuts a text when it is longer than any mailbox", async (t) => {
  const text = "a".repeat(320);
  t.equal(JSON.stringify(foreignText(`${text}b`)), `"${text}"`);
});

/** A bounded set of names: numbers that stay, and what becomes of names that come too late. */
import t from "tap";
import { Names } from "../../src/crowdsec/names.ts";

t.test("Names.numberOf gives the same number when it is asked again", async (t) => {
  const names = new Names(4);
  t.equal(names.numberOf("CAPI"), 1);
  t.equal(names.numberOf("cscli"), 2);
  t.equal(names.numberOf("CAPI"), 1);
  t.strictSame(names.texts, ["other", "CAPI", "cscli"]);
});

t.test("Names.numberOf gives other's number when the set is full", async (t) => {
  const names = new Names(3, ["a", "b"]);
  t.equal(names.numberOf("c"), 0);
  t.equal(names.numberOf("other"), 0);
  t.equal(names.numberOf("b"), 2);
  t.strictSame(names.texts, ["other", "a", "b"]);
});

t.test("Names keeps the numbers when it begins with the names of another set", async (t) => {
  const first = new Names(8, ["a", "b"]);
  t.strictSame(new Names(8, first.texts).texts, first.texts);
});

/** Which endings of a session mean that the target kept its client out, and how that is told. */
import t from "tap";
import { FAULTS, isSilentRefusal, PHASES } from "../../../../bench/load/result.ts";
import { fatesOf, note, refusalOf, wordsFor } from "../../../../bench/load/scenarios/refusals.ts";
import { Tally } from "../../../../bench/load/tally.ts";

t.test("refusalOf tells how a client was kept out when it was", async (t) => {
  const reply = { code: "421", text: "4.7.0 too many connections from 203.0.113.7" };
  for (const [job, outcome, refusal] of [
    [{ current: "greeting", reply, fault: null }, "turnedAway", "421 4.7.0 too many connections from #"],
    [{ current: "connect", reply: null, fault: "reset" }, "failed", "a reset"],
    [{ current: "tls", reply: null, fault: "closed" }, "failed", "an end without a word"],
    [{ current: "greeting", reply: null, fault: "closed" }, "failed", "an end without a word"],
    [{ current: "connect", reply: null, fault: "refused" }, "failed", null],
    [{ current: "greeting", reply: null, fault: "timeout" }, "failed", null],
    [{ current: "quit", reply, fault: "closed" }, "failed", null],
    [{ current: "hello", reply, fault: "reset" }, "failed", null],
    [{ current: "close", reply, fault: null }, "done", null],
  ] as const) {
    t.equal(refusalOf(job, outcome), refusal, JSON.stringify(job));
  }
});

t.test("isSilentRefusal is so before the first word, and of an end or a reset, alone", async (t) => {
  const silent = PHASES.flatMap((phase) =>
    FAULTS.filter((kind) => isSilentRefusal(phase, kind)).map((kind) => `${phase} ${kind}`),
  );
  t.strictSame(silent, [
    "connect reset",
    "connect closed",
    "tls reset",
    "tls closed",
    "greeting reset",
    "greeting closed",
  ]);
});

t.test("note is told in figures and words when clients of several kinds come", async (t) => {
  const tally = new Tally();
  const refusals = [null, "a", "b", "b", "c", "d", "d"];
  for (const refusal of refusals) note(tally, "some", "failed", refusal);
  note(tally, "others", "done", null);
  t.strictSame(fatesOf(tally.notes, "some"), { done: 0, out: 6, of: 7 });
  t.strictSame(fatesOf(tally.notes, "others"), { done: 1, out: 0, of: 1 });
  t.strictSame(fatesOf(tally.notes, "nobody"), { done: 0, out: 0, of: 0 });
  const outcomes = wordsFor(tally.notes, "some").map(({ outcome }) => outcome);
  t.strictSame(outcomes, ["b × 2", "d × 2", "a × 1"]);
  t.strictSame(wordsFor(tally.notes, "others"), []);
});

/** The reports for machines. */
import t from "tap";
import { comparisonJson, resultsJson } from "../../../bench/report/json.ts";
import { comparison, full, nothingBegun } from "./fixtures.ts";

t.test("resultsJson gives what was measured when it is read again", async (t) => {
  const line = resultsJson([full, full], "line");
  t.equal(line.indexOf("\n"), line.length - 1, "one line");
  const read = JSON.parse(line);
  t.strictSame({ ...read, results: read.results.length }, { bench: "load", version: 1, results: 2 });
  const { plan, ...measured } = read.results[0];
  const { plan: asked, ...expected } = full;
  t.strictSame(measured, expected);
  t.strictSame(plan, { ...asked, login: { user: "ada" } }, "but for the password");
  t.strictSame(JSON.parse(resultsJson([full, full], "pretty")), read, "pretty or not");
});

t.test("resultsJson stays JSON when nothing could be measured", async (t) => {
  const [read] = JSON.parse(resultsJson([nothingBegun], "line")).results;
  t.equal(read.latencies.session.p50Us, null);
});

t.test("comparisonJson gives the whole comparison when it is read again", async (t) => {
  const text = comparisonJson(comparison, "line");
  const read = JSON.parse(text);
  t.equal(read.bench, "compare");
  t.strictSame(read.comparison.cases, comparison.cases);
  t.equal(read.comparison.runs.length, comparison.runs.length);
  t.notMatch(text, /secret/);
});

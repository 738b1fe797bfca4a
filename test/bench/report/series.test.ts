/** Which runs are drawn together, and which lines they give. */
import t from "tap";
import { concurrencyLines, cpuLine, groupsOf, memoryLine, rateLine } from "../../../bench/report/series.ts";
import { comparison, full, resultOf, sweep } from "./fixtures.ts";

const [first] = full.samples;
const seriesOf = (samples: typeof full.samples) => ({
  name: "a",
  title: "a",
  style: 0,
  result: resultOf({ samples }),
});

t.test("groupsOf names runs by what tells them apart when there are several", async (t) => {
  const names = (results: typeof sweep) => groupsOf(results, null)[0]!.series.map(({ name }) => name);
  t.strictSame(names(sweep.slice(4, 6)), [":2525, ×256", ":2526, ×1"]);
  t.strictSame(names([full]), ["127.0.0.1:2525"]);
  t.strictSame(names([full, full]), [":2525 #1", ":2525 #2"]);
  const elsewhere = resultOf({}, { target: { host: "2001:db8::1", port: 25 }, tls: "starttls" });
  t.strictSame(names([full, elsewhere]), ["127.0.0.1:2525, no TLS", "[2001:db8::1]:25, starttls"]);
});

t.test("groupsOf takes the round in the middle when a peer ran several", async (t) => {
  const [run] = comparison.runs;
  const session = full.latencies.session!;
  const rounds = [900, 100, 500].map((p50Us, at) => ({
    ...run!,
    round: at + 1,
    result: resultOf({ latencies: { session: { ...session, p50Us } } }),
  }));
  const [group] = groupsOf([], { ...comparison, runs: rounds });
  t.strictSame(
    group!.series.map(({ name, result }) => [name, result.latencies.session?.p50Us]),
    [["postern", 500]],
  );
});

t.test("groupsOf keeps a peer's style when it has no part in a case", async (t) => {
  const runs = comparison.runs.filter(({ peer }) => peer !== "haproxy");
  const [group] = groupsOf([], { ...comparison, runs });
  t.strictSame(
    group!.series.map(({ name, style }) => [name, style]),
    [
      ["postern", 0],
      ["nginx", 2],
    ],
  );
});

t.test("rateLine counts by second when samples come unevenly", async (t) => {
  const samples = [1000, 3000, 3010, 4010].map((atMs, at) => ({ ...first!, atMs, done: at * 100 }));
  t.strictSame(rateLine(seriesOf(samples), ({ done }) => done).points, [
    [1, 0],
    [3, 50],
    [4.01, 200_000 / 1010],
  ]);
});

t.test("cpuLine leaves out a rest that is too short when the run ends between two samples", async (t) => {
  const samples = [1000, 2000, 2007].map((atMs) => ({
    ...first!,
    atMs,
    targetCpu: atMs === 2007 ? 40 : 0.5,
  }));
  t.strictSame(cpuLine(seriesOf(samples)).points, [
    [1, 0.5],
    [2, 0.5],
  ]);
});

t.test("memoryLine ends when sessions become no more", async (t) => {
  const samples = [1, 2, 2, 1].map((open) => ({ ...first!, open, targetBytes: open * 2 ** 20 }));
  t.strictSame(memoryLine(seriesOf(samples)).points, [
    [1, 1],
    [2, 2],
  ]);
  t.strictSame(memoryLine(seriesOf([{ ...first!, targetBytes: null }])).points, []);
});

t.test("concurrencyLines takes the best run when one concurrency was tried twice", async (t) => {
  const [one, four] = sweep;
  const slower = { ...four!, counts: { ...four!.counts, done: 1 } };
  const [line, ...others] = concurrencyLines([four!, slower, one!, full], null);
  t.strictSame(line!.points, [
    [1, 520],
    [4, 1600],
  ]);
  t.strictSame(others, [], "an open loop has no concurrency");
});

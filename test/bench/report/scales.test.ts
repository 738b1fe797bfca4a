/** Where values stand in a plot: pure maths. */
import fc from "fast-check";
import t from "tap";
import {
  barsEnd,
  linearScale,
  logScale,
  percentileScale,
  spread,
  thinned,
} from "../../../bench/report/scales.ts";

const texts = ({ ticks }: { ticks: readonly { text: string }[] }) => ticks.map(({ text }) => text);

t.test("linearScale ends at a round value when the greatest is any", async (t) => {
  const table: readonly (readonly [number, readonly string[]])[] = [
    [5, ["0", "1", "2", "3", "4", "5"]],
    [5.1, ["0", "2", "4", "6"]],
    [0.6, ["0", "0.2", "0.4", "0.6"]],
    [9801, ["0", "2,000", "4,000", "6,000", "8,000", "10,000"]],
    [0, ["0", "0.2", "0.4", "0.6", "0.8", "1"]],
    [Number.NaN, ["0", "0.2", "0.4", "0.6", "0.8", "1"]],
  ];
  for (const [max, expected] of table) t.strictSame(texts(linearScale(max)), expected, String(max));
  const { at } = linearScale(9801);
  t.strictSame([at(-1), at(0), at(2500), at(10_000), at(1e9)], [0, 0, 0.25, 1, 1]);
});

t.test("logScale gives each decade the same room when values span several", async (t) => {
  const scale = logScale(0.7, 180);
  t.strictSame(texts(scale), ["1", "10", "100"]);
  t.equal(scale.at(0.5), 0);
  t.equal(scale.at(200), 1);
  t.equal(Math.abs(scale.at(10) - scale.at(1) - (scale.at(100) - scale.at(10))) < 1e-9, true);
  t.strictSame(texts(logScale(1, 40)), ["1", "2", "5", "10", "20", "50"]);
  t.strictSame(texts(logScale(3, 3)), ["2", "5"], "one value has a scale as well");
  t.equal(scale.at(0), 0, "nothing is no value of a logarithm");
  t.ok(scale.isLogarithmic);
});

t.test("logScale and linearScale hold their values when these are any", async () => {
  const value = fc.double({ min: 1e-6, max: 1e12, noNaN: true });
  fc.assert(
    fc.property(value, value, (a, b) => {
      const [min, max] = a < b ? [a, b] : [b, a];
      for (const { at, ticks } of [logScale(min, max), linearScale(max)]) {
        const places = ticks.map((tick) => at(tick.value));
        const rises = places.every((place, index) => index === 0 || place > places[index - 1]!);
        const holds = at(max) <= 1 && at(max) >= at(min) && at(max * 20) === 1;
        if (!rises || !holds || ticks.length < 1 || ticks.length > 8) return false;
      }
      return true;
    }),
  );
});

t.test("percentileScale gives each nine the same room when there are many", async (t) => {
  const scale = percentileScale(99.99);
  t.strictSame(texts(scale), ["50", "90", "99", "99.9", "99.99"]);
  const places = [0, 90, 99, 99.9, 99.99, 99.999, 100].map((each) => Number(scale.at(each).toFixed(9)));
  t.strictSame(places, [0, 0.25, 0.5, 0.75, 1, 1, 1]);
  t.strictSame(texts(percentileScale(0)), ["50", "90", "99"], "few sessions");
  t.strictSame(texts(percentileScale(100)).at(-1), "99.9999", "and more than anybody begins");
});

t.test("spread moves what is too close apart when there is room", async (t) => {
  t.strictSame(spread([10, 50, 90], 15, 200), [10, 50, 90]);
  t.strictSame(spread([52, 50, 51], 10, 200), [70, 50, 60], "in their order");
  t.strictSame(spread([98, 99, 100], 10, 100), [80, 90, 100], "up where there is none below");
  t.strictSame(spread([], 10, 100), []);
});

t.test("thinned keeps both ends when there is too much", async (t) => {
  const list = Array.from({ length: 1000 }, (_, index) => index);
  const few = thinned(list, 12);
  t.equal(few.length, 12);
  t.strictSame([few[0], few.at(-1)], [0, 999]);
  t.strictSame(thinned([1, 2], 12), [1, 2]);
});

t.test("barsEnd leaves out what is far longer when that is the lesser part", async (t) => {
  t.equal(barsEnd([1, 1.2, 7]), 1.2);
  t.equal(barsEnd([7, 1, 1.2, 300]), 7, "one of four, and no more");
  t.equal(barsEnd([1, 1.2, 6]), 6, "exactly so far");
  t.equal(barsEnd([1, 100]), 100, "neither of two is the rule");
  t.equal(barsEnd([1, 20, 22]), 22, "nor is the least");
  t.equal(barsEnd([0, 0, 3]), 3);
  t.ok(barsEnd([]) > 0 && barsEnd([0]) > 0, "never nothing");
});

/** Durations: what is one, what is none, and that each survives its own text. */
import fc from "fast-check";
import t from "tap";
import { durationText, parseDuration } from "../../src/config/units.ts";

t.test("parseDuration gives milliseconds when a whole number has a unit", async (t) => {
  const table: readonly [string, number][] = [
    ["0s", 0],
    ["500ms", 500],
    ["60s", 60_000],
    ["5m", 300_000],
    ["2h", 7_200_000],
    ["007s", 7_000],
    ["999999999h", 999_999_999 * 3_600_000],
  ];
  for (const [text, ms] of table) t.equal(parseDuration(text), ms, text);
});

t.test("parseDuration gives null when the text is no duration", async (t) => {
  const table = [
    "",
    "5",
    "s",
    "5 s",
    " 5s",
    "5s\n",
    "-5s",
    "+5s",
    "1.5s",
    "5S",
    "5sec",
    "5d",
    "0x5s",
    "1000000000s",
  ];
  for (const text of table) t.equal(parseDuration(text), null, JSON.stringify(text));
});

t.test("durationText writes what parseDuration reads when any whole number is given", async () => {
  fc.assert(fc.property(fc.nat(999_999_999), (ms) => parseDuration(durationText(ms)) === ms));
});

t.test("durationText takes the largest unit when nothing is left over", async (t) => {
  const table = {
    "0s": 0,
    "1ms": 1,
    "1500ms": 1500,
    "90s": 90_000,
    "1m": 60_000,
    "35m": 2_100_000,
    "24h": 86_400_000,
  };
  for (const [text, ms] of Object.entries(table)) t.equal(durationText(ms), text);
});

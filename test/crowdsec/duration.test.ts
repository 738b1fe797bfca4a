/** Durations in all forms that Go writes and takes, and those that it does not take. */
import fc from "fast-check";
import t from "tap";
import { parseDuration } from "../../src/crowdsec/duration.ts";

t.test("parseDuration gives milliseconds when the text is one of Go's forms", async (t) => {
  const forms: Record<string, number> = {
    "3h59m59.233310838s": 14_399_233.310838,
    "4h": 14_400_000,
    "-14.420506ms": -14.420506,
    "1m0s": 60_000,
    "1.5h": 5_400_000,
    ".5s": 500,
    "5.s": 5000,
    "+2s": 2000,
    "250us": 0.25,
    "250\u00b5s": 0.25,
    "250\u03bcs": 0.25,
    "1000000ns": 1,
    "1ms1s": 1001,
    "0": 0,
    "-0": 0,
    "0s": 0,
    "-0s": 0,
    "-2562047h47m16.854775808s": -9_223_372_036_854.775,
  };
  for (const [text, ms] of Object.entries(forms))
    t.equal(parseDuration(text)?.toFixed(6), ms.toFixed(6), text);
});

t.test("parseDuration is null when the text is no duration", async (t) => {
  const wrong = [
    "",
    "-",
    "+",
    "1",
    "00",
    "s",
    ".s",
    "1.2.3s",
    "1 s",
    " 1s",
    "1s ",
    "1s\n",
    "1d",
    "1S",
    "--1s",
    "1e3s",
    "1s-1s",
  ];
  for (const text of [...wrong, "1_0s", "١s", "NaNs", "Infinityh", `${"1".repeat(64)}s`]) {
    t.equal(parseDuration(text), null, JSON.stringify(text));
  }
});

t.test("parseDuration adds up the parts when they come in any order", async () => {
  const units = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;
  const part = fc.tuple(
    fc.nat(999),
    fc.constantFrom("h" as const, "m" as const, "s" as const, "ms" as const),
  );
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 8 }), fc.boolean(), (parts, isNegative) => {
      const text = parts.map(([count, unit]) => `${count}${unit}`).join("");
      const sum = parts.reduce((sum, [count, unit]) => sum + count * units[unit], 0);
      return parseDuration(isNegative ? `-${text}` : text) === (isNegative ? -sum : sum);
    }),
  );
});

/** The outside of every line: its level, and a time that is right at each millisecond. */
import t from "tap";
import { logger } from "../../src/observe/logger.ts";

t.test("A line's time is the ISO 8601 time at every moment", async (t) => {
  const lines: string[] = [];
  const log = logger("debug", { write: (line) => void lines.push(line) });
  const moments = ["2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.007Z", "2026-01-01T00:00:00.070Z"];
  moments.push("2026-01-01T00:00:00.999Z", "2026-01-01T00:00:01.000Z", "2026-01-01T00:00:00.999Z");
  const original = Date.now;
  t.teardown(() => {
    Date.now = original;
  });
  for (const moment of moments) {
    Date.now = () => Date.parse(moment);
    log.warn({ event: "x" });
  }
  t.same(
    lines,
    moments.map((moment) => `{"level":"warn","time":"${moment}","event":"x"}\n`),
  );
});

t.test("A field that is undefined is left out", async (t) => {
  const lines: string[] = [];
  const log = logger("info", { write: (line) => void lines.push(line) });
  log.info({ event: "x", detail: undefined, reason: null });
  t.match(lines[0], /"event":"x","reason":null\}\n$/);
});

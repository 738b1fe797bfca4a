/** What a run's exit code comes from: what got through, what both sides counted, and what the scenario found. */
import t from "tap";
import { isWell } from "../../../bench/cli/scenario.ts";
import { sinkAgreement, sinkShares } from "../../../bench/cli/sink.ts";
import type { Counts, Finding } from "../../../bench/load/result.ts";
import { emptyTally } from "../../../bench/sink/counts.ts";

const none: Counts = {
  begun: 0,
  done: 0,
  turnedAway: 0,
  failed: 0,
  open: 0,
  neverBegun: 0,
  messages: 0,
  bytesIn: 0,
  bytesOut: 0,
};

t.test("isWell is false when nothing got through, whatever else there is", async (t) => {
  const table: readonly [Partial<Counts>, boolean][] = [
    [{}, true],
    [{ begun: 1, failed: 1 }, false],
    [{ begun: 2, failed: 1, done: 1 }, true],
    [{ begun: 2, failed: 1, turnedAway: 1 }, false],
    [{ begun: 2, failed: 1, open: 1 }, false],
    [{ begun: 2, open: 2 }, false],
    [{ begun: 2, open: 1, done: 1 }, true],
  ];
  for (const [counts, expected] of table) {
    const result = {
      counts: { ...none, ...counts },
      wasStopped: false,
      agreements: [],
      findings: [],
    } as const;
    t.equal(isWell("churn", result), expected, JSON.stringify(counts));
    t.equal(isWell("attack", result), true, "its sessions are to fail");
    const stopped = isWell("churn", { ...result, wasStopped: true });
    t.equal(stopped, expected || (counts.open ?? 0) > 0, "what is open may have been about to end");
    t.equal(isWell("bans", result), expected || (counts.turnedAway ?? 0) > 0, "some are to be turned away");
  }
});

t.test("isWell is false when a finding or a count says so", async (t) => {
  const finding = (isWell: Finding["isWell"]): Finding => ({ what: "", outcome: "", isWell });
  const result = { counts: none, wasStopped: false, agreements: [], findings: [] } as const;
  for (const [word, expected] of [
    [true, true],
    [null, true],
    [false, false],
  ] as const) {
    t.equal(
      isWell("attack", { ...result, findings: [finding(true), finding(word)] }),
      expected,
      String(word),
    );
  }
  for (const agrees of [true, false]) {
    t.equal(
      isWell("attack", { ...result, agreements: [{ what: "", harness: 0, target: 0, agrees }] }),
      agrees,
    );
  }
});

t.test("sinkAgreement lets only those differ whose end is not known when mails are counted", async (t) => {
  const table: readonly [Partial<Counts>, number, boolean | null][] = [
    [{}, 0, null],
    [{ messages: 5 }, 5, true],
    [{ messages: 5, failed: 1 }, 5, true],
    [{ messages: 5 }, 6, false],
    [{ messages: 5 }, 4, false],
    [{ messages: 5, failed: 1 }, 6, null],
    [{ messages: 5, failed: 1, open: 1 }, 7, null],
    [{ messages: 5, failed: 1, open: 1 }, 8, false],
    [{ messages: 5, failed: 1 }, 4, false],
  ];
  for (const [counts, seen, agrees] of table) {
    const sink = { ...emptyTally(), messages: seen - (seen > 0 ? 1 : 0), fetches: seen > 0 ? 1 : 0 };
    t.match(
      sinkAgreement({ ...none, ...counts }, sink),
      agrees === null ? null : { target: seen, agrees },
      JSON.stringify([counts, seen]),
    );
  }
});

t.test("sinkShares is what each thread used of the load's time when there are several", async (t) => {
  const before = [
    { cpuUs: 100_000, waitUs: 0 },
    { cpuUs: 0, waitUs: 50_000 },
  ];
  const after = [
    { cpuUs: 1_100_000, waitUs: 200_000 },
    { cpuUs: 2_000_000, waitUs: 250_000 },
  ];
  t.strictSame(sinkShares(before, after, 2), { threads: 2, cpuShare: 0.75, waitShare: 0.1 });
});

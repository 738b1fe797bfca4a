/** When sessions are due. */
import t from "tap";
import { dueCount, dueMs, ownOf } from "../../../bench/load/schedule.ts";

t.test("dueMs is even when an open loop has no ramp", async (t) => {
  const pace = { kind: "open", ratePerSecond: 200, rampMs: 0 } as const;
  t.strictSame(
    [0, 1, 2, 200, 1000].map((number) => dueMs(pace, number)),
    [0, 5, 10, 1000, 5000],
  );
});

t.test("dueMs lets the rate grow evenly when an open loop has a ramp", async (t) => {
  const pace = { kind: "open", ratePerSecond: 100, rampMs: 2000 } as const;
  // rate × t² / (2 × ramp): 25 in the first second, 100 in two; from then on 100 in each.
  t.equal(dueMs(pace, 0), 0);
  t.equal(dueMs(pace, 25), 1000);
  t.equal(dueMs(pace, 100), 2000);
  t.equal(dueMs(pace, 200), 3000);
  const gaps = Array.from({ length: 300 }, (_, number) => dueMs(pace, number + 1) - dueMs(pace, number));
  gaps.forEach((gap, number) => {
    if (number > 0) t.ok(gap <= gaps[number - 1]! + 1e-9, `session ${number}`);
  });
  t.ok(Math.abs(gaps.at(-1)! - 10) < 1e-9);
});

t.test("dueMs fills the places evenly when a closed loop has a ramp", async (t) => {
  const pace = { kind: "closed", concurrency: 4, rampMs: 1000 } as const;
  t.strictSame(
    [0, 1, 2, 3].map((number) => dueMs(pace, number)),
    [0, 250, 500, 750],
  );
  t.equal(dueMs({ ...pace, rampMs: 0 }, 3), 0);
});

t.test("ownOf adds up to the whole when numbers are shared among threads", async (t) => {
  for (const threads of [1, 2, 3, 7]) {
    for (const count of [0, 1, 2, 6, 7, 100]) {
      const shares = Array.from({ length: threads }, (_, thread) => ownOf({ thread, threads }, count));
      t.equal(
        shares.reduce((sum, share) => sum + share, 0),
        count,
      );
      t.ok(shares[0]! - shares.at(-1)! <= 1);
    }
  }
});

t.test(
  "dueCount is as many as dueMs has before a time when the loop is open, and no more than asked",
  async (t) => {
    for (const rampMs of [0, 2000]) {
      const pace = { kind: "open", ratePerSecond: 300, rampMs } as const;
      for (const beforeMs of [0, 1, 999, 1000, 2000, 3333.3]) {
        const numbers = Array.from({ length: 2000 }, (_, number) => number);
        const due = numbers.filter((number) => dueMs(pace, number) < beforeMs).length;
        t.equal(dueCount(pace, beforeMs, 2000), due, `${beforeMs} of ${rampMs}`);
        t.equal(dueCount(pace, beforeMs, 7), Math.min(due, 7));
      }
    }
  },
);

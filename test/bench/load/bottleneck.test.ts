/** What makes the harness the bottleneck, sign by sign. */
import t from "tap";
import { isBottleneck, type Signs } from "../../../bench/load/bottleneck.ts";
import { latencyOf, newHistogram, record } from "../../../bench/load/tally.ts";

const calm: Signs = { cpuShare: 0.4, waitShare: 0.1, lateness: null, neverBegun: 0, faults: [] };

/** So many sessions on time, and so many late. */
function lateness(onTime: number, late: number): Signs["lateness"] {
  const histogram = newHistogram();
  for (let count = 0; count < onTime; count++) record(histogram, 1);
  for (let count = 0; count < late; count++) record(histogram, 40);
  return latencyOf(histogram);
}

t.test("isBottleneck is true when a single sign says so", async (t) => {
  const table: readonly [Partial<Signs>, boolean][] = [
    [{}, false],
    [{ cpuShare: 0.9 }, true],
    [{ waitShare: 0.5 }, true],
    [{ lateness: lateness(990, 10) }, false],
    [{ lateness: lateness(980, 20) }, true],
    // Of a hundred one is late at any time, and half of them are not.
    [{ lateness: lateness(95, 5) }, false],
    [{ lateness: lateness(40, 60) }, true],
    [{ neverBegun: 1 }, true],
    [{ faults: [{ phase: "connect", kind: "unreachable", count: 9 }] }, false],
    [{ faults: [{ phase: "connect", kind: "own", count: 1 }] }, true],
  ];
  for (const [signs, expected] of table)
    t.equal(isBottleneck({ ...calm, ...signs }), expected, JSON.stringify(signs));
});

/** For how long a failure counts, what ends it, whose doing it may be, and how a share grows. */
import fc from "fast-check";
import t from "tap";
import { Health } from "../../src/pools/health.ts";
import { NOW } from "./fixtures.ts";

function make(): Health {
  return new Health([0, 1].map(() => new Int32Array(Health.WORDS)));
}

/** How long the server is down from `now` on. */
function downFor(health: Health, now: number): number {
  let seconds = 0;
  while (!health.isWell(0, now + seconds)) seconds++;
  return seconds;
}

t.test(
  "Health holds a server down for 15 seconds, twice as long each time, at most for 2 minutes",
  async (t) => {
    const health = make();
    let now = NOW;
    for (const seconds of [15, 30, 60, 120, 120]) {
      health.failed(0, now);
      // Of the first second nobody knows how much of it was left.
      t.equal(downFor(health, now), seconds + 1);
      t.ok(health.isWell(1, now), "the other server has nothing to do with it");
      now += seconds + 1;
    }
    health.succeeded(0, now);
    health.failed(0, now);
    t.equal(downFor(health, now), 16, "success forgives all of them");
  },
);

t.test("Health takes what checks have found for a session's word once there are none", async (t) => {
  const health = make();
  health.checked(0, false, NOW);
  health.found(1, true);
  for (const server of [0, 1]) health.unchecked(server, NOW);
  t.equal(health.objection(0, NOW), "sessions");
  t.equal(downFor(health, NOW), 16);
  t.strictSame([health.isWell(1, NOW), health.isVouchedFor(1)], [true, false]);
  health.succeeded(0, NOW);
  t.equal(health.isWell(0, NOW), true, "and a session ends it");
});

t.test("Health counts failures of a server that is down as one", async (t) => {
  const health = make();
  for (let session = 0; session < 50; session++) health.failed(0, NOW);
  t.equal(downFor(health, NOW), 16);
  health.failed(0, NOW + 10);
  t.equal(downFor(health, NOW + 10), 16, "but it is not up before its time");
});

t.test("Health takes a success for the end of it, at once", async (t) => {
  const health = make();
  health.failed(0, NOW);
  health.succeeded(0, NOW + 3);
  t.ok(health.isWell(0, NOW + 3));
});

t.test("Health does not take one client's failures for the server's", async (t) => {
  const health = make();
  for (let time = 0; time < 3; time++) health.failedWith(0, 8, NOW);
  t.ok(health.isWell(0, NOW));
  health.succeeded(0, NOW);
  health.failedWith(0, 4, NOW);
  t.ok(health.isWell(0, NOW), "a success between them clears it of suspicion");
  health.failedWith(0, 0, NOW);
  t.equal(downFor(health, NOW), 16, "two clients in a row are too many, whatever their numbers");
});

t.test(
  "Health gives a server that was down a tenth of its share, and all of it after 30 seconds",
  async (t) => {
    const health = make();
    t.equal(health.share(0, 0), 1, "not one that never was");
    health.failed(0, NOW);
    const upAt = NOW + 16;
    t.same(
      [0, 3, 15, 30, 1000].map((seconds) => health.share(0, upAt + seconds)),
      [0.1, 0.1, 0.5, 1, 1],
    );
    health.succeeded(0, upAt + 6);
    t.equal(health.share(0, upAt + 15), 0.5, "a success does not begin it anew");
    health.failed(0, NOW + 100);
    health.succeeded(0, NOW + 105);
    t.same(
      [105, 120].map((seconds) => health.share(0, NOW + seconds)),
      [0.1, 0.5],
      "unless that is what shows that it is back",
    );
  },
);

t.test(
  "Health keeps every share between a tenth and the whole, and every failure below 121 seconds",
  async () => {
    const event = fc.record({
      kind: fc.constantFrom("failed", "failedWith", "succeeded"),
      wait: fc.nat(200),
    });
    fc.assert(
      fc.property(fc.array(event), (events) => {
        const health = make();
        let now = 0;
        for (const { kind, wait } of events) {
          now += wait;
          if (kind === "failed") health.failed(0, now);
          else if (kind === "failedWith") health.failedWith(0, wait, now);
          else health.succeeded(0, now);
          const share = health.share(0, now);
          if (share < 0.1 || share > 1) return false;
          if (kind === "failed" ? health.isWell(0, now) : kind === "succeeded" && !health.isWell(0, now))
            return false;
          if (!health.isWell(0, now + 121)) return false;
        }
        return true;
      }),
    );
  },
);

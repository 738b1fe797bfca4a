/** How long a dead thread is waited with. */
import t from "tap";
import { Restarts } from "../../src/threads/restarts.ts";

t.test(
  "Restarts waits twice as long each time, to a bound, and begins anew after one that lasted",
  async (t) => {
    const restarts = new Restarts();
    const delays = Array.from({ length: 9 }, () => restarts.delayMs(60_000));
    t.same(delays, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    t.same([restarts.delayMs(60_001), restarts.delayMs(0)], [100, 200]);
  },
);

/** A session's place: taken, left, given back, and what becomes of those without one. */
import t from "tap";
import { systemClock } from "../../src/clock.ts";
import { Total } from "../../src/limits/total.ts";
import { Place } from "../../src/proxy/place.ts";
import { Sessions, UNPLACED_MAX } from "../../src/proxy/sessions.ts";

function gate() {
  return { total: new Total(Total.allocate(1), 0, 1), sessions: new Sessions(systemClock) };
}

t.test("Place is taken when there is one, and free again when the session has left or is over", async (t) => {
  const where = gate();
  for (const leaves of [true, false]) {
    const place = new Place(where);
    t.equal(place.isTaken, true);
    t.equal(new Place(where).isTaken, false, "nobody else has it");
    if (leaves) place.leave();
    if (leaves) place.leave();
    t.equal(place.isTaken, !leaves);
    place.close();
  }
  t.equal(new Place(where).isTaken, true);
  t.equal(where.sessions.unplaced, 2, "the two that found none and are still there");
});

t.test("Place is crowded out when too many are there without one", async (t) => {
  const where = gate();
  const first = new Place(where);
  const others = Array.from({ length: UNPLACED_MAX }, () => new Place(where));
  t.strictSame([first.isCrowdedOut, others.at(-1)?.isCrowdedOut], [false, false]);
  const last = new Place(where);
  t.strictSame([last.isCrowdedOut, first.isCrowdedOut], [true, false]);
  last.close();
  t.equal(others[0]?.isCrowdedOut, false);
  first.leave();
  t.equal(first.isCrowdedOut, true);
});

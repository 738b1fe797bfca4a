/** The count of all connections: what is over the cap, over all threads, and what a dead thread leaves. */
import t from "tap";
import { Total } from "../../src/limits/total.ts";

t.test("enter says how many are over the cap, and leave makes room", (t) => {
  const total = new Total(Total.allocate(1), 0, 2);
  t.same([total.enter(), total.enter(), total.enter(), total.enter()], [-1, 0, 1, 2]);
  total.leave();
  total.leave();
  total.leave();
  t.equal(total.enter(), 0);
  t.end();
});

t.test("all threads count together", (t) => {
  const memory = Total.allocate(2);
  const [one, other] = [new Total(memory, 0, 3), new Total(memory, 1, 3)];
  t.same([one.enter(), other.enter(), one.enter(), other.enter()], [-2, -1, 0, 1]);
  one.leave();
  t.equal(other.enter(), 1);
  t.end();
});

t.test("reclaim takes out what a dead thread held, and nothing else", (t) => {
  const memory = Total.allocate(3);
  const threads = [0, 1, 2].map((thread) => new Total(memory, thread, 100));
  for (const [thread, count] of [4, 5, 6].entries()) for (let n = 0; n < count; n++) threads[thread]?.enter();
  Total.reclaim(memory, 1);
  t.equal(threads[0]?.enter(), 11 - 100);
  Total.reclaim(memory, 1);
  t.equal(threads[1]?.enter(), 12 - 100, "its replacement counts from nothing");
  Total.reclaim(memory, 0);
  Total.reclaim(memory, 2);
  Total.reclaim(memory, 1);
  t.equal(threads[2]?.enter(), 1 - 100);
  t.end();
});

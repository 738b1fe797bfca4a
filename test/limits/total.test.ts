/** The count of all connections: whether there is room, over all threads, and what a dead thread leaves. */
import t from "tap";
import { Total } from "../../src/limits/total.ts";

t.test("enter says whether there is room, and leave makes some", (t) => {
  const total = new Total(Total.allocate(1), 0, 2);
  t.same([total.enter(), total.enter(), total.enter(), total.enter()], [true, true, false, false]);
  total.leave();
  t.same([total.enter(), total.enter()], [true, false], "those that found no room took none");
  t.end();
});

t.test("all threads count together", (t) => {
  const memory = Total.allocate(2);
  const [one, other] = [new Total(memory, 0, 3), new Total(memory, 1, 3)];
  t.same([one.enter(), other.enter(), one.enter(), other.enter()], [true, true, true, false]);
  one.leave();
  t.same([other.enter(), one.enter()], [true, false]);
  t.end();
});

t.test("share says how many places there are to a thread", (t) => {
  t.equal(new Total(Total.allocate(4), 2, 10).share, 2.5);
  t.end();
});

t.test("isFull says whether there is room, and takes none", (t) => {
  const memory = Total.allocate(2);
  const [one, other] = [new Total(memory, 0, 2), new Total(memory, 1, 2)];
  one.enter();
  t.same([Total.isFull(memory, 2), Total.isFull(memory, 2)], [false, false]);
  other.enter();
  t.equal(Total.isFull(memory, 2), true);
  one.leave();
  t.equal(Total.isFull(memory, 2), false);
  t.end();
});

t.test("reclaim takes out what a dead thread held, and nothing else", (t) => {
  const memory = Total.allocate(3);
  const threads = [0, 1, 2].map((thread) => new Total(memory, thread, 15));
  for (const [thread, count] of [4, 5, 6].entries()) for (let n = 0; n < count; n++) threads[thread]?.enter();
  t.equal(threads[0]?.enter(), false);
  Total.reclaim(memory, 1);
  const places = Array.from({ length: 6 }, () => threads[1]?.enter());
  t.same(places, [true, true, true, true, true, false], "the five places are free again, and no more");
  t.end();
});

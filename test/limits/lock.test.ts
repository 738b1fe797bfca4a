/** The lock: one holder, bounded waits, and a dead holder's lock can be taken from it. */
import t from "tap";
import { Lock } from "../../src/limits/lock.ts";

const BRIEF_MS = 2;

function locks(...threads: number[]): Lock[] {
  const words = new Int32Array(new SharedArrayBuffer(8));
  return threads.map((thread) => new Lock(words, 1, thread));
}

t.test("Lock.acquire gains a free lock, and again after its release", async (t) => {
  const [a, b] = locks(0, 1) as [Lock, Lock];
  t.equal(a.acquire(BRIEF_MS), true);
  t.equal(b.heldBy, 0);
  a.release();
  t.equal(b.heldBy, null);
  t.equal(b.acquire(BRIEF_MS), true);
  t.equal(a.heldBy, 1);
});

t.test("Lock.acquire gives up when another thread keeps the lock", async (t) => {
  const [control, data] = locks(-1, 0) as [Lock, Lock];
  t.equal(control.acquire(BRIEF_MS), true);
  t.equal(data.acquire(BRIEF_MS), false);
  t.equal(data.heldBy, -1);
});

t.test("Lock.release throws when another thread holds the lock, and leaves it alone", async (t) => {
  const [a, b] = locks(0, 1) as [Lock, Lock];
  a.acquire(BRIEF_MS);
  t.throws(() => b.release(), /thread 1, not held/);
  t.equal(b.heldBy, 0);
});

t.test("Lock.seize takes the lock when the dead thread holds it, and from nobody else", async (t) => {
  const [control, dead, living] = locks(-1, 0, 1) as [Lock, Lock, Lock];
  dead.acquire(BRIEF_MS);
  t.equal(control.seize(1, BRIEF_MS), false);
  t.equal(control.seize(0, BRIEF_MS), true);
  t.equal(living.heldBy, -1);
  control.release();
  living.acquire(BRIEF_MS);
  t.equal(control.seize(0, BRIEF_MS), false);
  living.release();
  t.equal(control.seize(0, BRIEF_MS), true, "a free lock is simply gained");
});

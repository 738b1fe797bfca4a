/** The list of a thread's sessions: deadlines by a clock that the test moves, and its end. */
import fc from "fast-check";
import t from "tap";
import { Sessions, type Sweepable } from "../../src/proxy/sessions.ts";

class Clock {
  nowMs = 1000;
  seconds(): number {
    return Math.floor(this.nowMs / 1000);
  }
  milliseconds(): number {
    return this.nowMs;
  }
}

/** A session that leaves when it expires or is cut, unless it has something left to do: then its deadline moves. */
class Fake implements Sweepable {
  slot = -1;
  deadlineMs: number;
  readonly calls: string[] = [];
  awaitsLogin = false;
  /** How often it is still to be asked again. */
  rechecks = 0;
  readonly #sessions: Sessions;
  #expiriesLeft: number;

  constructor(sessions: Sessions, deadlineMs: number, expiries = 1) {
    this.#sessions = sessions;
    this.deadlineMs = deadlineMs;
    this.#expiriesLeft = expiries;
    sessions.add(this);
  }

  expire(): void {
    this.calls.push("expire");
    if (--this.#expiriesLeft === 0) this.#sessions.remove(this);
    else this.deadlineMs += 1000;
  }

  recheck(): boolean {
    this.calls.push("recheck");
    return this.rechecks-- > 0;
  }

  cut(): void {
    this.calls.push("cut");
    this.#sessions.remove(this);
  }
}

t.test("sweep ends the sessions whose deadline has passed, and no others", (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 900, max: 1100 }), fc.integer({ min: 1, max: 2 }))),
      (kinds) => {
        const sessions = new Sessions(new Clock());
        const all = kinds.map(([deadlineMs, expiries]) => new Fake(sessions, deadlineMs, expiries));
        sessions.sweep();
        const left = kinds.filter(([deadlineMs, expiries]) => deadlineMs > 1000 || expiries > 1).length;
        for (const [index, { calls }] of all.entries()) {
          const [deadlineMs = 0] = kinds[index] ?? [];
          if (calls.length !== (deadlineMs <= 1000 ? 1 : 0)) return false;
        }
        return sessions.size === left;
      },
    ),
  );
  t.end();
});

t.test("sweep takes the time, which deadlines are moved by until the next", (t) => {
  const clock = new Clock();
  const sessions = new Sessions(clock);
  t.equal(sessions.nowMs, 1000);
  clock.nowMs = 1200;
  t.equal(sessions.nowMs, 1000);
  sessions.sweep();
  t.equal(sessions.nowMs, 1200);
  t.end();
});

t.test("cutAll ends every session, and whenEmpty hears of the last", (t) => {
  const sessions = new Sessions(new Clock());
  const all = [1, 2, 3].map(() => new Fake(sessions, Number.POSITIVE_INFINITY));
  let empty = 0;
  sessions.whenEmpty(() => empty++);
  t.equal(empty, 0);
  sessions.remove(all[1]!);
  t.equal(empty, 0);
  sessions.cutAll();
  t.equal(empty, 1);
  t.same(
    all.map(({ calls }) => calls),
    [["cut"], [], ["cut"]],
  );
  const none = new Sessions(new Clock());
  none.whenEmpty(() => empty++);
  t.equal(empty, 2, "at once where there is none");
  t.end();
});

t.test("drainAll gives those their time that are to log in, each from where it is seen to be", (t) => {
  const clock = new Clock();
  const sessions = new Sessions(clock);
  const [one, other, late] = [1, 2, 3].map(() => new Fake(sessions, Number.POSITIVE_INFINITY));
  const pass = (milliseconds: number) => {
    clock.nowMs += milliseconds;
    sessions.sweep();
    return [one, other, late].map((session) => session!.calls.length);
  };
  one!.awaitsLogin = true;
  t.same(pass(60_000), [0, 0, 0], "there is no drain");
  sessions.drainAll();
  t.same(pass(10_000), [0, 0, 0]);
  late!.awaitsLogin = true;
  t.same(pass(4_999), [0, 0, 0]);
  t.same(pass(1), [1, 0, 0]);
  t.same(pass(14_998), [1, 0, 0]);
  t.same(pass(1), [1, 0, 1], "its time begins where the sweep sees it");
  t.same([one!.calls, other!.calls, late!.calls], [["cut"], [], ["cut"]]);
  t.end();
});

t.test("drainAll lets those go on that have logged in meanwhile", (t) => {
  const clock = new Clock();
  const sessions = new Sessions(clock);
  const session = new Fake(sessions, Number.POSITIVE_INFINITY);
  session.awaitsLogin = true;
  sessions.drainAll();
  clock.nowMs += 14_000;
  sessions.sweep();
  session.awaitsLogin = false;
  clock.nowMs += 60_000;
  sessions.sweep();
  t.same(session.calls, []);
  t.end();
});

t.test("nextId gives each session an id of its own, in each thread", (t) => {
  const ids = new Set<string>();
  for (const sessions of [new Sessions(new Clock()), new Sessions(new Clock())]) {
    for (let count = 0; count < 5000; count++) ids.add(sessions.nextId());
  }
  t.equal(ids.size, 10_000);
  for (const id of ids) if (!/^[\w-]{12,16}$/.test(id)) t.fail(id);
  t.end();
});

t.test("recheckAll asks every session, and the next sweeps those again that want it", async (t) => {
  const clock = new Clock();
  const sessions = new Sessions(clock);
  const [settled, unsettled] = [new Fake(sessions, 1e6), new Fake(sessions, 1e6)];
  unsettled.rechecks = 2;
  sessions.recheckAll({ areMissingFor: () => false, judge: () => null });
  for (let sweep = 0; sweep < 5; sweep++) sessions.sweep();
  t.same([settled.calls.length, unsettled.calls.length], [1, 3]);
});

/** When servers are asked, and what verdicts come to, with the time and the answers in the test's hands. */
import t from "tap";
import type { Timers } from "../../src/clock.ts";
import { Checks } from "../../src/pools/checks.ts";
import { Pool, type Server } from "../../src/pools/pool.ts";
import { defaultHealth } from "../config/fixtures.ts";
import { at, NOW, optionsOf, plain } from "./fixtures.ts";

/** A pool of so many servers, whose checks end when the test says so. */
function scene(servers: number, random = 0.5) {
  const options = { ...optionsOf(plain(servers)), health: defaultHealth };
  const memory = Pool.allocate(options, 1);
  const pool = new Pool(options, memory, 0);
  let nowMs = NOW * 1000;
  const waits = new Map<() => void, number>();
  const timers: Timers = {
    after(milliseconds, call) {
      waits.set(call, nowMs + milliseconds);
      return () => void waits.delete(call);
    },
  };
  const underWay = new Map<Server, (fault: string | null) => void>();
  const speaking = new Set<Server>();
  const heard: unknown[][] = [];
  let asked = 0;
  const terms = {
    clock: { seconds: () => Math.floor(nowMs / 1000), milliseconds: () => nowMs },
    timers,
    random: () => random,
    check(server: Server, done: (fault: string | null) => void) {
      if (underWay.has(server)) throw new Error("two at once");
      asked++;
      underWay.set(server, done);
      return {
        get isHeard() {
          return speaking.has(server);
        },
        close: () => void underWay.delete(server),
      };
    },
    checked: (server: Server, fault: string | null, tookMs: number) =>
      void heard.push([server.index, fault, tookMs]),
  };
  const checks = new Checks(pool, terms);
  return {
    pool,
    checks,
    heard,
    /** Begins with another configuration, in which nothing is checked. */
    uncheck() {
      const next = { ...options, health: { ...defaultHealth, intervalMs: 0 } };
      new Checks(new Pool(next, Pool.extend(options, memory, next, 1), 0), terms).start();
    },
    counts: () => ({ asked, underWay: underWay.size }),
    /** Lets time pass, and every wait end that is due by then. */
    pass(milliseconds: number) {
      nowMs += milliseconds;
      for (const [call, dueMs] of [...waits]) {
        if (dueMs > nowMs) continue;
        waits.delete(call);
        call();
      }
    },
    /** It has begun its greeting. */
    speak: (place: number) => void speaking.add(at(pool, place)),
    answer(place: number, fault: string | null) {
      const server = at(pool, place);
      const done = underWay.get(server)!;
      underWay.delete(server);
      done(fault);
    },
    isUp: (place: number) => pool.isUp(at(pool, place), Math.floor(nowMs / 1000)),
    now: () => Math.floor(nowMs / 1000),
  };
}

type Scene = ReturnType<typeof scene>;

/** The verdicts of so many rounds, and whether the server was up behind each. */
function rounds(s: Scene, faults: readonly (string | null)[]): boolean[] {
  return faults.map((fault) => {
    s.pass(10_000);
    s.answer(0, fault);
    return s.isUp(0);
  });
}

t.test(
  "Checks has a server vouched for by its last check alone, and by none once there are none",
  async (t) => {
    const s = scene(1);
    const server = at(s.pool, 0);
    s.checks.start();
    t.equal(s.pool.isVouchedFor(server), false);
    for (const fault of [null, "timeout", null]) {
      rounds(s, [fault]);
      t.strictSame([s.isUp(0), s.pool.isVouchedFor(server)], [true, fault === null]);
    }
  },
);

t.test("Checks asks each server in the first interval, then an interval after each answer", async (t) => {
  const s = scene(2);
  s.checks.start();
  s.pass(4999);
  t.equal(s.counts().asked, 0);
  s.pass(1);
  t.equal(s.counts().asked, 2);
  s.pass(100_000);
  t.equal(s.counts().asked, 2, "never two at once on a server");
  s.answer(0, null);
  s.pass(9999);
  t.equal(s.counts().asked, 2);
  s.pass(1);
  t.equal(s.counts().asked, 3);
  t.same(s.heard, [[0, null, 100_000]]);
});

t.test("Checks is a tenth off the beat at most", async (t) => {
  for (const [random, ms] of [
    [0, 9000],
    [1, 11_000],
  ] as const) {
    const s = scene(1, random);
    s.checks.start();
    s.pass(10_000 * random);
    s.answer(0, null);
    s.pass(ms - 1);
    t.equal(s.counts().underWay, 0);
    s.pass(1);
    t.equal(s.counts().underWay, 1);
  }
});

t.test(
  "Checks hears three failures in a row before a server is down, and two successes before it is up",
  async (t) => {
    const s = scene(1);
    s.checks.start();
    t.same(rounds(s, ["x", "x", null, "x", "x"]), [true, true, true, true, true], "in a row");
    t.same(rounds(s, ["x"]), [false]);
    t.same(rounds(s, [null, "x", null]), [false, false, false], "in a row, too");
    t.same(rounds(s, [null]), [true]);
  },
);

t.test("Checks ends what sessions had found when it finds the server well twice", async (t) => {
  const s = scene(1);
  s.checks.start();
  // Long down: for the fourth time in a row.
  for (let time = 0; time < 4; time++) {
    s.pass(0);
    s.pool.failed(at(s.pool, 0), s.now() + 200 * time);
  }
  t.same(rounds(s, [null, null]), [false, true]);
});

t.test("Checks confirms at once what sessions had found", async (t) => {
  const s = scene(1);
  s.checks.start();
  s.pool.failed(at(s.pool, 0), s.now());
  t.same(rounds(s, ["x"]), [false]);
  s.pass(9999);
  s.pass(100_000);
  t.equal(s.isUp(0), false, "though sessions would have tried it again by now");
});

/** A server that checks have found down. */
function down(): Scene {
  const s = scene(1);
  s.checks.start();
  rounds(s, ["x", "x", "x"]);
  return s;
}

t.test(
  "Checks asks at once, and again, when a session succeeds on a server that it found down",
  async (t) => {
    const s = down();
    s.checks.review();
    t.equal(s.counts().underWay, 0, "no session has");
    s.pool.succeeded(at(s.pool, 0), s.now());
    t.equal(s.isUp(0), false, "the word is the checks'");
    s.checks.review();
    t.equal(s.counts().underWay, 1);
    s.answer(0, null);
    s.pass(0);
    t.same([s.counts().underWay, s.isUp(0)], [1, false]);
    s.answer(0, null);
    t.equal(s.isUp(0), true);
    s.pass(8999);
    t.equal(s.counts().underWay, 0, "then as ever");
    s.pass(2001);
    t.equal(s.counts().underWay, 1);
  },
);

t.test("Checks asks at once only once when it finds the server down all the same", async (t) => {
  const s = down();
  for (let time = 0; time < 3; time++) {
    s.pool.succeeded(at(s.pool, 0), s.now());
    s.checks.review();
    s.answer(0, "x");
    s.checks.review();
    s.pass(8999);
    t.same([s.counts().underWay, s.isUp(0)], [0, false]);
  }
});

t.test("Checks asks again when what was under way as a session succeeded may be out of date", async (t) => {
  const s = down();
  s.pass(10_000);
  s.pool.succeeded(at(s.pool, 0), s.now());
  s.checks.review();
  s.answer(0, "x");
  s.pass(0);
  t.equal(s.counts().underWay, 1);
  s.answer(0, null);
  s.pass(0);
  s.answer(0, null);
  t.equal(s.isUp(0), true);
  s.pool.succeeded(at(s.pool, 0), s.now());
  s.checks.review();
  t.equal(s.counts().underWay, 0, "they agree by now");
});

t.test(
  "Checks hurries for nobody when it is stopped, or the operator has taken the server down",
  async (t) => {
    const stopped = down();
    void stopped.checks.stop();
    stopped.pool.succeeded(at(stopped.pool, 0), stopped.now());
    stopped.checks.review();
    stopped.pass(100_000);
    t.equal(stopped.counts().underWay, 0);
    const taken = down();
    taken.pool.setOperatorState(at(taken.pool, 0), "down");
    taken.pool.succeeded(at(taken.pool, 0), taken.now());
    taken.checks.review();
    taken.pass(100_000);
    t.equal(taken.counts().underWay, 0);
  },
);

t.test("Checks leaves a server alone that the operator has taken down, and no other", async (t) => {
  const s = scene(2);
  s.pool.setOperatorState(at(s.pool, 0), "down");
  s.pool.setOperatorState(at(s.pool, 1), "drain");
  s.checks.start();
  s.pass(5000);
  t.equal(s.counts().underWay, 1);
  s.answer(1, null);
  t.same([s.isUp(0), s.isUp(1)], [false, false]);
  s.pool.setOperatorState(at(s.pool, 0), "ready");
  s.pass(10_000);
  t.equal(s.counts().underWay, 2);
  t.equal(s.isUp(0), true);
});

t.test(
  "Checks holds a server that it found down no longer than sessions do when there is no interval any more",
  (t) => {
    const s = down();
    s.checks.stop();
    s.uncheck();
    t.same([s.isUp(0), s.counts().underWay], [false, 0]);
    s.pass(16_000);
    t.same([s.isUp(0), s.counts().underWay], [true, 0]);
    t.end();
  },
);

t.test("Checks begins no more when it is stopped, and lets those under way come to their ends", async (t) => {
  const s = scene(2);
  s.checks.start();
  s.pass(5000);
  s.answer(0, null);
  s.checks.stop();
  let isOver = false;
  const ended = s.checks.end().then(() => {
    isOver = true;
  });
  s.pass(100_000);
  await null;
  t.same([s.counts().asked, s.counts().underWay, isOver], [2, 1, false]);
  s.answer(1, "x");
  await ended;
  s.pass(100_000);
  t.equal(s.counts().asked, 2);
  t.same(s.heard.length, 1, "what comes of them means nothing any more");
});

t.test("Checks leaves it to sessions who is up once it has retired", async (t) => {
  const s = scene(2);
  s.checks.start();
  for (let round = 0; round < 3; round++) {
    s.pass(10_000);
    s.answer(0, "x");
    s.answer(1, null);
  }
  t.same([s.isUp(0), s.isUp(1)], [false, true]);
  s.checks.retire();
  s.pass(10_000);
  t.same([s.counts().underWay, s.isUp(0), s.isUp(1)], [0, false, true]);
  s.pass(6000);
  t.equal(s.isUp(0), true, "it is tried again");
  s.checks.start();
  s.pass(100_000);
  t.equal(s.counts().underWay, 0, "and for good");
});

t.test("Checks breaks off what is under way when it is told to, the mute first", async (t) => {
  const s = scene(2);
  s.checks.start();
  s.pass(5000);
  s.speak(0);
  s.checks.stop();
  const ended = s.checks.end();
  s.checks.abort("mute");
  t.equal(s.counts().underWay, 1);
  s.checks.abort("all");
  await ended;
  t.equal(s.counts().underWay, 0);
});

t.test(
  "Checks leaves a server out while those before ask it still, and waits for them at its end",
  async (t) => {
    const before = scene(2);
    before.checks.start();
    before.pass(5000);
    before.answer(0, null);
    before.checks.stop();
    // One more change comes before that check is at its end.
    const between = scene(2);
    between.checks.follow(before.checks);
    between.checks.start();
    between.checks.stop();
    const s = scene(2);
    s.checks.follow(between.checks);
    s.checks.start();
    s.pass(5000);
    t.same([s.counts().asked, s.counts().underWay], [1, 1]);
    s.answer(0, null);
    s.pass(10_000);
    t.equal(s.counts().asked, 2);
    s.answer(0, null);
    let isOver = false;
    const ended = s.checks.end().then(() => {
      isOver = true;
    });
    await new Promise(setImmediate);
    t.equal(isOver, false);
    before.answer(1, null);
    await ended;
    s.pass(10_000);
    t.equal(s.counts().asked, 4);
  },
);

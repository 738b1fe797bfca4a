/** The order of the parked over several threads, their places, and the rate at which they go. */
import fc from "fast-check";
import t from "tap";
import { Queue, TURN_MS } from "../../src/pools/queue.ts";

const THREADS = 3;
const NOBODY_UP = null;
const ENDLESS = Number.POSITIVE_INFINITY;

/** One for each thread, over the same memory, which tells of tickets and turns that were taken before. */
function queues(max: number, { lastTicket = 0, taken = 0 } = {}): Queue[] {
  // The control thread has a column, too.
  const memory = Queue.allocate(THREADS - 1);
  new Int32Array(memory).set([lastTicket, taken]);
  return Array.from({ length: THREADS }, (_, column) => new Queue(memory, max, column));
}

/** The turns from one moment to another, looked for every TURN_MS. */
function turns(queue: Queue, ticket: number, fromMs: number, toMs: number, room: number | null = ENDLESS) {
  let count = 0;
  for (let now = fromMs; now < toMs; now += TURN_MS) while (queue.takeTurn(ticket, room, now)) count++;
  return count;
}

t.test(
  "Queue gives a turn every TURN_MS when somebody waits, and what was missed for a second",
  async (t) => {
    const [queue] = queues(5);
    const ticket = queue!.enter()!;
    queue!.show(ticket);
    t.equal(turns(queue!, ticket, 1e9, 1e9 + 1), 50);
    t.equal(turns(queue!, ticket, 1e9 + TURN_MS, 1e9 + 2001), 100);
    t.equal(turns(queue!, ticket, 1e9 + 100_000, 1e9 + 100_001), 50);
  },
);

t.test("Queue lets one try each half second when no server is up", async (t) => {
  const [queue] = queues(5);
  const ticket = queue!.enter()!;
  queue!.show(ticket);
  turns(queue!, ticket, 1e9, 1e9 + 1);
  t.equal(turns(queue!, ticket, 1e9 + TURN_MS, 1e9 + 10_000, NOBODY_UP), 20);
});

t.test("Queue gives a turn more when somebody brings one", async (t) => {
  const [queue] = queues(5);
  const ticket = queue!.enter()!;
  queue!.show(ticket);
  turns(queue!, ticket, 1e9, 1e9 + 1);
  t.equal(queue!.takeTurn(ticket, ENDLESS, 1e9), false);
  queue!.bringTurn();
  t.equal(queue!.takeTurn(ticket, ENDLESS, 1e9), true);
  t.equal(queue!.takeTurn(ticket, ENDLESS, 1e9), false);
});

t.test(
  "Queue goes on when tickets and the clock's turns come round, and when it was idle for months",
  async (t) => {
    const busy = [2 ** 31, 2 ** 32].map((turn) => ({ fromMs: (turn - 3) * TURN_MS, taken: (turn - 9) | 0 }));
    const idle = [1e10, 3e10, 6e10].map((fromMs) => ({ fromMs, taken: 0 }));
    for (const { fromMs, taken } of [...busy, ...idle]) {
      const [queue, other] = queues(9, { lastTicket: 2 ** 31 - 3, taken });
      const tickets = Array.from({ length: 6 }, () => queue!.enter()!);
      t.notOk(tickets.includes(0));
      for (const [index, ticket] of tickets.entries()) {
        queue!.show(ticket);
        other!.show(tickets[index + 1] ?? null);
        const next = tickets[index + 1] ?? null;
        const now = fromMs + index * TURN_MS;
        if (next !== null) t.equal(other!.takeTurn(next, 1, now), false, "it comes later");
        t.equal(queue!.takeTurn(ticket, 1, now), true);
      }
    }
  },
);

t.test("Queue lets others go beside the oldest when turns pile up and there is room", async (t) => {
  const [one, two] = queues(9);
  const [first, second] = [one!.enter()!, two!.enter()!];
  one!.show(first);
  two!.show(second);
  t.equal(two!.takeTurn(second, 1, 1e9), false, "there is room for the first alone");
  t.equal(two!.takeTurn(second, NOBODY_UP, 1e9), false, "and only one is to try");
  t.equal(two!.takeTurn(second, 2, 1e9), true);
  turns(one!, first, 1e9, 1e9 + 1);
  t.equal(two!.takeTurn(second, ENDLESS, 1e9 + TURN_MS), false, "all go well: the first has its turn");
  t.equal(one!.takeTurn(first, ENDLESS, 1e9 + TURN_MS), true);
});

/** What a thread may do at any time. */
const step = fc.record({
  thread: fc.nat(THREADS - 1),
  act: fc.constantFrom("enter", "enter", "go", "go", "leave", "return", "die"),
});

t.test("Queue serves in the order of coming, and loses no place, whatever threads do and die", async () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 1, max: 12 }), (steps, max) => {
      const all = queues(max, { lastTicket: 2 ** 31 - 20 });
      const lines: { ticket: number; number: number }[][] = all.map(() => []);
      const trying: { ticket: number; number: number }[][] = all.map(() => []);
      const [seen, parked] = [new Set<number>(), () => lines.flat().length + trying.flat().length];
      let [now, number] = [1e9, 0];
      for (const { thread, act } of steps) {
        const [queue, line, out] = [all[thread]!, lines[thread]!, trying[thread]!];
        now += TURN_MS;
        if (act === "enter") {
          const ticket = queue.enter();
          if ((ticket === null) !== parked() >= max) return false;
          if (ticket === null) continue;
          if (seen.has(ticket)) return false;
          seen.add(ticket);
          line.push({ ticket, number: number++ });
        } else if (act === "go" && line[0] !== undefined) {
          const isOldest = lines.flat().every((other) => other.number >= line[0]!.number);
          if (queue.takeTurn(line[0].ticket, 1, now) !== isOldest) return false;
          if (isOldest) out.push(line.shift()!);
        } else if (act === "return" && out.length > 0) {
          line.push(out.pop()!);
          line.sort((one, other) => one.number - other.number);
        } else if (act === "leave" && (out.length > 0 || line.length > 0)) {
          if (out.pop() === undefined) line.pop();
          queue.leave();
        } else if (act === "die") {
          line.length = 0;
          out.length = 0;
          all[(thread + 1) % THREADS]!.reclaim(thread);
        }
        if (act !== "die") queue.show(line[0]?.ticket ?? null);
        if (queue.size !== parked() || queue.hasRoom !== parked() < max) return false;
      }
      return true;
    }),
    { numRuns: 1000 },
  );
});

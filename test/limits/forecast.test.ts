/** What the limits foresee: the same as comes to pass, whatever came before; and asking changes nothing. */
import assert from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import { Address } from "../../src/address.ts";
import { type AttemptedEvent, Limiter } from "../../src/limits/limiter.ts";
import type { LimitOptions } from "../../src/limits/options.ts";
import { CONTROL, NO_LEASE, Table } from "../../src/limits/table.ts";
import { defaultLimits } from "../config/fixtures.ts";

const ENDED = { refused: false, messages: 0, bytes: 0 };
const UNIT = 4;
const clients = ["203.0.113.7", "203.0.113.8", "2001:db8::1", "2001:db8::2"].map(
  (text) => Address.parse(text)!,
);
const CLIENT = clients[0]!;

function setUp(options: Partial<LimitOptions>, entries = 8) {
  const memory = Table.allocate({ entries, threads: 1 });
  const set = { ...defaultLimits, connectionCount: 0, timeUnitSeconds: UNIT, ...options };
  const limiter = (thread: number) => new Limiter(new Table(memory, thread), set, 0);
  return { memory, limits: limiter(0), asked: limiter(CONTROL) };
}

const limit = fc.integer({ min: 0, max: 3 });
const limits = fc.record({
  connectionCount: limit,
  connectionRate: limit,
  messageRate: limit,
  recipientRate: limit,
  authRate: limit,
  newTlsSessionRate: limit,
  authFailureRate: limit,
  exceptions: fc.constantFrom([], ["203.0.113.7"]),
  dryRun: fc.boolean(),
});

const kinds = ["message-rate", "recipient-rate", "auth-rate", "new-tls-session-rate"] as const;
const step = fc.record({
  client: fc.nat(clients.length - 1),
  does: fc.constantFrom("leave", "fail", ...kinds),
  times: fc.nat(4),
  stays: fc.boolean(),
  seconds: fc.nat(UNIT),
});

/** One after another they connect, do something so many times, and go or stay; returns the second at which all is done. */
function live(
  limiter: Limiter,
  steps: readonly (typeof step extends fc.Arbitrary<infer Step> ? Step : never)[],
): number {
  let now = 100;
  for (const { client, does, times, stays, seconds } of steps) {
    now += seconds;
    const connected = { client: clients[client]!, lease: limiter.connect(clients[client]!, now).lease };
    for (let time = 0; time < times; time++) {
      if (does === "fail") limiter.failed(connected, now);
      else if (does !== "leave") limiter.attempt(does, connected, now);
    }
    if (!stays) limiter.disconnect(connected.lease, ENDED, now);
  }
  return now;
}

t.test("Limiter.forecast says what comes to pass when it is asked first, and changes no word", async () => {
  fc.assert(
    fc.property(
      limits,
      fc.array(step, { maxLength: 12 }),
      fc.nat(3),
      fc.nat(UNIT + 2),
      (options, steps, who, later) => {
        for (const entries of [2, 8]) {
          const client = clients[who]!;
          const world = setUp(options, entries);
          const now = live(world.limits, steps) + later;
          const before = new Int32Array(world.memory).slice();
          const { connection, securing, next, isException } = world.asked.forecast(client, now);
          assert.deepEqual(new Int32Array(world.memory), before);
          assert.equal(
            isException,
            options.exceptions.some((text) => text === client.text),
          );

          const { lease, ...admission } = world.limits.connect(client, now);
          assert.deepEqual(connection, admission);
          const connected = { client, lease };
          assert.deepEqual(securing, world.limits.standing("new-tls-session-rate", connected, now));
          const login = world.limits.standing("auth-failure-rate", connected, now);
          const attempts = kinds.map((kind: AttemptedEvent) => world.limits.attempt(kind, connected, now));
          assert.deepEqual(
            next,
            [...attempts, login].filter(({ excess }) => excess !== null),
          );
        }
      },
    ),
  );
});

t.test("Limiter.forecast sees another window only when an event would begin one", async (t) => {
  const { limits, asked } = setUp({ connectionRate: 1 });
  const connectionAt = (now: number) => asked.forecast(CLIENT, now).connection.excess;
  t.equal(connectionAt(100), null, "nobody knows it yet");
  const { lease } = limits.connect(CLIENT, 100);
  t.equal(connectionAt(104), "connection-rate");
  t.equal(connectionAt(105), null);
  limits.disconnect(lease, ENDED, 100);
  t.equal(connectionAt(103), "connection-rate");
  t.equal(connectionAt(104), null, "it came and went in its first second");
});

t.test("Limiter.forecast finds no place when the table is full of others", async (t) => {
  const { limits, asked } = setUp({ authFailureRate: 1 }, 1);
  const { lease } = limits.connect(clients[1]!, 100);
  const { connection, next } = asked.forecast(CLIENT, 100);
  t.same(connection, { excess: "max-connections", count: 2, limit: 1, refused: true });
  t.same(next, []);
  t.equal(limits.connect(CLIENT, 100).lease, NO_LEASE);
  limits.disconnect(lease, ENDED, 100);
  t.equal(asked.forecast(CLIENT, 100).connection.excess, null, "an idle client makes room");
});

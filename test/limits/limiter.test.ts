/** The limits: what the real anvil(8) answered to the same events, and what postern adds to it. */
import t from "tap";
import { Address } from "../../src/address.ts";
import { type Admission, type AttemptedEvent, Limiter } from "../../src/limits/limiter.ts";
import type { LimitOptions } from "../../src/limits/options.ts";
import { Table } from "../../src/limits/table.ts";

const ENDED = { refused: false, messages: 0, bytes: 0 };
const CLIENT = ip("203.0.113.7");

const OFF: LimitOptions = {
  timeUnitSeconds: 10,
  connectionCount: 0,
  connectionRate: 0,
  messageRate: 0,
  recipientRate: 0,
  authRate: 0,
  newTlsSessionRate: 0,
  authFailureRate: 0,
  authFailureDelayMs: 0,
  exceptions: [],
  ipv4PrefixLength: 32,
  ipv6PrefixLength: 64,
  scope: null,
  dryRun: false,
};

function ip(text: string): Address {
  const address = Address.parse(text);
  if (address === null) throw new Error(text);
  return address;
}

function limiter(
  options: Partial<LimitOptions>,
  table = new Table(Table.allocate({ entries: 64, threads: 1 }), 0),
): Limiter {
  return new Limiter(table, { ...OFF, ...options }, 0);
}

/** Connects at each of `times` (seconds with fractions, as events come), ending `staysSeconds` later; who was let in. */
function accepted(limits: Limiter, times: readonly number[], staysSeconds = 0.1): number[] {
  const open: { end: number; lease: number }[] = [];
  const leave = (now: number) => {
    while (open[0] !== undefined && open[0].end <= now) {
      const { end, lease } = open.shift()!;
      limits.disconnect(lease, ENDED, Math.floor(end));
    }
  };
  return times.filter((time) => {
    leave(time);
    const { lease, refused } = limits.connect(CLIENT, Math.floor(time));
    open.push({ end: time + staysSeconds, lease });
    return !refused;
  });
}

const excesses = (limits: Limiter, clients: readonly Address[]) =>
  clients.map((client) => limits.connect(client, 100).excess);

t.test(
  "Limiter answers as anvil does when one client comes each second for 26 seconds, limit 3 in 10",
  async (t) => {
    const everySecond = Array.from({ length: 26 }, (_, second) => second);
    t.strictSame(accepted(limiter({ connectionRate: 3 }), everySecond), [0, 1, 2, 11, 12, 13, 22, 23, 24]);
  },
);

t.test("Limiter answers as anvil does when a window of 10 s lapses in the eleventh second", async (t) => {
  const times = [0, 8, 8, 9.6, 10.8, 11.2, 11.6, 12].map((time) => time + 0.3);
  const expected = [0, 8, 8, 10.8, 11.2, 11.6].map((time) => time + 0.3);
  t.strictSame(accepted(limiter({ connectionRate: 3 }), times), expected);
});

t.test("Limiter answers as anvil does when a client stays away for one unit", async (t) => {
  // Asked of Postfix 3.7's anvil itself, unit 4 s: a client that left in its first second counts from 1 again in the
  // fourth, one that left in the next second counts on there, and from 1 in the fifth.
  const unit = { timeUnitSeconds: 4, connectionRate: 1 };
  t.strictSame(accepted(limiter(unit), [0.3, 0.4, 3.9, 8.1], 0.1), [0.3, 8.1]);
  t.strictSame(
    accepted(limiter(unit), [0.3, 0.4, 4.6], 0.1),
    [0.3, 4.6],
    "came and went in the first second",
  );
  t.strictSame(accepted(limiter(unit), [0.3, 4.6, 5.1], 0.8), [0.3, 5.1], "left in the next second");
  t.strictSame(accepted(limiter(unit), [0.3, 4.6, 5.1], 60), [0.3, 5.1], "never left");
});

t.test("Limiter says what was counted and which limit it exceeds, concurrency first", async (t) => {
  const limits = limiter({ connectionCount: 2, connectionRate: 3 });
  const connect = () => limits.connect(CLIENT, 100);
  const [first, second, third] = [connect(), connect(), connect()];
  t.match(first, { excess: null, count: 0, limit: 0, refused: false });
  t.match(second, { excess: null, refused: false });
  t.match(third, { excess: "connection-count", count: 3, limit: 2, refused: true });
  t.match(connect(), { excess: "connection-count", count: 4, limit: 2, refused: true }, "both are exceeded");
  for (const { lease } of [first, second, third]) limits.disconnect(lease, ENDED, 101);
  t.match(connect(), { excess: "connection-rate", count: 5, limit: 3, refused: true });
});

t.test("Limiter counts refused connections among the concurrent when they are still open", async (t) => {
  const limits = limiter({ connectionCount: 1 });
  const admissions = [1, 2, 3].map(() => limits.connect(CLIENT, 100));
  t.strictSame(
    admissions.map(({ refused }) => refused),
    [false, true, true],
  );
  for (const { lease } of admissions.slice(1))
    limits.disconnect(lease, { refused: true, messages: 0, bytes: 0 }, 100);
  t.equal(limits.connect(CLIENT, 100).count, 2);
});

t.test("Limiter takes addresses for one client when their prefix is the same", async (t) => {
  const limits = limiter({ connectionCount: 1, ipv4PrefixLength: 24, ipv6PrefixLength: 64 });
  t.strictSame(
    excesses(limits, ["203.0.113.7", "203.0.113.200", "203.0.114.7", "::ffff:203.0.114.8"].map(ip)),
    [null, "connection-count", null, "connection-count"],
  );
  t.strictSame(excesses(limits, ["2001:db8::1", "2001:db8::2:0:0:1", "2001:db8:0:1::1"].map(ip)), [
    null,
    "connection-count",
    null,
  ]);
});

t.test(
  "Limiter keeps counters apart when scopes differ, and together when two threads share one",
  async (t) => {
    const memory = Table.allocate({ entries: 4, threads: 2 });
    const options = { connectionCount: 1 };
    const here = limiter(options, new Table(memory, 0));
    const there = limiter(options, new Table(memory, 1));
    t.equal(here.connect(CLIENT, 100).excess, null);
    t.equal(there.connect(CLIENT, 100).excess, "connection-count");
    const elsewhere = new Limiter(new Table(memory, 0), { ...OFF, ...options }, 1);
    t.equal(elsewhere.connect(CLIENT, 100).excess, null);
  },
);

t.test("Limiter counts but never limits a client when it is among the exceptions", async (t) => {
  const limits = limiter({ connectionCount: 1, exceptions: ["203.0.113.0/24", "2001:db8::/32"] });
  const clients = ["203.0.113.7", "203.0.113.7", "2001:db8::1", "2001:db8::1", "192.0.2.1", "192.0.2.1"].map(
    ip,
  );
  t.strictSame(excesses(limits, clients), [null, null, null, null, null, "connection-count"]);
});

t.test("Limiter says the excess and refuses nothing when it runs dry", async (t) => {
  const limits = limiter({ connectionCount: 1, dryRun: true });
  const admissions: Admission[] = [1, 2].map(() => limits.connect(CLIENT, 100));
  t.match(admissions, [
    { excess: null, refused: false },
    { excess: "connection-count", count: 2, limit: 1, refused: false },
  ]);
});

t.test("Limiter refuses by a full table all but those whom limits do not bind", async (t) => {
  const full = new Table(Table.allocate({ entries: 1, threads: 1 }), 0);
  const taken = limiter({}, full).connect(ip("192.0.2.1"), 100);
  const refused = limiter({}, full).connect(CLIENT, 100);
  t.strictSame(refused, { lease: -1, excess: "max-connections", count: 2, limit: 1, refused: true });
  t.match(limiter({ dryRun: true }, full).connect(CLIENT, 100), {
    lease: -1,
    excess: "max-connections",
    refused: false,
  });
  const exempt = limiter({ exceptions: ["203.0.113.7"] }, full).connect(CLIENT, 100);
  t.strictSame(exempt, { lease: -1, excess: null, count: 0, limit: 0, refused: false });
  limiter({}, full).disconnect(exempt.lease, ENDED, 100);
  limiter({}, full).disconnect(taken.lease, ENDED, 100);
  t.equal(limiter({}, full).connect(CLIENT, 100).refused, false);
});

const attempts = (limits: Limiter, lease: number, event: AttemptedEvent, seconds: readonly number[]) =>
  seconds.map((now) => !limits.attempt(event, { client: CLIENT, lease }, now).refused);

t.test("Limiter.attempt refuses each event beyond its own limit, and says what was counted", async (t) => {
  const rates = { messageRate: 2, recipientRate: 3, authRate: 1, newTlsSessionRate: 2 };
  const limits = limiter(rates);
  const { lease } = limits.connect(CLIENT, 100);
  t.strictSame(attempts(limits, lease, "message-rate", [100, 100, 100]), [true, true, false]);
  t.strictSame(attempts(limits, lease, "recipient-rate", [100, 100, 100, 100]), [true, true, true, false]);
  t.strictSame(attempts(limits, lease, "auth-rate", [100, 100]), [true, false]);
  t.strictSame(attempts(limits, lease, "new-tls-session-rate", [100, 100, 100]), [true, true, false]);
  const verdict = limits.attempt("recipient-rate", { client: CLIENT, lease }, 100);
  t.strictSame(verdict, { excess: "recipient-rate", count: 5, limit: 3, refused: true });
});

t.test("Limiter.attempt counts in one window for all that a client does, over its connections", async (t) => {
  const limits = limiter({ messageRate: 1, recipientRate: 1 });
  const first = limits.connect(CLIENT, 100).lease;
  t.strictSame(attempts(limits, first, "message-rate", [109, 110]), [true, false]);
  const second = limits.connect(CLIENT, 110).lease;
  t.strictSame(attempts(limits, second, "message-rate", [110]), [false], "another connection");
  t.strictSame(attempts(limits, first, "recipient-rate", [110, 111]), [true, true], "111 begins a window");
  t.strictSame(attempts(limits, first, "message-rate", [111, 121, 122]), [true, false, true]);
});

t.test("Limiter.attempt begins no window when its limit is off", async (t) => {
  const limits = limiter({ recipientRate: 1 });
  const { lease } = limits.connect(CLIENT, 100);
  t.strictSame(attempts(limits, lease, "message-rate", [111, 111]), [true, true]);
  t.strictSame(attempts(limits, lease, "recipient-rate", [112, 122, 123]), [true, false, true]);
});

t.test("Limiter.attempt refuses nobody whom limits do not bind", async (t) => {
  const strict = { messageRate: 1 };
  const dry = limiter({ ...strict, dryRun: true });
  const { lease } = dry.connect(CLIENT, 100);
  t.strictSame(attempts(dry, lease, "message-rate", [100, 100]), [true, true]);
  const verdict = dry.attempt("message-rate", { client: CLIENT, lease }, 100);
  t.strictSame(verdict, { excess: "message-rate", count: 3, limit: 1, refused: false });

  const exempt = limiter({ ...strict, exceptions: ["203.0.113.0/24"] });
  const known = exempt.connect(CLIENT, 100).lease;
  t.strictSame(attempts(exempt, known, "message-rate", [100, 100]), [true, true]);

  const full = new Table(Table.allocate({ entries: 1, threads: 1 }), 0);
  limiter({}, full).connect(ip("192.0.2.1"), 100);
  const crowded = limiter({ ...strict, dryRun: true }, full);
  const { lease: none } = crowded.connect(CLIENT, 100);
  t.strictSame(attempts(crowded, none, "message-rate", [100, 100]), [true, true], "without a lease");
});

/** What smtpd says to a client that asks for a new TLS session: Postfix's two questions, in their order. */
function starttls(limits: Limiter, lease: number, now: number): "220" | "421" | "454" {
  const who = { client: CLIENT, lease };
  if (limits.standing("new-tls-session-rate", who, now).refused) return "454";
  return limits.attempt("new-tls-session-rate", who, now).refused ? "421" : "220";
}

/** What a client hears that does not know its password. */
function login(limits: Limiter, lease: number, now: number): "535" | "421" {
  const who = { client: CLIENT, lease };
  if (limits.standing("auth-failure-rate", who, now).refused) return "421";
  limits.failed(who, now);
  return "535";
}

t.test(
  "Limiter refuses TLS sessions as smtpd does: the first in excess late, those after it early",
  async (t) => {
    const limits = limiter({ newTlsSessionRate: 2 });
    const { lease } = limits.connect(CLIENT, 100);
    const answers = [100, 100, 104, 104, 110].map((now) => starttls(limits, lease, now));
    t.strictSame(answers, ["220", "220", "421", "454", "454"]);
    const early = limits.standing("new-tls-session-rate", { client: CLIENT, lease }, 110);
    t.strictSame(
      early,
      { excess: "new-tls-session-rate", count: 3, limit: 2, refused: true },
      "none was added",
    );
    t.equal(starttls(limits, limits.connect(CLIENT, 110).lease, 110), "454", "another connection");
    t.equal(starttls(limits, lease, 111), "220", "another window");
  },
);

t.test("Limiter.standing begins no window when the last one has lapsed", async (t) => {
  const limits = limiter({ newTlsSessionRate: 1 });
  const { lease } = limits.connect(CLIENT, 100);
  t.equal(starttls(limits, lease, 100), "220");
  t.equal(limits.standing("new-tls-session-rate", { client: CLIENT, lease }, 111).refused, false);
  t.strictSame(
    [112, 122, 122, 123].map((now) => starttls(limits, lease, now)),
    ["220", "421", "454", "220"],
    "112 begins a window, not 111",
  );
});

t.test("Limiter lets as many logins fail as it may, and tries no other in the window", async (t) => {
  const limits = limiter({ authFailureRate: 2 });
  const { lease } = limits.connect(CLIENT, 100);
  t.strictSame(
    [101, 105, 110, 110].map((now) => login(limits, lease, now)),
    ["535", "535", "421", "421"],
  );
  const verdict = limits.standing("auth-failure-rate", { client: CLIENT, lease }, 110);
  t.strictSame(verdict, { excess: "auth-failure-rate", count: 2, limit: 2, refused: true });
  t.equal(login(limits, limits.connect(CLIENT, 110).lease, 110), "421", "another connection");
  t.equal(login(limits, lease, 111), "535", "another window");
});

t.test("Limiter.standing refuses nobody whom limits do not bind", async (t) => {
  const strict = { newTlsSessionRate: 1, authFailureRate: 1 };
  const dry = limiter({ ...strict, dryRun: true });
  const { lease } = dry.connect(CLIENT, 100);
  for (let time = 0; time < 3; time++) {
    t.equal(starttls(dry, lease, 100), "220");
    t.equal(login(dry, lease, 100), "535");
  }
  const who = { client: CLIENT, lease };
  const expected = { count: 3, limit: 1, refused: false };
  t.strictSame(dry.standing("new-tls-session-rate", who, 100), {
    excess: "new-tls-session-rate",
    ...expected,
  });
  t.strictSame(dry.standing("auth-failure-rate", who, 100), { excess: "auth-failure-rate", ...expected });

  const full = new Table(Table.allocate({ entries: 1, threads: 1 }), 0);
  const free: [string, Limiter][] = [
    ["an exception", limiter({ ...strict, exceptions: ["203.0.113.0/24"] })],
    ["limits that are off", limiter({})],
    ["another client's place", limiter({ ...strict, dryRun: true }, full)],
  ];
  limiter({}, full).connect(ip("192.0.2.1"), 100);
  for (const [what, limits] of free) {
    const connected = { client: CLIENT, lease: limits.connect(CLIENT, 100).lease };
    for (let time = 0; time < 3; time++) {
      t.equal(starttls(limits, connected.lease, 100), "220", what);
      t.equal(login(limits, connected.lease, 100), "535", what);
    }
    t.equal(limits.standing("new-tls-session-rate", connected, 100).excess, null, what);
    t.equal(limits.standing("auth-failure-rate", connected, 100).excess, null, what);
  }
});

const failures = (limits: Limiter, lease: number, seconds: readonly number[]) =>
  seconds.map((now) => limits.failed({ client: CLIENT, lease }, now));

t.test(
  "Limiter.failed says a delay that doubles with each failure in the window, up to a bound",
  async (t) => {
    const limits = limiter({ authFailureDelayMs: 700 });
    const { lease } = limits.connect(CLIENT, 100);
    t.strictSame(
      failures(limits, lease, [100, 101, 102, 103, 104, 105, 105, 110]),
      [700, 1400, 2800, 5600, 11_200, 22_400, 30_000, 30_000],
    );
    const second = limits.connect(CLIENT, 110);
    t.strictSame(failures(limits, second.lease, [110]), [30_000], "another connection of the client");
    const other = { client: ip("203.0.113.8"), lease: limits.connect(ip("203.0.113.8"), 110).lease };
    t.equal(limits.failed(other, 110), 700, "another client");
    t.strictSame(failures(limits, lease, [111, 111]), [700, 1400], "another window");
  },
);

t.test("Limiter.failed stays in its bounds when the failures are more than numbers can double", async (t) => {
  for (const [authFailureDelayMs, delayMs] of [
    [1, 30_000],
    [0, 0],
  ] as const) {
    const limits = limiter({ authFailureDelayMs, authFailureRate: 1 });
    const { lease } = limits.connect(CLIENT, 100);
    t.equal(failures(limits, lease, new Array(1200).fill(100)).at(-1), delayMs);
  }
});

t.test("Limiter.failed counts when a limit or a delay is set, and else begins no window", async (t) => {
  const counted = (options: Partial<LimitOptions>) => {
    const table = new Table(Table.allocate({ entries: 4, threads: 1 }), 0);
    const limits = limiter(options, table);
    const { lease } = limits.connect(CLIENT, 100);
    t.same(failures(limits, lease, [100, 100]), options.authFailureDelayMs ? [1, 2] : [0, 0]);
    return [...table.entries()][0]?.window.authFailures;
  };
  t.equal(counted({ authFailureDelayMs: 1 }), 2);
  t.equal(counted({ authFailureRate: 1 }), 2);
  t.equal(counted({}), 0);
});

t.test("Limiter.failed delays nobody whom limits do not bind, and counts the failures", async (t) => {
  const strict = { authFailureDelayMs: 500, authFailureRate: 2 };
  for (const options of [{ dryRun: true }, { exceptions: ["203.0.113.0/24"] }]) {
    const table = new Table(Table.allocate({ entries: 4, threads: 1 }), 0);
    const limits = limiter({ ...strict, ...options }, table);
    const { lease } = limits.connect(CLIENT, 100);
    t.strictSame(failures(limits, lease, [100, 100]), [0, 0]);
    t.equal([...table.entries()][0]?.window.authFailures, 2);
  }
  const full = new Table(Table.allocate({ entries: 1, threads: 1 }), 0);
  const taken = limiter({}, full).connect(ip("192.0.2.1"), 100);
  t.strictSame(failures(limiter(strict, full), -1, [100]), [0], "without a lease");
  limiter({}, full).disconnect(taken.lease, ENDED, 100);
});

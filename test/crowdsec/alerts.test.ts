/** Alerts on their way to LAPI: their form, and what becomes of them when LAPI is away, slow or of another mind. */
import t from "tap";
import { Alerts, type AlertTerms } from "../../src/crowdsec/alerts.ts";
import type { Answer } from "../../src/crowdsec/lapi.ts";
import type { Signal } from "../../src/crowdsec/signals.ts";
import { type FakeLapi, json, startLapi } from "../servers/lapi.ts";
import { Asked, isoAt, lapiAt, madeTime, memory, type Request } from "./push.ts";

const PASSWORD = "geheim";
const token = { code: 200, token: "abc.def.ghi" };

const unreachable: Answer = { failed: "unreachable", detail: "ECONNREFUSED" };

/** A LAPI that takes everything, with tokens that last. */
function willing({ path }: { readonly path: string }): Answer {
  if (path === "/v1/watchers/login") {
    return { status: 200, body: JSON.stringify({ ...token, expire: "2027-01-01T00:00:00Z" }) };
  }
  return path === "/v1/alerts" ? { status: 201, body: '["7"]' } : { status: 200, body: "" };
}

function make(others: Partial<AlertTerms> = {}) {
  const time = madeTime();
  const log = memory();
  const asked = new Asked(willing);
  const alerts = new Alerts({
    options: { machineId: "edge", password: PASSWORD },
    lapi: asked,
    clock: time,
    wallMs: time.wallMs,
    isProtected: () => false,
    random: () => 0,
    log: log.tell,
    ...others,
  });
  const hammer = (ip: string, count = 31): Signal => {
    return { ip, reason: "connection-rate", service: "smtp", count, seconds: time.seconds() };
  };
  return { time, log, asked, alerts, hammer };
}

const pushes = ({ requests }: Asked) => requests.filter(({ path }) => path === "/v1/alerts");

const sources = ({ body }: Request): string[] =>
  JSON.parse(body).map((alert: { source: { ip: string } }) => alert.source.ip);

const address = (index: number) => `203.0.113.${index}`;

t.test("Alerts pushes LAPI's form when a client has come to what a scenario needs", async (t) => {
  const { time, asked, alerts, hammer, log } = make();
  alerts.note([hammer("203.0.113.9", 25)]);
  await alerts.tick();
  t.equal(pushes(asked).length, 0);
  time.pass(12);
  alerts.note([{ ...hammer("203.0.113.9", 8), service: "submission", reason: "auth-rate" }]);
  await alerts.tick();
  const event = (timestamp: string, service: string, reason: string, count: string) => ({
    timestamp,
    meta: [
      { key: "source_ip", value: "203.0.113.9" },
      { key: "service", value: service },
      { key: "reason", value: reason },
      { key: "count", value: count },
    ],
  });
  const [first, last] = [isoAt(1000), isoAt(1012)];
  t.strictSame(JSON.parse(pushes(asked)[0]!.body), [
    {
      scenario: "postern/limit-hammering",
      scenario_hash: "",
      scenario_version: "",
      message: "203.0.113.9: postern/limit-hammering, 33 times in 12 s",
      events_count: 33,
      start_at: first,
      stop_at: last,
      capacity: 30,
      leakspeed: "10s",
      simulated: false,
      remediation: true,
      source: { scope: "Ip", value: "203.0.113.9", ip: "203.0.113.9" },
      events: [event(first, "smtp", "connection-rate", "25"), event(last, "submission", "auth-rate", "8")],
    },
  ]);
  t.match(first, /^2026-11-22T10:16:40\.000Z$/, "RFC 3339, UTC");
  t.strictSame(log.told, [
    {
      level: "info",
      event: "alert",
      fields: { scenario: "postern/limit-hammering", client: { ip: "203.0.113.9" }, count: 33 },
    },
  ]);
  await alerts.tick();
  t.equal(pushes(asked).length, 1, "once");
});

t.test("Alerts sends all that wait together when it is time", async (t) => {
  const { asked, alerts, hammer } = make();
  alerts.note([hammer("203.0.113.9"), { ...hammer("2001:db8::9", 4), reason: "nul-byte" }]);
  await alerts.tick();
  t.same(pushes(asked).map(sources), [["203.0.113.9", "2001:db8::9"]]);
  const [, abuse] = JSON.parse(pushes(asked)[0]!.body);
  t.match(abuse, { scenario: "postern/protocol-abuse", capacity: 3, leakspeed: "600s" });
});

t.test("Alerts raises none when the network is protected", async (t) => {
  const { asked, alerts, hammer } = make({ isProtected: ({ text }) => text === "203.0.113.9" });
  alerts.note([hammer("203.0.113.9", 1000), hammer("127.0.0.1", 1000), hammer("10.0.0.1", 1000)]);
  await alerts.tick();
  t.equal(pushes(asked).length, 0);
});

t.test("Alerts says each minute that it lives when nothing happens", async (t) => {
  const { time, asked, alerts } = make();
  await alerts.tick();
  t.same(asked.paths, ["/v1/watchers/login", "/v1/heartbeat"], "at once, so that a wrong password is seen");
  asked.forget();
  for (let second = 1; second <= 120; second++) {
    time.pass(1);
    await alerts.tick();
  }
  t.same(asked.paths, ["/v1/heartbeat", "/v1/heartbeat"]);
});

t.test("Alerts waits longer and longer when LAPI is away, and sends what has waited", async (t) => {
  const { time, log, asked, alerts, hammer } = make();
  asked.answer = () => unreachable;
  const start = time.seconds();
  const tried: number[] = [];
  alerts.note([hammer("203.0.113.9")]);
  for (let second = 0; second < 200; second++) {
    const before = asked.requests.length;
    await alerts.tick();
    if (asked.requests.length > before) tried.push(time.seconds() - start);
    time.pass(1);
  }
  t.same(tried, [0, 2, 6, 14, 30, 62, 122, 182]);
  asked.answer = willing;
  asked.forget();
  time.pass(60);
  await alerts.tick();
  t.same(pushes(asked).map(sources), [["203.0.113.9"]]);
  t.match(JSON.parse(pushes(asked)[0]!.body), [{ stop_at: isoAt(start) }], "with the time when it happened");
  t.same(log.events, ["alerts-failed", "alert", "alerts-recovered"], "told once");
  t.equal(alerts.lost, 0);
});

t.test("Alerts begins with the shortest wait, and tells again, when all was well meanwhile", async (t) => {
  const { time, log, asked, alerts } = make();
  for (const answer of [() => unreachable, () => unreachable, willing, () => unreachable]) {
    asked.answer = answer;
    time.pass(60);
    await alerts.tick();
  }
  t.same(log.events, ["alerts-failed", "alerts-recovered", "alerts-failed"]);
  asked.forget();
  time.pass(2);
  await alerts.tick();
  t.equal(asked.requests.length, 1);
});

t.test("Alerts is not well again when it has merely nothing to say", async (t) => {
  const { time, log, asked, alerts, hammer } = make();
  await alerts.tick();
  asked.answer = ({ path }) => (path === "/v1/alerts" ? { status: 422, body: "" } : unreachable);
  alerts.note([hammer("203.0.113.9")]);
  await alerts.tick();
  time.pass(2);
  await alerts.tick();
  t.same(log.events, ["alerts-failed", "alerts-failed"]);
});

t.test("Alerts waits for a shorter time when chance says so", async (t) => {
  const { time, asked, alerts } = make({ random: () => 1 });
  asked.answer = () => unreachable;
  await alerts.tick();
  time.pass(1);
  await alerts.tick();
  t.equal(asked.requests.length, 2);
});

t.test("Alerts keeps the newest hundred when LAPI is away", async (t) => {
  const { time, asked, alerts, hammer } = make();
  asked.answer = () => ({ failed: "timeout", detail: "answer" });
  for (let index = 1; index <= 103; index++) alerts.note([hammer(address(index))]);
  t.equal(alerts.lost, 3);
  await alerts.tick();
  asked.answer = willing;
  time.pass(2);
  await alerts.tick();
  const sent = sources(pushes(asked)[0]!);
  t.equal(sent.length, 100);
  t.equal(sent[0], address(4));
  t.equal(sent.at(-1), address(103));
});

t.test("Alerts forgets an alert when it has waited for ten minutes", async (t) => {
  const { time, asked, alerts, hammer } = make();
  asked.answer = () => ({ failed: "timeout", detail: "answer" });
  alerts.note([hammer("203.0.113.1")]);
  await alerts.tick();
  time.pass(1);
  alerts.note([hammer("203.0.113.2")]);
  time.pass(600);
  asked.answer = willing;
  await alerts.tick();
  t.same(pushes(asked).map(sources), [["203.0.113.2"]]);
  t.equal(alerts.lost, 1);
});

t.test("Alerts keeps or drops a batch when LAPI says this or that", async (t) => {
  const rows: readonly [number, boolean][] = [
    [500, true],
    [403, true],
    [429, true],
    [200, true],
    [400, false],
    [413, false],
    [422, false],
  ];
  for (const [status, isKept] of rows) {
    const { time, asked, alerts, hammer, log } = make();
    asked.answer = (request) =>
      request.path === "/v1/alerts" ? { status, body: PASSWORD } : willing(request);
    alerts.note([hammer("203.0.113.9")]);
    await alerts.tick();
    t.same(log.told, [
      { level: "warn", event: "alerts-failed", fields: { kind: "status", detail: `${status}` } },
    ]);
    asked.answer = willing;
    asked.forget();
    time.pass(2);
    await alerts.tick();
    t.equal(pushes(asked).length, isKept ? 1 : 0, `${status}`);
    t.equal(alerts.lost, isKept ? 0 : 1);
    t.equal(log.events.at(-1), "alerts-recovered");
    t.ok(asked.paths.includes("/v1/heartbeat"), "which a heartbeat has shown");
  }
});

t.test("Alerts has one request under way when LAPI is slow", async (t) => {
  const { time, asked, alerts, hammer } = make();
  const { promise, resolve } = Promise.withResolvers<Answer>();
  asked.answer = (request) => (request.path === "/v1/alerts" ? promise : willing(request));
  alerts.note([hammer("203.0.113.1")]);
  const slow = alerts.tick();
  alerts.note([hammer("203.0.113.2")]);
  time.pass(1);
  await alerts.tick();
  t.equal(pushes(asked).length, 1);
  resolve({ status: 201, body: "[]" });
  await slow;
  asked.answer = willing;
  await alerts.tick();
  t.same(pushes(asked).map(sources), [["203.0.113.1"], ["203.0.113.2"]]);
});

t.test("Alerts keeps the order when others come while LAPI refuses", async (t) => {
  const { time, asked, alerts, hammer } = make();
  asked.answer = (request) => {
    if (request.path !== "/v1/alerts") return willing(request);
    alerts.note([hammer("203.0.113.2")]);
    return { status: 500, body: "" };
  };
  alerts.note([hammer("203.0.113.1")]);
  await alerts.tick();
  asked.answer = willing;
  asked.forget();
  time.pass(2);
  await alerts.tick();
  t.same(pushes(asked).map(sources), [["203.0.113.1", "203.0.113.2"]]);
});

t.test("Alerts never tells the password when it is wrong", async (t) => {
  const { asked, alerts, hammer, log } = make();
  asked.answer = ({ body }) => ({ status: 401, body });
  alerts.note([hammer("203.0.113.9")]);
  await alerts.tick();
  t.same(log.told, [{ level: "warn", event: "alerts-failed", fields: { kind: "status", detail: "401" } }]);
  t.notMatch(JSON.stringify(log.told), PASSWORD);
});

t.test("Alerts reaches LAPI when it is asked over HTTP", async (t) => {
  const lapi: FakeLapi = await startLapi(t);
  lapi.next(json({ ...token, expire: "2027-01-01T00:00:00Z" }), json(["7"], 201), json(null));
  const { alerts, hammer } = make({ lapi: lapiAt(t, lapi.url) });
  alerts.note([hammer("203.0.113.9")]);
  await alerts.tick();
  t.same(
    lapi.asked.map(({ method, path, headers }) => `${method} ${path} ${headers.authorization ?? "-"}`),
    [
      "POST /v1/watchers/login -",
      "POST /v1/alerts Bearer abc.def.ghi",
      "GET /v1/heartbeat Bearer abc.def.ghi",
    ],
  );
});

/** Usage metrics: LAPI's form to the letter, differences that survive a LAPI that is away, and one too old for them. */
import t from "tap";
import type { Answer } from "../../src/crowdsec/lapi.ts";
import {
  operatingSystem,
  osOf,
  type Told,
  type Usage,
  UsageMetrics,
  type UsageTerms,
} from "../../src/crowdsec/usage.ts";
import { json, startLapi } from "../servers/lapi.ts";
import { Asked, EPOCH_MS, lapiAt, madeTime, memory } from "./push.ts";

const INTERVAL_SECONDS = 900;
const DAY_SECONDS = 86_400;

const os = { name: "Debian GNU/Linux", family: "linux", version: "12" };
const created: Answer = { status: 201, body: "" };

const none: Usage = { processed: { ipv4: 0, ipv6: 0 }, dropped: [], active: [] };
const first: Usage = {
  processed: { ipv4: 1175, ipv6: 20 },
  dropped: [
    { origin: "CAPI", ipv4: 150, ipv6: 0 },
    { origin: "lists:firehol", ipv4: 9, ipv6: 2 },
  ],
  active: [{ origin: "CAPI", ipv4: 34201, ipv6: 0 }],
};

/** Metrics whose numbers are `usage.now`, with everything they touch at hand. */
function make(others: Partial<UsageTerms> = {}) {
  const time = madeTime();
  const log = memory();
  const asked = new Asked(() => created);
  const usage = { now: none };
  const metrics = new UsageMetrics({
    intervalMs: INTERVAL_SECONDS * 1000,
    version: "1.2.3",
    os,
    clock: time,
    wallMs: time.wallMs,
    random: () => 0.5,
    read: () => usage.now,
    told: null,
    accepted: () => {},
    lapi: asked,
    log: log.tell,
    ...others,
  });
  const pass = (seconds: number) => {
    time.pass(seconds);
    return metrics.tick();
  };
  return { time, log, asked, usage, metrics, pass };
}

type Item = { name: string; value: number; unit: string; labels: { origin?: string; ip_type: string } };

/** The items of the last push, as short texts. */
function itemsOf(asked: Asked): string[] {
  const [component] = JSON.parse(asked.requests.at(-1)!.body).remediation_components;
  const items: Item[] = component.metrics[0].items;
  return items.map(({ name, labels, value }) =>
    [name, labels.origin, labels.ip_type, value].filter((part) => part !== undefined).join(" "),
  );
}

t.test("UsageMetrics pushes LAPI's form when the interval has passed", async (t) => {
  const { asked, usage, pass } = make();
  usage.now = first;
  await pass(INTERVAL_SECONDS - 1);
  t.equal(asked.requests.length, 0, "not before");
  await pass(1);
  const [request] = asked.requests;
  t.equal(request!.path, "/v1/usage-metrics");
  t.same(request!.headers, { "content-type": "application/json" });
  const started = EPOCH_MS / 1000 + 1000;
  const counted = (name: string, value: number, labels: object) => ({ name, unit: "request", labels, value });
  const ban = (origin: string, ip_type: string) => ({ origin, remediation: "ban", ip_type });
  t.strictSame(JSON.parse(request!.body), {
    remediation_components: [
      {
        name: "postern",
        type: "crowdsec-postern-bouncer",
        version: "v1.2.3",
        feature_flags: [],
        utc_startup_timestamp: started,
        os,
        metrics: [
          {
            meta: { window_size_seconds: INTERVAL_SECONDS, utc_now_timestamp: started + INTERVAL_SECONDS },
            items: [
              counted("processed", 1175, { ip_type: "ipv4" }),
              counted("processed", 20, { ip_type: "ipv6" }),
              counted("dropped", 150, ban("CAPI", "ipv4")),
              counted("dropped", 9, ban("lists:firehol", "ipv4")),
              counted("dropped", 2, ban("lists:firehol", "ipv6")),
              {
                name: "active_decisions",
                unit: "ip",
                labels: { origin: "CAPI", ip_type: "ipv4" },
                value: 34201,
              },
            ],
          },
        ],
      },
    ],
  });
});

t.test("UsageMetrics says the difference when a push was accepted", async (t) => {
  const { asked, usage, pass } = make();
  usage.now = first;
  await pass(INTERVAL_SECONDS);
  usage.now = {
    processed: { ipv4: 1180, ipv6: 20 },
    dropped: [{ origin: "CAPI", ipv4: 151, ipv6: 0 }],
    active: [{ origin: "CAPI", ipv4: 34201, ipv6: 1 }],
  };
  await pass(INTERVAL_SECONDS);
  t.strictSame(itemsOf(asked), [
    "processed ipv4 5",
    "processed ipv6 0",
    "dropped CAPI ipv4 1",
    "active_decisions CAPI ipv4 34201",
    "active_decisions CAPI ipv6 1",
  ]);
});

t.test("UsageMetrics keeps what was not accepted when LAPI fails in any way", async (t) => {
  const { asked, usage, log, pass } = make();
  usage.now = first;
  await pass(INTERVAL_SECONDS);
  const failures: Answer[] = [
    { status: 500, body: "" },
    { failed: "timeout", detail: "answer" },
    { status: 200, body: "" },
    { status: 500, body: "" },
  ];
  for (const [index, failure] of failures.entries()) {
    usage.now = { ...first, processed: { ipv4: 1176 + index, ipv6: 20 } };
    asked.answer = () => failure;
    await pass(INTERVAL_SECONDS);
  }
  asked.answer = () => created;
  await pass(INTERVAL_SECONDS);
  t.ok(itemsOf(asked).includes("processed ipv4 4"), "all that came since the first");
  const [component] = JSON.parse(asked.requests.at(-1)!.body).remediation_components;
  t.equal(component.metrics[0].meta.window_size_seconds, 5 * INTERVAL_SECONDS, "and the window is as long");
  t.strictSame(
    log.told.map(({ level, event, fields }) => [level, event, fields]),
    [
      ["warn", "usage-metrics-failed", { kind: "status", detail: "500" }],
      ["warn", "usage-metrics-failed", { kind: "timeout", detail: "answer" }],
      ["warn", "usage-metrics-failed", { kind: "status", detail: "200" }],
      ["info", "usage-metrics-recovered", {}],
    ],
    "each kind once",
  );
  await pass(INTERVAL_SECONDS);
  t.ok(itemsOf(asked).includes("processed ipv4 0"), "and nothing is said twice");
});

t.test("UsageMetrics counts from zero when a counter went backwards", async (t) => {
  const { asked, usage, pass } = make();
  usage.now = first;
  await pass(INTERVAL_SECONDS);
  usage.now = {
    processed: { ipv4: 7, ipv6: 20 },
    dropped: [{ origin: "CAPI", ipv4: 3, ipv6: 0 }],
    active: [{ origin: "CAPI", ipv4: 5, ipv6: 0 }],
  };
  await pass(INTERVAL_SECONDS);
  t.strictSame(itemsOf(asked), [
    "processed ipv4 7",
    "processed ipv6 0",
    "dropped CAPI ipv4 3",
    "active_decisions CAPI ipv4 5",
  ]);
});

t.test("UsageMetrics says once that none hold when an origin's decisions are gone", async (t) => {
  for (const active of [[], [{ origin: "CAPI", ipv4: 0, ipv6: 0 }]]) {
    const { asked, usage, pass } = make();
    usage.now = first;
    await pass(INTERVAL_SECONDS);
    usage.now = { ...first, active };
    await pass(INTERVAL_SECONDS);
    t.strictSame(itemsOf(asked), ["processed ipv4 0", "processed ipv6 0", "active_decisions CAPI ipv4 0"]);
    await pass(INTERVAL_SECONDS);
    t.strictSame(itemsOf(asked), ["processed ipv4 0", "processed ipv6 0"]);
  }
});

t.test("UsageMetrics asks again after a day when LAPI is too old", async (t) => {
  const { asked, usage, log, pass } = make();
  usage.now = first;
  asked.answer = () => ({ status: 404, body: "" });
  await pass(INTERVAL_SECONDS);
  await pass(DAY_SECONDS - 1);
  t.equal(asked.requests.length, 1);
  await pass(1);
  t.equal(asked.requests.length, 2);
  t.strictSame(log.told, [{ level: "info", event: "usage-metrics-unsupported", fields: {} }]);
  asked.answer = () => created;
  await pass(DAY_SECONDS);
  t.ok(itemsOf(asked).includes("processed ipv4 1175"), "the whole day's");
  await pass(INTERVAL_SECONDS);
  t.equal(asked.requests.length, 4, "and then as usual");
  asked.answer = () => ({ status: 404, body: "" });
  await pass(INTERVAL_SECONDS);
  t.equal(log.told.length, 2, "which is told again when it was the other way meanwhile");
});

t.test("UsageMetrics pushes nothing when the interval is 0", async (t) => {
  const { asked, pass } = make({ intervalMs: 0 });
  await pass(DAY_SECONDS);
  t.equal(asked.requests.length, 0);
});

t.test("UsageMetrics pushes up to a tenth sooner or later when chance says so", async (t) => {
  for (const [random, seconds] of [
    [0, 810],
    [1, 990],
  ] as const) {
    const { asked, pass } = make({ random: () => random });
    await pass(seconds - 1);
    t.equal(asked.requests.length, 0);
    await pass(1);
    t.equal(asked.requests.length, 1);
    await pass(seconds - 1);
    t.equal(asked.requests.length, 1);
  }
});

t.test("UsageMetrics has one push under way when LAPI is slow", async (t) => {
  const { asked, usage, metrics, pass } = make();
  const { promise, resolve } = Promise.withResolvers<Answer>();
  asked.answer = () => promise;
  usage.now = first;
  const slow = pass(INTERVAL_SECONDS);
  await pass(INTERVAL_SECONDS);
  t.equal(asked.requests.length, 1);
  usage.now = { ...first, processed: { ipv4: 2000, ipv6: 20 } };
  resolve(created);
  await slow;
  await metrics.tick();
  t.ok(itemsOf(asked).includes("processed ipv4 825"), "what came meanwhile is for the next one");
});

t.test("UsageMetrics tells at its end what it has not told yet", async (t) => {
  const { asked, usage, metrics, pass } = make();
  usage.now = first;
  await pass(INTERVAL_SECONDS);
  usage.now = { ...first, processed: { ipv4: 1180, ipv6: 20 } };
  await pass(1);
  t.equal(asked.requests.length, 1);
  await metrics.end();
  t.ok(itemsOf(asked).includes("processed ipv4 5"));
});

t.test("UsageMetrics says nothing at its end when it says nothing at all, or LAPI is too old", async (t) => {
  const silent = make({ intervalMs: 0 });
  await silent.metrics.end();
  t.equal(silent.asked.requests.length, 0);
  const old = make();
  old.asked.answer = () => ({ status: 404, body: "" });
  await old.pass(INTERVAL_SECONDS);
  await old.metrics.end();
  t.equal(old.asked.requests.length, 1);
});

t.test("UsageMetrics goes on with what was told by the one before it", async (t) => {
  const told: Told[] = [];
  const former = make({ accepted: (now) => void told.push(structuredClone(now)) });
  former.usage.now = first;
  await former.pass(INTERVAL_SECONDS);
  const { asked, usage, pass } = make({ told: told[0]! });
  usage.now = { ...first, processed: { ipv4: 1180, ipv6: 20 }, active: [] };
  await pass(INTERVAL_SECONDS);
  t.strictSame(itemsOf(asked), ["processed ipv4 5", "processed ipv6 0", "active_decisions CAPI ipv4 0"]);
});

t.test("UsageMetrics cuts texts when they are longer than the schema's", async (t) => {
  const name = `${"x".repeat(254)}\u{1f600}`;
  const { asked, usage, pass } = make({ os: { ...os, name } });
  usage.now = { ...none, active: [{ origin: `lists:${"y".repeat(300)}`, ipv4: 1, ipv6: 0 }] };
  await pass(INTERVAL_SECONDS);
  const [component] = JSON.parse(asked.requests[0]!.body).remediation_components;
  t.equal(component.os.name.length, 255);
  t.ok(component.os.name.isWellFormed());
  t.equal(component.metrics[0].items[2].labels.origin.length, 255);
});

t.test("UsageMetrics reaches LAPI when it is asked over HTTP", async (t) => {
  const lapi = await startLapi(t);
  lapi.answer = json(null, 201);
  const { usage, pass } = make({ lapi: lapiAt(t, lapi.url) });
  usage.now = first;
  await pass(INTERVAL_SECONDS);
  const [request] = lapi.asked;
  t.equal(`${request!.method} ${request!.path}`, "POST /v1/usage-metrics");
  t.match(request!.headers, { "x-api-key": "key", "content-type": "application/json" });
  t.equal(JSON.parse(request!.body).remediation_components.length, 1);
});

t.test("osOf finds name and version when the file has any form", async (t) => {
  const kernel = { name: "linux", version: "6.1.0" };
  const rows: readonly [string, string, string][] = [
    ['PRETTY_NAME="Debian 12"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\n', "Debian GNU/Linux", "12"],
    ["NAME=Fedora\nVERSION_ID=42\n", "Fedora", "42"],
    ["NAME='Alpine Linux'\nID=alpine\n", "Alpine Linux", "6.1.0"],
    ['NAME=""\nVERSION_ID=', "linux", "6.1.0"],
    ["", "linux", "6.1.0"],
  ];
  for (const [text, name, version] of rows)
    t.same(osOf(text, kernel), { name, family: "linux", version }, text);
});

t.test("operatingSystem knows something when it is asked here", async (t) => {
  const { name, family, version } = operatingSystem();
  t.ok(name !== "" && version !== "");
  t.equal(family, process.platform);
});

/** What LAPI is told by a live gateway: usage metrics whose numbers are right, and alerts, which may come back as bans. */
import t from "tap";
import { startBook } from "../servers/book.ts";
import { type Answer, type FakeLapi, json } from "../servers/lapi.ts";
import { until } from "../servers/process.ts";
import { come, events, eventsAre, fares, startBanning } from "./banned.ts";

/** The bodies of what was posted there. */
function posted(lapi: FakeLapi, path: string): unknown[] {
  const found = lapi.asked.filter((one) => one.method === "POST" && one.path === path);
  return found.map(({ body }) => JSON.parse(body));
}

interface Item {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly labels: Readonly<Record<string, string>>;
}

interface Push {
  readonly remediation_components: readonly {
    readonly metrics: readonly { readonly meta: object; readonly items: readonly Item[] }[];
  }[];
}

/** The sum over all pushes of what has that name and labels. */
function told(pushes: readonly Push[], name: string, labels: Readonly<Record<string, string>>): number {
  const items = pushes.flatMap((push) => push.remediation_components[0]?.metrics[0]?.items ?? []);
  const wanted = JSON.stringify(Object.entries(labels).sort());
  return items
    .filter((item) => item.name === name && JSON.stringify(Object.entries(item.labels).sort()) === wanted)
    .reduce((sum, { value }) => sum + value, 0);
}

t.test("usage metrics have LAPI's form, and say each connection once", async (t) => {
  const { lapi, book } = await startBook(t);
  book.ban("203.0.113.7");
  book.ban("203.0.113.6", { origin: "CAPI" });
  book.ban("2001:db8:bad::/48", { origin: "lists", scenario: "a list" });
  const accepted: Push[] = [];
  let refusals = 1;
  book.other = (response, asked) => {
    // LAPI may be in trouble: what it did not take is told again.
    if (refusals-- > 0) return json({ message: "trouble" }, 500)(response, asked);
    accepted.push(JSON.parse(asked.body));
    json({}, 201)(response, asked);
  };
  const gateway = await startBanning(t, lapi, { usageMetricsInterval: "2s" });
  await eventsAre(gateway, "decisions-loaded", 1);
  const sources = ["203.0.113.7", "203.0.113.7", "2001:db8:bad::1", "203.0.113.8", "2001:db8::1"];
  for (const source of sources) await fares(t, gateway, source);
  const processed = (family: string) => told(accepted, "processed", { ip_type: family });
  await until("the numbers", () => processed("ipv4") + processed("ipv6") >= 5);
  for (const source of sources) await fares(t, gateway, source);
  await until("all numbers", () => processed("ipv4") + processed("ipv6") >= 10);
  const before = accepted.length;
  await until("one more push", () => accepted.length > before);
  t.same([processed("ipv4"), processed("ipv6")], [6, 4]);
  const dropped = (origin: string, family: string) =>
    told(accepted, "dropped", { origin, remediation: "ban", ip_type: family });
  t.same([dropped("cscli", "ipv4"), dropped("lists:a list", "ipv6")], [4, 2]);
  t.equal(dropped("CAPI", "ipv4"), 0);

  const [first] = posted(lapi, "/v1/usage-metrics");
  t.match(first, {
    remediation_components: [
      {
        name: "postern",
        type: "crowdsec-postern-bouncer",
        version: /^v\d/,
        feature_flags: [],
        utc_startup_timestamp: Number,
        os: { name: String, family: "linux", version: String },
        metrics: [
          {
            meta: { window_size_seconds: Number, utc_now_timestamp: Number },
            items: [{ name: String, value: Number, unit: String, labels: { ip_type: String } }],
          },
        ],
      },
    ],
  });
  const items = accepted.at(-1)?.remediation_components[0]?.metrics[0]?.items ?? [];
  const active = items.filter(({ name }) => name === "active_decisions");
  t.same(active.map(({ value, unit, labels }) => [value, unit, labels.origin, labels.ip_type]).sort(), [
    [1, "ip", "CAPI", "ipv4"],
    [1, "ip", "cscli", "ipv4"],
    [1, "ip", "lists:a list", "ipv6"],
  ]);
  t.match(events(gateway, "usage-metrics-failed"), [{ kind: "status", detail: "500" }]);
  t.equal(events(gateway, "usage-metrics-recovered").length, 1);
  const [asked] = lapi.asked;
  t.match(asked?.headers, { "x-api-key": "secret", "user-agent": /^crowdsec-postern-bouncer\/v\d/ });
});

t.test("a LAPI that is too old for usage metrics is not asked again soon", async (t) => {
  const { lapi, book } = await startBook(t);
  const gateway = await startBanning(t, lapi, { usageMetricsInterval: "1s" });
  await eventsAre(gateway, "usage-metrics-unsupported", 1);
  await book.settled();
  await book.settled();
  t.equal(posted(lapi, "/v1/usage-metrics").length, 1);
});

t.test(
  "a client that goes on misbehaving is reported, and what LAPI decides about it is obeyed",
  async (t) => {
    const { lapi, book } = await startBook(t);
    const expire = new Date(Date.now() + 3_600_000).toISOString();
    const answers: Readonly<Record<string, Answer>> = {
      "/v1/watchers/login": json({ code: 200, expire, token: "header.claims.signature" }),
      "/v1/heartbeat": json({}),
      "/v1/alerts": (response, asked) => {
        for (const { source, scenario } of JSON.parse(asked.body))
          book.ban(source.value, { origin: "crowdsec", scenario });
        json(["1"], 201)(response, asked);
      },
    };
    book.other = (response, asked) => answers[asked.path]?.(response, asked);
    const alerts = { machineId: "postern-test", password: "pass-phrase" };
    const gateway = await startBanning(t, lapi, {
      alerts,
      neverBan: ["198.51.100.0/24"],
      usageMetricsInterval: 0,
    });
    const misbehave = async (source: string) => {
      const client = await come(t, gateway, source);
      await client.line();
      client.send("GET / HTTP/1.1\r\n\r\n");
      t.match(await client.rest(), /^221 /);
      client.end();
    };
    for (let time = 0; time < 6; time++) await misbehave("198.51.100.7");
    for (let time = 0; time < 3; time++) await misbehave("203.0.113.8");
    for (let time = 0; time < 4; time++) await misbehave("2001:db8::7");
    await eventsAre(gateway, "alert", 1);
    await until("the ban", async () => (await fares(t, gateway, "2001:db8::7")) === "refused");
    const line = await gateway.waitForLine("a refusal", ({ reason }) => reason === "banned");
    t.match(line, {
      decision: { origin: "crowdsec", scenario: "postern/protocol-abuse" },
    });
    for (const source of ["203.0.113.8", "198.51.100.7"]) t.equal(await fares(t, gateway, source), "served");
    // Refused now, it gives no cause for another alert, however often it comes.
    for (let time = 0; time < 40; time++) await fares(t, gateway, "2001:db8::7");
    await book.settled();
    await book.settled();

    const pushes = posted(lapi, "/v1/alerts");
    t.match(pushes, [
      [
        {
          scenario: "postern/protocol-abuse",
          scenario_hash: "",
          scenario_version: "",
          message: String,
          events_count: 4,
          start_at: /^\d{4}-.*Z$/,
          stop_at: /^\d{4}-.*Z$/,
          capacity: 3,
          leakspeed: "600s",
          simulated: false,
          remediation: true,
          source: { scope: "Ip", value: "2001:db8::7", ip: "2001:db8::7" },
          events: [{ timestamp: /Z$/, meta: [{ key: "source_ip", value: "2001:db8::7" }] }],
        },
      ],
    ]);
    t.equal(pushes.flat().length, 1);
    t.notMatch(JSON.stringify(pushes), '"decisions"');
    const one = lapi.asked.find(({ path }) => path === "/v1/alerts");
    t.match(one?.headers, { authorization: "Bearer header.claims.signature" });
    t.equal(one?.headers["x-api-key"], undefined, "a machine is no bouncer");
    t.match(posted(lapi, "/v1/watchers/login"), [{ machine_id: "postern-test", password: "pass-phrase" }]);
    t.ok(lapi.asked.some(({ path }) => path === "/v1/heartbeat"));
    t.notMatch(gateway.output(), /pass-phrase|signature/);
  },
);

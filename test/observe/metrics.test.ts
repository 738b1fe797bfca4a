/** The exposition, read back: names, labels and values to the letter of the contract. */
import t from "tap";
import { type CounterShape, Counters, ThreadCounters } from "../../src/observe/counters.ts";
import { Metrics, ProcessMetrics } from "../../src/observe/metrics.ts";
import { outcomes, reasons } from "../../src/outcome.ts";
import { clientEntry, clientSource, serverState, session } from "./fixtures.ts";

const shape: CounterShape = { threads: 2, listeners: 2, pools: 1 };

function make(entries = [clientEntry("203.0.113.7", { connections: 7 })], topClients = 2) {
  const memory = Counters.allocate(shape);
  const threads = [0, 1].map((thread) => new ThreadCounters(memory, shape, thread));
  const counters = new Counters(memory, shape);
  const metrics = new Metrics(
    {
      version: "1.2.3",
      listeners: new Map([
        ["smtp", 0],
        ["imaps", 1],
      ]),
      pools: new Map([["postfix", 0]]),
      counters,
      clients: clientSource(entries, { connections: 100, refused: 10, messages: 5, bytes: 1 }),
      servers: {
        states: () => [
          serverState("127.0.0.1:25", { sessions: 3 }),
          serverState("[::1]:25", { isUp: false, transitions: { up: 1, down: 2 } }),
        ],
        checkSeconds: () => ({ counts: [4], sum: 0.5 }),
      },
      parked: () => 4,
      bans: {
        decisions: () => [
          ["cscli", 2],
          ["lists:firehol", 9],
        ],
        refused: () => [["cscli", 3]],
        ageSeconds: () => 4,
        errors: () => [["timeout", 1]],
        ignored: () => [["scope", 5]],
      },
      linesDropped: () => 5,
      topClients,
    },
    new ProcessMetrics(),
  );
  return { metrics, counters, threads };
}

/** Every sample by its whole name with labels, and every metric's type. */
async function scrape(metrics: Metrics) {
  const values = new Map<string, number>();
  const types = new Map<string, string>();
  for (const line of (await metrics.text()).split("\n")) {
    const type = /^# TYPE (\S+) (\S+)$/.exec(line);
    if (type !== null) types.set(type[1]!, type[2]!);
    const sample = /^([a-z_]+(?:\{.*\})?) (\S+)$/.exec(line);
    if (sample !== null) {
      if (values.has(sample[1]!)) throw new Error(`twice: ${sample[1]}`);
      values.set(sample[1]!, Number(sample[2]));
    }
  }
  return { values, types };
}

/** The names of the labels of each metric, without a histogram's `le`. */
function labelsOf(values: ReadonlyMap<string, number>, name: string): string[] {
  const names = new Set<string>();
  for (const sample of values.keys()) {
    if (!sample.startsWith(`${name}{`) && !sample.startsWith(`${name}_count{`)) continue;
    for (const [, label] of sample.matchAll(/([a-z]+)="/g)) names.add(label!);
  }
  return [...names].sort();
}

t.test("Metrics shows every metric of the contract with its labels and type", async (t) => {
  const { metrics } = make();
  const { values, types } = await scrape(metrics);
  const contract = `postern_connections_total{listener} counter
postern_sessions_active{listener} gauge
postern_sessions_total{listener,outcome} counter
postern_refused_total{listener,reason} counter
postern_healthchecks_total{listener} counter
postern_bytes_total{direction,listener} counter
postern_messages_total{listener} counter
postern_auth_total{listener,result} counter
postern_upstream_connect_seconds{pool} histogram
postern_session_seconds{listener} histogram
postern_server_up{pool,server} gauge
postern_server_sessions{pool,server} gauge
postern_server_transitions_total{pool,server,to} counter
postern_server_check_seconds{pool} histogram
postern_table_entries{} gauge
postern_table_evictions_total{} counter
postern_client_connections_total{client} counter
postern_client_messages_total{client} counter
postern_client_refused_total{client} counter
postern_client_bytes_total{client} counter
postern_bans{origin} gauge
postern_bans_age_seconds{} gauge
postern_banned_total{origin} counter
postern_lapi_errors_total{kind} counter
postern_decisions_ignored_total{kind} counter
postern_log_lines_dropped_total{} counter
postern_build_info{version} gauge`;
  for (const line of contract.split("\n")) {
    const [, name = "", labels = "", type] = /^(\w+)\{(.*)\} (\w+)$/.exec(line) ?? [];
    t.equal(types.get(name), type, name);
    t.same(labelsOf(values, name), labels === "" ? [] : labels.split(","), name);
  }
  t.ok(types.has("postern_process_cpu_seconds_total"));
  t.ok(types.has("postern_nodejs_eventloop_lag_p99_seconds"));
  t.same(
    [...types.keys()].filter((name) => !name.startsWith("postern_")),
    [],
  );
  t.match(metrics.contentType, /^text\/plain; version=0\.0\.4/);
});

t.test("Metrics shows series with known labels from the start, at 0", async (t) => {
  const { values } = await scrape(make().metrics);
  for (const listener of ["smtp", "imaps"]) {
    for (const outcome of outcomes) {
      t.equal(values.get(`postern_sessions_total{listener="${listener}",outcome="${outcome}"}`), 0);
    }
    for (const reason of reasons) {
      t.equal(values.get(`postern_refused_total{listener="${listener}",reason="${reason}"}`), 0);
    }
  }
  t.notOk([...values.keys()].some((sample) => sample.startsWith("postern_dry_run")));
});

t.test("Metrics shows what the threads have counted, at each scrape anew", async (t) => {
  const { metrics, threads } = make();
  for (const thread of threads) {
    thread.accepted(0);
    thread.ended(0, { ...session, outcome: "refused", reason: "proxy-missing", durationMs: 300 });
    thread.dryRun(1, "connection-rate");
    thread.connected(0, 3);
    thread.refused(0, "message-rate");
    thread.delivered(0);
    thread.login(0, false);
  }
  threads[0]?.ended(1, { ...session, outcome: "healthcheck" });
  // A TLS session in excess is refused as a command or as a session, and stands for one reason.
  threads[0]?.refused(1, "new-tls-session-rate");
  threads[1]?.ended(1, { ...session, outcome: "refused", reason: "new-tls-session-rate" });
  threads[1]?.ended(1, { ...session, outcome: "refused", reason: "auth-failure-rate" });
  threads[1]?.ended(1, { ...session, outcome: "refused", reason: "command-injection" });
  threads[1]?.ended(1, { ...session, outcome: "failed", reason: "response-injection" });
  threads[0]?.login(0, true);
  const { values } = await scrape(metrics);
  const expected: Record<string, number> = {
    'postern_connections_total{listener="smtp"}': 2,
    'postern_sessions_active{listener="smtp"}': 0,
    'postern_sessions_total{listener="smtp",outcome="refused"}': 2,
    'postern_refused_total{listener="smtp",reason="proxy-missing"}': 2,
    'postern_refused_total{listener="smtp",reason="message-rate"}': 2,
    'postern_refused_total{listener="imaps",reason="new-tls-session-rate"}': 2,
    'postern_refused_total{listener="imaps",reason="auth-failure-rate"}': 1,
    'postern_refused_total{listener="imaps",reason="command-injection"}': 1,
    'postern_refused_total{listener="imaps",reason="response-injection"}': 1,
    'postern_messages_total{listener="smtp"}': 2,
    'postern_messages_total{listener="imaps"}': 0,
    'postern_auth_total{listener="smtp",result="ok"}': 1,
    'postern_auth_total{listener="smtp",result="failed"}': 2,
    'postern_dry_run_refusals_total{listener="imaps",reason="connection-rate"}': 2,
    'postern_healthchecks_total{listener="imaps"}': 1,
    'postern_bytes_total{listener="smtp",direction="in"}': 8192,
    'postern_bytes_total{listener="smtp",direction="out"}': 1466,
    'postern_session_seconds_bucket{listener="smtp",le="0.1"}': 0,
    'postern_session_seconds_bucket{listener="smtp",le="0.5"}': 2,
    'postern_session_seconds_bucket{listener="smtp",le="+Inf"}': 2,
    'postern_session_seconds_sum{listener="smtp"}': 0.6,
    'postern_session_seconds_count{listener="smtp"}': 2,
    'postern_upstream_connect_seconds_bucket{pool="postfix",le="0.0025"}': 0,
    'postern_upstream_connect_seconds_bucket{pool="postfix",le="0.005"}': 2,
    'postern_server_up{pool="postfix",server="127.0.0.1:25"}': 1,
    'postern_server_up{pool="postfix",server="[::1]:25"}': 0,
    'postern_server_sessions{pool="postfix",server="127.0.0.1:25"}': 3,
    'postern_server_sessions{pool="postfix",server="[::1]:25"}': 0,
    'postern_server_transitions_total{pool="postfix",server="[::1]:25",to="up"}': 1,
    'postern_server_transitions_total{pool="postfix",server="[::1]:25",to="down"}': 2,
    'postern_server_check_seconds_count{pool="postfix"}': 4,
    'postern_server_check_seconds_sum{pool="postfix"}': 0.5,
    'postern_build_info{version="1.2.3"}': 1,
    postern_table_evictions_total: 4,
    postern_log_lines_dropped_total: 5,
  };
  for (const [sample, value] of Object.entries(expected)) t.equal(values.get(sample), value, sample);
  threads[1]?.accepted(0);
  t.equal((await scrape(metrics)).values.get('postern_connections_total{listener="smtp"}'), 3);
});

t.test("No counter goes back when a thread dies", async (t) => {
  const { metrics, counters, threads } = make();
  for (const thread of threads) {
    thread.accepted(0);
    thread.accepted(0);
    thread.ended(0, session);
  }
  const before = await scrape(metrics);
  counters.threadDied(1);
  const after = await scrape(metrics);
  t.equal(after.values.get('postern_sessions_active{listener="smtp"}'), 1);
  for (const [sample, value] of before.values) {
    if (/_total|_bucket|_sum|_count/.test(sample) && !sample.startsWith("postern_nodejs")) {
      t.ok(after.values.get(sample)! >= value, sample);
    }
  }
});

t.test("Metrics names the busiest clients and puts all others together", async (t) => {
  const { metrics } = make([
    clientEntry("203.0.113.7", { connections: 7, refused: 2, messages: 3, bytes: 70 }),
    clientEntry("203.0.113.8", { connections: 1, refused: 1, bytes: 10 }),
    clientEntry("2001:db8::", { connections: 9, prefixLength: 64, bytes: 90 }),
    clientEntry("203.0.113.9", { connections: 2, messages: 4, bytes: 20 }),
  ]);
  const { values } = await scrape(metrics);
  const clients = [...values].filter(([sample]) => sample.startsWith("postern_client_"));
  t.same(clients, [
    ['postern_client_connections_total{client="2001:db8::/64"}', 9],
    ['postern_client_connections_total{client="203.0.113.7"}', 7],
    ['postern_client_connections_total{client="other"}', 103],
    ['postern_client_messages_total{client="2001:db8::/64"}', 0],
    ['postern_client_messages_total{client="203.0.113.7"}', 3],
    ['postern_client_messages_total{client="other"}', 9],
    ['postern_client_refused_total{client="2001:db8::/64"}', 0],
    ['postern_client_refused_total{client="203.0.113.7"}', 2],
    ['postern_client_refused_total{client="other"}', 11],
    ['postern_client_bytes_total{client="2001:db8::/64"}', 90],
    ['postern_client_bytes_total{client="203.0.113.7"}', 70],
    ['postern_client_bytes_total{client="other"}', 31],
  ]);
  t.equal(values.get("postern_table_entries"), 4);
});

t.test("Metrics shows a client once when it is among the busiest in several scopes", async (t) => {
  const { metrics } = make([
    clientEntry("203.0.113.7", { connections: 7, scope: "smtp" }),
    clientEntry("203.0.113.7", { connections: 5, scope: "imap" }),
  ]);
  const { values } = await scrape(metrics);
  t.equal(values.get('postern_client_connections_total{client="203.0.113.7"}'), 12);
});

/** Comparisons of peers that are none, by a runner that runs nothing: their order, their figures, and who is left out. */
import t from "tap";
import type { Stage, Turn } from "../../bench/compare/match.ts";
import { CASES, CONTESTS } from "../../bench/compare/trials.ts";
import type { Result } from "../../bench/load/result.ts";
import type { Comparison } from "../../bench/report/comparison.ts";
import { latency, resultOf, SINK_PORTS, World } from "./compare/world.ts";

function order(turns: readonly Turn[]): string {
  return turns.map(({ peer, round }) => `${peer[0]}${round}`).join(" ");
}

const figuresOf = (comparison: Comparison, name: string) =>
  comparison.cases.find((each) => each.name === name)?.figures;

t.test("compare has peers take turns when there are several rounds", async (t) => {
  const world = new World();
  const comparison = await world.compare({}, (plan) => resultOf(plan, 100));
  t.equal(order(world.turns), "p0 p1 h0 h1 p2 h2 p3 h3");
  t.strictSame(world.starts, ["postern", "haproxy"], "each is started once for the case");
  t.equal(world.running.size, 0, "and stopped");
  t.equal(world.sinkStops, 1);
  t.strictSame(
    world.plans.map(({ target }) => target.port),
    [1, 1, 2, 2, 1, 2, 1, 2],
  );
  t.strictSame(
    comparison.runs.map(({ peer, case: name, round }) => `${peer} ${name} ${round}`),
    [1, 2, 3].flatMap((round) => [`postern churn ${round}`, `haproxy churn ${round}`]),
    "a warm-up is no run",
  );
});

t.test("compare gives the median of the rounds' ratios when rounds differ", async (t) => {
  const world = new World();
  const us: Readonly<Record<string, readonly number[]>> = {
    // A noisy machine: the medians' own ratio would be 1.2.
    postern: [0, 110, 240, 300],
    haproxy: [0, 100, 300, 200],
  };
  const comparison = await world.compare({}, (plan, { peer, round }) => resultOf(plan, us[peer]![round]!));
  t.equal(comparison.reference, "haproxy");
  t.strictSame(figuresOf(comparison, "churn"), [
    { peer: "postern", values: [110, 240, 300], median: 240, min: 110, max: 300, ratio: 1.1 },
    { peer: "haproxy", values: [100, 300, 200], median: 200, min: 100, max: 300, ratio: 1 },
  ]);
});

t.test("compare names the first peer as the reference when HAProxy is not there", async (t) => {
  const world = new World();
  const comparison = await world.compare({ peers: ["nginx", "postern"] }, (plan, { peer }) =>
    resultOf(plan, peer === "nginx" ? 100 : 150),
  );
  t.equal(comparison.reference, "nginx");
  t.strictSame(
    figuresOf(comparison, "churn")?.map(({ ratio }) => ratio),
    [1, 1.5],
  );
});

t.test("compare leaves a peer out, and says why, when it is not installed", async (t) => {
  const world = new World();
  const find: Stage["find"] = (name, haraka) =>
    name === "haproxy"
      ? { kind: "missing", reason: `not installed, not in ${haraka}` }
      : world.stage.find(name, haraka);
  const comparison = await world.compare({ haraka: "/there" }, (plan) => resultOf(plan, 100), { find });
  t.strictSame(comparison.absentees, [{ name: "haproxy", reason: "not installed, not in /there" }]);
  t.strictSame(
    comparison.peers.map(({ name }) => name),
    ["postern"],
  );
  t.equal(comparison.reference, "postern");
  t.strictSame(world.starts, ["postern"]);
});

t.test("compare leaves a peer out of the case, and goes on, when it does not start", async (t) => {
  const world = new World();
  const start: Stage["start"] = (name, options) =>
    name === "nginx"
      ? Promise.reject(new Error("nginx ended at its start"))
      : world.stage.start(name, options);
  const peers = ["nginx", "haproxy"] as const;
  const comparison = await world.compare({ peers }, (plan) => resultOf(plan, 100), { start });
  t.strictSame(comparison.absentees, [
    { name: "nginx", reason: "not in churn: round 1: nginx ended at its start" },
  ]);
  t.strictSame(
    figuresOf(comparison, "churn")?.map(({ peer }) => peer),
    ["haproxy"],
  );
});

t.test("compare leaves a peer out from then on when it dies", async (t) => {
  const world = new World();
  const comparison = await world.compare({ cases: ["churn", "mail"] }, (plan, turn) => {
    if (turn.case === "churn" && turn.peer === "postern" && turn.round === 2) world.ends.get("postern")!();
    return resultOf(plan, 100);
  });
  t.strictSame(comparison.absentees, [
    { name: "postern", reason: "not in churn: round 2: it ended by itself" },
  ]);
  t.equal(
    order(world.turns.filter(({ case: name }) => name === "churn")),
    "p0 p1 h0 h1 p2 h2 h3",
    "it has no third turn",
  );
  t.strictSame(figuresOf(comparison, "churn")?.[0]?.values, [100], "what it did before counts");
  t.equal(figuresOf(comparison, "mail")?.[0]?.values.length, 3, "it is there again in the next case");
  t.equal(world.running.size, 0);
});

t.test("compare takes no figure, and says why, when sessions go wrong", async (t) => {
  const world = new World();
  const comparison = await world.compare({}, (plan, { peer }) => {
    const result = resultOf(plan, 100);
    if (peer === "haproxy") return result;
    return {
      ...result,
      counts: { ...result.counts, done: 98, failed: 2 },
      faults: [{ phase: "greeting", kind: "timeout", count: 2 }],
    };
  });
  const reason = 'not in churn: round 1: 2 of 100 sessions failed, most by "timeout" in greeting';
  t.strictSame(comparison.absentees, [{ name: "postern", reason }]);
  t.equal(figuresOf(comparison, "churn")?.length, 1);
});

t.test("compare says so when a run has no figure", async (t) => {
  const world = new World();
  const comparison = await world.compare({ peers: ["postern"] }, (plan) => ({
    ...resultOf(plan, 100),
    target: null,
  }));
  t.strictSame(comparison.absentees, [
    { name: "postern", reason: "not in churn: round 1: it could not be measured" },
  ]);
  t.strictSame(comparison.cases, []);
});

t.test("compare says in one sentence what a peer cannot do when several cases need it", async (t) => {
  const world = new World();
  const cases = ["churn", "latency", "refusals"] as const;
  const comparison = await world.compare({ cases, peers: ["haraka", "nginx"] }, (plan) =>
    resultOf(plan, 100),
  );
  t.match(comparison.absentees, [
    { name: "haraka", reason: /^not in churn, latency: it greets by itself/ },
    { name: "haraka", reason: /^not in refusals: its limits need/ },
    { name: "nginx", reason: /^not in refusals: it limits connections by their number/ },
  ]);
});

t.test("compare has direct take part when clients measure, and only then", async (t) => {
  const world = new World();
  const comparison = await world.compare(
    { cases: ["churn", "latency"], peers: ["postern", "direct"], rounds: 1 },
    (plan, { peer }) => ({
      ...resultOf(plan, 100),
      latencies: { greeting: latency(peer === "direct" ? 100 : 250) },
      harness: {
        threads: 1,
        cpuShare: 0.9,
        waitShare: 0,
        lateP50Us: 0,
        lateP99Us: 0,
        isBottleneck: true,
        sink: null,
      },
    }),
  );
  t.strictSame(
    figuresOf(comparison, "latency, p99")?.map(({ peer, median }) => [peer, median]),
    [
      ["postern", 500],
      ["direct", 200],
    ],
  );
  t.strictSame(
    figuresOf(comparison, "churn")?.map(({ peer }) => peer),
    ["postern"],
  );
  t.equal(world.plans.at(-1)?.target.port, SINK_PORTS.v2);
  t.match(
    comparison.cases.at(-1)?.plan,
    /; in 1 of 1 runs through a proxy the load itself was at its limit$/,
  );
  t.notMatch(comparison.cases[0]?.plan, /limit/);
  t.strictSame(comparison.absentees, []);
});

t.test("compare says what else went on when the machine was not quiet", async (t) => {
  const world = new World();
  const comparison = await world.compare({ cases: ["churn", "latency"] }, (plan, { case: name }) => {
    // Of two seconds: 1.8 are load and back end's, 1 the peer's, and 3 somebody else's.
    world.spent = { own: world.spent.own + 1.8, machine: world.spent.machine + (name === "churn" ? 5.8 : 3) };
    return { ...resultOf(plan, 100), latencies: { greeting: latency(100) } };
  });
  const [churn, latencies] = comparison.cases;
  t.match(churn?.plan, /; something else had 1\.5 cores meanwhile$/, "CPU does not depend on the load");
  t.match(latencies?.plan, /[^e]; in 6 of 6 runs through a proxy the load itself was at its limit$/);
});

t.test("compare warms those up for longer that compile as they run", async (t) => {
  const world = new World();
  await world.compare({ rounds: 1 }, (plan) => resultOf(plan, 100));
  t.strictSame(
    world.plans.map(({ sessionsMax, durationMs }) => [sessionsMax, durationMs]),
    [
      [8000, 6000],
      [1_000_000, 2000],
      [500, 6000],
      [1_000_000, 2000],
    ],
  );
});

t.test("compare has peers hear and tell what they can when they know another PROXY", async (t) => {
  const world = new World();
  const names = ["postern", "nginx", "haraka"] as const;
  await world.compare({ cases: ["mail"], peers: names, rounds: 1 }, (plan) => resultOf(plan, 100));
  t.strictSame(
    names.map((name) => world.servers.get(name)),
    [SINK_PORTS.v2, SINK_PORTS.v1, SINK_PORTS.off],
  );
  t.strictSame(
    world.plans.map(({ proxy }) => proxy),
    ["v2", "v2", "v2", "v2", "v1", "v1"],
  );
  t.equal(world.sinkStops, 3);
});

t.test("compare starts a process for each run when a case asks for young ones", async (t) => {
  const world = new World();
  await world.compare({ cases: ["idle"], rounds: 2 }, (plan) => resultOf(plan, 100));
  t.equal(order(world.turns), "p0 p1 h0 h1 p0 p2 h0 h2");
  t.strictSame(world.starts, ["postern", "haproxy", "postern", "haproxy"]);
  t.equal(world.running.size, 0);
});

for (const dies of [false, true]) {
  t.test(`compare comes to what there is so far when it is stopped${dies ? " by Ctrl-C" : ""}`, async (t) => {
    const world = new World();
    const stopping = new AbortController();
    const options = { signal: stopping.signal, cases: ["churn", "mail"] } as const;
    const comparison = await world.compare(options, (plan, { peer, round }) => {
      if (peer === "haproxy" && round === 2) {
        stopping.abort();
        // A terminal tells the children as well.
        if (dies) world.ends.get("haproxy")!();
      }
      return resultOf(plan, 100);
    });
    t.equal(order(world.turns), "p0 p1 h0 h1 p2 h2", "nobody has a turn any more");
    t.equal(comparison.wasStopped, true);
    t.strictSame(
      figuresOf(comparison, "churn")?.map(({ values }) => values.length),
      [2, 1],
      "the run that was stopped does not count",
    );
    t.strictSame(comparison.absentees, []);
    t.equal(comparison.cases.length, 1);
    t.equal(world.running.size, 0);
    t.equal(world.sinkStops, 1);
  });
}

t.test("CONTESTS names each of its figures once when all are taken together", async (t) => {
  const trials = CASES.flatMap((name) => CONTESTS[name].trials);
  const names = trials.flatMap(({ measures }) => measures.map(({ name }) => name));
  t.equal(new Set(names).size, names.length);
  for (const name of CASES)
    t.ok(
      names.some((figure) => figure.split(",")[0] === name),
      name,
    );
});

t.test("CONTESTS counts who was turned away in words or without when sessions are refused", async (t) => {
  const { fault, trials } = CONTESTS.refusals;
  const [trial] = trials;
  const [measure] = trial!.measures;
  const result = resultOf({ ...trial!.load(2), target: { host: "127.0.0.1", port: 1 }, proxy: "v2" }, 100);
  t.equal(fault(result), "no session was refused");
  const refusing: Result = {
    ...result,
    counts: { ...result.counts, done: 20, turnedAway: 30, failed: 50 },
    faults: [
      { phase: "greeting", kind: "closed", count: 20 },
      { phase: "greeting", kind: "reset", count: 25 },
      { phase: "quit", kind: "reset", count: 5 },
    ],
  };
  t.equal(fault(refusing), null);
  t.equal(measure!.of(refusing), 1e6 / 75);
});

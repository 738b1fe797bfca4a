/** The command line of the load harness: what it understands, what it refuses and in which words, and what plans come of it. */
import t, { type Test } from "tap";
import { Given, optionsOf } from "../../bench/cli/given.ts";
import { COLUMNS_MAX, usage, usageOf } from "../../bench/cli/help.ts";
import { planOf, type Surroundings } from "../../bench/cli/plan.ts";
import { type Plan, SCENARIOS, type Scenario } from "../../bench/load/plan.ts";
import { COMMANDS, OPTIONS, type Option } from "../../bench/options.ts";

const said: string[] = [];

const around: Surroundings = {
  say: (line) => said.push(line),
  environment: { SECRET: "s3cret", EMPTY: "" },
  openFilesMax: 1024,
  async resolve(name) {
    if (name === "mx.example.org") return ["192.0.2.25", "2001:db8::25"];
    if (name === "nobody.example.org") return [];
    throw Object.assign(new Error("not found"), { code: "ENOTFOUND" });
  },
};

function plan(scenario: Scenario, words: string): Promise<Plan> {
  return planOf(scenario, new Given(scenario, words.split(" ").filter(Boolean)), around);
}

const here = "--target 127.0.0.1:25";

t.test("planOf gives the documented defaults when only a target is given", async (t) => {
  t.strictSame(await plan("churn", here), {
    scenario: "churn",
    protocol: "smtp",
    target: { host: "127.0.0.1", port: 25 },
    proxy: "v2",
    clients: { ranges: ["198.18.0.0/15"], distribution: "uniform", seed: 1 },
    pace: { kind: "closed", concurrency: 10, rampMs: 0 },
    openMax: 928,
    durationMs: 10_000,
    sessionsMax: 1_000_000,
    timeoutMs: 10_000,
    tls: "off",
    threads: 1,
    mail: {
      sizeBytes: 3072,
      recipients: 1,
      messages: 1,
      sender: "load@example.test",
      recipient: "user%d@example.test",
      pipelining: false,
      chunking: false,
    },
    login: null,
    idleMs: 0,
    hammer: { offenders: 10, tries: 100 },
    banned: [],
  } satisfies Plan);
});

t.test("planOf takes each option over when it is given", async (t) => {
  const table: readonly [Scenario, string, object][] = [
    ["churn", "--proxy v1", { proxy: "v1" }],
    ["churn", "--proxy=off", { proxy: "off" }],
    [
      "churn",
      "--clients 203.0.113.9/24,2001:DB8::/48",
      { clients: { ranges: ["203.0.113.0/24", "2001:db8::/48"] } },
    ],
    [
      "churn",
      "--clients 203.0.113.9 --clients 192.0.2.1",
      { clients: { ranges: ["203.0.113.9", "192.0.2.1"] } },
    ],
    ["churn", "--distribution zipf --seed 7", { clients: { distribution: "zipf", seed: 7 } }],
    ["churn", "--rate 500 --ramp 2s", { pace: { kind: "open", ratePerSecond: 500, rampMs: 2000 } }],
    ["churn", "--concurrency 64", { pace: { kind: "closed", concurrency: 64, rampMs: 0 } }],
    [
      "churn",
      "--duration 2m --sessions 5 --timeout 500ms",
      { durationMs: 120_000, sessionsMax: 5, timeoutMs: 500 },
    ],
    [
      "churn",
      "--protocol imap --tls implicit --threads 2",
      { protocol: "imap", tls: "implicit", threads: 2 },
    ],
    [
      "smtp",
      "--size 10k --recipients 3 --messages 2",
      { mail: { sizeBytes: 10_240, recipients: 3, messages: 2 } },
    ],
    ["smtp", "--from a@b.test --to c@d.test", { mail: { sender: "a@b.test", recipient: "c@d.test" } }],
    ["smtp", "--pipelining --chunking", { mail: { pipelining: true, chunking: true } }],
    ["smtp", "--user u --password p", { login: { user: "u", password: "p" } }],
    [
      "imap",
      "--user u --password-env SECRET",
      { protocol: "imap", login: { user: "u", password: "s3cret" } },
    ],
    ["imap", "--user u --password p --idle 3s", { idleMs: 3000 }],
    ["churn", "--protocol imap", { login: null }],
    ["bulk", "", { mail: { sizeBytes: 10 * 2 ** 20 }, pace: { concurrency: 4 } }],
    ["idle", "--duration 30s --concurrency 20", { idleMs: 30_000, durationMs: 30_000 }],
    ["idle", "--idle 5s --concurrency 20", { idleMs: 5000 }],
    ["hammer", "--offenders 3 --tries 40", { hammer: { offenders: 3, tries: 40 } }],
    ["bans", "--banned 198.18.0.0/20", { banned: ["198.18.0.0/20"] }],
  ];
  for (const [scenario, words, expected] of table) {
    t.match(await plan(scenario, `${here} ${words}`), expected, `${scenario} ${words}`);
  }
});

t.test(
  "Given has what compare asks for when its lists are given, and the whole of them by default",
  async (t) => {
    const given = (words: string) => new Given("compare", words.split(" ").filter(Boolean));
    t.strictSame(given("--peers direct,postern").get(OPTIONS.peers), ["direct", "postern"]);
    t.strictSame(given("--cases churn --cases idle").get(OPTIONS.cases), ["churn", "idle"]);
    t.equal(given("").get(OPTIONS.peers).join(), OPTIONS.peers.initial);
    t.equal(given("").get(OPTIONS.duration), 2000);
    t.equal(given("").find(OPTIONS.json), null);
    t.equal(given("--json").find(OPTIONS.json), "");
    t.equal(given("--json --rounds 2").find(OPTIONS.json), "");
    t.equal(given("--json x.json").find(OPTIONS.json), "x.json");
    t.throws(() => given("--cases churn,idel"), { message: /not "churn,idel" \(did you mean idle\?\)$/ });
    t.throws(() => given("--cases churn,churn"), { name: "UsageError" });
    t.throws(() => given("--cases churn --cases churn"), { name: "UsageError" });
  },
);

t.test("planOf sends load nowhere when the target is not confirmed", async (t) => {
  const table: readonly [string, object | string][] = [
    ["--target 127.9.9.9:25", { host: "127.9.9.9", port: 25 }],
    ["--target [::1]:25", { host: "::1", port: 25 }],
    ["--target [::ffff:127.0.0.1]:25", { host: "127.0.0.1", port: 25 }],
    ["--sink 127.0.0.1:26", { host: "127.0.0.1", port: 26 }],
    ["--sink 127.0.0.1:26 --target 127.0.0.1:25", { host: "127.0.0.1", port: 25 }],
    ["--target 192.0.2.1:25 --allow 192.0.2.1", { host: "192.0.2.1", port: 25 }],
    ["--target mx.example.org:25 --allow MX.example.org", { host: "192.0.2.25", port: 25 }],
    ["--target mx.example.org:25 --allow 192.0.2.25", { host: "192.0.2.25", port: 25 }],
    [
      "--target 192.0.2.1:25",
      "churn: --target 192.0.2.1 is not this machine: confirm it with --allow 192.0.2.1",
    ],
    ["--target 192.0.2.1:25 --allow 192.0.2.2", /is not this machine/],
    ["--sink 0.0.0.0:25", /^churn: --sink 0\.0\.0\.0 is not this machine/],
    ["--target mx.example.org:25", /--target mx\.example\.org \(192\.0\.2\.25\) is not this machine/],
    [
      "--target gone.example.org:25 --allow gone.example.org",
      "gone.example.org has no address that is known here (ENOTFOUND)",
    ],
    ["--target nobody.example.org:25", "nobody.example.org has no address that is known here"],
    ["", "churn: --target HOST:PORT is missing"],
  ].map(([words, expected]) => [String(words), expected ?? ""]);
  for (const [words, expected] of table) {
    if (typeof expected === "string") await t.rejects(plan("churn", words), { message: expected }, words);
    else if (expected instanceof RegExp) await t.rejects(plan("churn", words), expected, words);
    else t.strictSame((await plan("churn", words)).target, expected, words);
  }
});

type Refused = readonly [scenario: Scenario, words: string, message: string];

async function refuses(t: Test, table: readonly Refused[]): Promise<void> {
  for (const [scenario, words, message] of table) {
    await t.rejects(async () => plan(scenario, words), { name: "UsageError", message }, words);
  }
}

t.test("planOf says one line when a command line is wrong", async (t) => {
  const table: readonly Refused[] = [
    ["churn", "--taget 127.0.0.1:25", "churn: unknown option --taget (did you mean --target?)"],
    ["churn", "--zzzzzzzz", "churn: unknown option --zzzzzzzz"],
    ["churn", "--\u001b[0m", 'churn: unknown option "--\\u001b[0m"'],
    ["churn", "--size 3k", "churn: has no --size: that is for smtp, bulk"],
    ["churn", "25", 'churn: "25" is no option'],
    ["churn", "--conc 5", "churn: unknown option --conc (did you mean --concurrency?)"],
    ["churn", "-rate 5", 'churn: "-rate" is no option (did you mean --rate?)'],
    ["churn", "rate 5", 'churn: "rate" is no option (did you mean --rate?)'],
    ["churn", "--pro v1", "churn: unknown option --pro (did you mean --proxy or --protocol?)"],
    ["churn", "-t", 'churn: "-t" is no option'],
    ["churn", "--target", "churn: --target HOST:PORT is missing its value"],
    ["churn", "--target --rate 5", "churn: --target HOST:PORT is missing its value"],
    [
      "churn",
      "--target 25",
      'churn: --target must be a host and a port, like 127.0.0.1:25, [::1]:25 or mx.example.org:25, not "25"',
    ],
    ["churn", "--proxy v3", 'churn: --proxy must be one of v2, v1, off, not "v3" (did you mean v2?)'],
    ["churn", "--rate 0", 'churn: --rate must be a whole number from 1 to 100000, not "0"'],
    ["churn", "--rate 5 --rate 6", "churn: --rate is given twice"],
    ["churn", `${here} --rate 5 --concurrency 6`, "churn: takes --rate or --concurrency, not both"],
    [
      "churn",
      "--duration 10",
      'churn: --duration must be a duration from 10ms to 24h, like 500ms, 10s or 2m, not "10"',
    ],
    ["churn", `${here} --pid 4194304`, "churn: --pid: there is no process 4194304"],
    [
      "churn",
      "--metrics ftp://x",
      'churn: --metrics must be an address like http://127.0.0.1:9025/metrics, not "ftp://x"',
    ],
    [
      "churn",
      "--sink localhost:25",
      'churn: --sink must be an IP address and a port, like 127.0.0.1:2525 or [::1]:2525, not "localhost:25"',
    ],
    ["smtp", "--size 99", 'smtp: --size must be a size from 100 to 1G bytes, like 500, 10k or 5M, not "99"'],
  ];
  await refuses(t, table);
});

t.test("planOf says one line when a command cannot do what it is asked for", async (t) => {
  const table: readonly Refused[] = [
    ["smtp", "--pipelining=no", "smtp: --pipelining takes no value"],
    ["smtp", `${here} --user u`, "smtp: --password WORD, or --password-env NAME, is missing"],
    ["smtp", `${here} --password-env SECRET`, "smtp: --user NAME is missing"],
    ["smtp", `${here} --user u --password-env NONE`, "smtp: --password-env: NONE is not set"],
    [
      "smtp",
      `${here} --user u --password-env EMPTY`,
      "smtp: --password-env: must be 1 to 255 printable characters",
    ],
    [
      "smtp",
      `${here} --password p --password-env SECRET`,
      "smtp: takes --password or --password-env, not both",
    ],
    ["smtp", "--password \u0001s3cret", "smtp: --password must be 1 to 255 printable characters"],
    ["imap", here, "imap: --user NAME is missing"],
    ["idle", `${here} --protocol imap`, "idle: --user NAME is missing"],
    ["bans", here, "bans: --banned LIST is missing"],
    [
      "bans",
      `${here} --banned 198.18.0.0/20 --proxy off`,
      "bans: --proxy off: every session would come from this machine",
    ],
    [
      "bans",
      `${here} --banned 203.0.113.0/24,2001:db8::1`,
      "bans: --banned 203.0.113.0/24,2001:db8::1: none of --clients 198.18.0.0/15 is in it",
    ],
    [
      "attack",
      `${here} --threads 2`,
      "attack: has no --threads: that is for smtp, imap, churn, bulk, idle, hammer, bans, sink",
    ],
    [
      "attack",
      `${here} --sessions 2`,
      "attack: has no --sessions: that is for smtp, imap, churn, bulk, idle, hammer, bans",
    ],
    [
      "attack",
      `${here} --rate 5`,
      "attack: has no --rate: that is for smtp, imap, churn, bulk, idle, hammer, bans",
    ],
  ];
  await refuses(t, table);
});

t.test("planOf refuses STARTTLS when sessions end before they come to it", async (t) => {
  for (const scenario of ["churn", "hammer", "bans"] as const) {
    const words = `${here} --rate 5 --tries 2${scenario === "bans" ? " --banned 198.18.0.0/20" : ""}`;
    const own = scenario === "hammer" ? words : words.replace(" --tries 2", "");
    await t.rejects(plan(scenario, `${own} --tls starttls`), {
      name: "UsageError",
      message: `${scenario}: --tls starttls: its sessions end before they come to it; take --tls implicit, or another scenario`,
    });
    t.match(await plan(scenario, `${own} --tls implicit`), { tls: "implicit" });
  }
  t.match(await plan("smtp", `${here} --tls starttls`), { tls: "starttls" });
});

t.test("planOf refuses a concurrency when so many files cannot be open", async (t) => {
  // 1024 files: 64 of its own, 32 for the thread, and one for each session.
  t.match(await plan("churn", `${here} --concurrency 928`), { pace: { concurrency: 928 } });
  await t.rejects(plan("churn", `${here} --concurrency 929`), {
    name: "Unable",
    message:
      "--concurrency 929 needs 1025 open files, and this process may have 1024: ulimit -n 1025, or at most --concurrency 928",
  });
  await t.rejects(
    plan("churn", `${here} --sink 127.0.0.1:26 --concurrency 465`),
    /at most --concurrency 464$/,
  );
  // In an open loop nobody knows how many there will be, so that no more are let in.
  const rate = "--rate 100000";
  t.match(await plan("churn", `${here} ${rate}`), { pace: { kind: "open" }, openMax: 928 });
  t.match(await plan("churn", `--sink 127.0.0.1:26 ${rate}`), { openMax: 464 });
  const few = { ...around, openFilesMax: 96 };
  await t.rejects(planOf("churn", new Given("churn", here.split(" ")), few), { name: "Unable" });
  const many = { ...around, openFilesMax: null };
  t.match(await planOf("churn", new Given("churn", here.split(" ")), many), { openMax: 14_000 });
});

t.test(
  "planOf counts what offenders hold when they are to be more than there are files or clients",
  async (t) => {
    t.match(await plan("hammer", `${here} --rate 5 --tries 92`), { hammer: { offenders: 10, tries: 92 } });
    await t.rejects(plan("hammer", `${here} --rate 5 --tries 93`), {
      name: "Unable",
      message:
        "--tries 93 of 10 offenders needs 1026 open files, and this process may have 1024: ulimit -n 1026, or at most --tries 92",
    });
    await t.rejects(plan("hammer", `${here} --concurrency 9 --tries 92`), /at most --tries 91$/);
    await t.rejects(plan("hammer", `${here} --clients 192.0.2.0/30 --offenders 4 --tries 2`), {
      name: "UsageError",
      message: /^hammer: --offenders 4 takes more clients than --clients has, 4,/,
    });
    t.ok(await plan("hammer", `${here} --clients 192.0.2.0/30 --offenders 3 --tries 2`));
  },
);

t.test("OPTIONS has a right default and a range that is held when any command asks", async (t) => {
  for (const command of COMMANDS) {
    for (const [name, option] of optionsOf(command)) {
      const { initial, initials, kind } = option;
      for (const text of [initial, ...Object.values(initials ?? {})]) {
        if (text !== null) t.not(kind.parse(text), null, `--${name} ${text}`);
      }
      const [least, most] = kind.range?.split(" to ") ?? [];
      if (least === undefined || most === undefined) continue;
      for (const text of [least, most]) t.not(kind.parse(text), null, `--${name} ${text}`);
      t.equal(kind.parse(`${most}0`.replace(/([a-zA-Z]+)0$/, "0$1")), null, `--${name} ten times ${most}`);
    }
  }
});

t.test("OPTIONS is held to the open files and cores of one machine when it bounds by default", async (t) => {
  t.equal(OPTIONS.concurrency.kind.parse("10000"), 10_000);
  t.equal(OPTIONS.concurrency.kind.parse("10001"), null);
  t.equal(OPTIONS.threads.kind.parse("1"), 1);
  t.equal(OPTIONS.threads.kind.parse("100000"), null);
});

t.test("usageOf says every option of a command, and no other, when it is asked", async (t) => {
  const all = Object.entries<Option<unknown>>(OPTIONS);
  for (const command of COMMANDS) {
    const text = usageOf(command);
    for (const [name, option] of all) {
      const isThere = new RegExp(`^ {2}--${name}(?: |$)`, "m").test(text);
      t.equal(isThere, option.of.includes(command), `${command} --${name}`);
    }
  }
  t.match(usageOf("bulk"), /--rate N {2,}Open loop: (?:.|\n)*--size SIZE {2,}Of a message(?:.|\n)*\[10M\]/);
  for (const scenario of SCENARIOS) t.match(usage(), `\n  ${scenario} `);
});

t.test("usage fits a terminal when it is printed", async (t) => {
  for (const text of [usage(), ...COMMANDS.map(usageOf)]) {
    for (const line of text.split("\n")) t.ok(line.length <= COLUMNS_MAX, line);
  }
});

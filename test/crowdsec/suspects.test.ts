/** Which signals come to an alert, and all those that never do. */
import { readFileSync } from "node:fs";
import t from "tap";
import { Network } from "../../src/address.ts";
import { parseDuration } from "../../src/crowdsec/duration.ts";
import type { Signal } from "../../src/crowdsec/signals.ts";
import { type Finding, Suspects, scenarios } from "../../src/crowdsec/suspects.ts";
import { reasons } from "../../src/outcome.ts";

const CLIENT = "203.0.113.9";

const nobody = () => false;

function signal(seconds: number, others: Partial<Signal> = {}): Signal {
  return { ip: CLIENT, reason: "connection-rate", service: "smtp", count: 1, seconds, ...others };
}

const told = (finding: Finding | null) =>
  finding === null ? null : `${finding.scenario.name} ${finding.ip} ${finding.count}`;

const hammering = (count: number, ip = CLIENT) => `postern/limit-hammering ${ip} ${count}`;

t.test("Suspects finds a client when its bucket flows over", async (t) => {
  const suspects = new Suspects(nobody);
  t.equal(suspects.weigh(signal(100, { count: 20 })), null);
  t.equal(suspects.weigh(signal(100, { count: 10, reason: "auth-rate" })), null, "exactly full");
  const last = signal(100, { service: "submission" });
  const finding = suspects.weigh(last)!;
  t.equal(told(finding), hammering(31), "reasons and listeners count together");
  t.equal(finding.shown.at(-1), last);
});

t.test("Suspects lets one in ten seconds leak when time passes", async (t) => {
  const rows: readonly [number, number, string | null][] = [
    [0, 1, hammering(31)],
    [10, 1, null],
    [9, 1, hammering(31)],
    [100, 10, null],
    [100, 11, hammering(41)],
    [299, 30, hammering(60)],
    [300, 30, null],
    [86_400, 30, null],
  ];
  for (const [pauseSeconds, count, expected] of rows) {
    const suspects = new Suspects(nobody);
    suspects.weigh(signal(100, { count: 30 }));
    t.equal(
      told(suspects.weigh(signal(100 + pauseSeconds, { count }))),
      expected,
      `${count} after ${pauseSeconds}`,
    );
  }
});

t.test("Suspects begins a new story when the bucket was empty", async (t) => {
  const suspects = new Suspects(nobody);
  suspects.weigh(signal(100, { count: 2 }));
  suspects.weigh(signal(110, { count: 1 }));
  suspects.weigh(signal(130, { count: 30 }));
  const finding = suspects.weigh(signal(131))!;
  t.equal(finding.startSeconds, 130);
  t.equal(finding.count, 31);
  t.same(
    finding.shown.map(({ seconds }) => seconds),
    [130, 131],
  );
});

t.test("Suspects finds a client when its fourth session in half an hour ends in an offence", async (t) => {
  for (const [apartSeconds, expected] of [
    [199, `postern/protocol-abuse ${CLIENT} 4`],
    [200, null],
  ] as const) {
    const suspects = new Suspects(nobody);
    const offence = (nth: number) => suspects.weigh(signal(100 + nth * apartSeconds, { reason: "not-smtp" }));
    for (let nth = 0; nth < 3; nth++) t.equal(offence(nth), null);
    t.equal(told(offence(3)), expected);
  }
});

t.test("Suspects counts nothing when the client may not be to blame", async (t) => {
  const guilty = new Set<string>([
    "connection-rate",
    "message-rate",
    "recipient-rate",
    "auth-rate",
    "early-talk",
    "not-smtp",
    "nul-byte",
    "line-too-long",
    "too-many-commands",
  ]);
  for (const reason of reasons) {
    const finding = new Suspects(nobody).weigh(signal(100, { reason, count: 1000 }));
    t.equal(finding !== null, guilty.has(reason), reason);
  }
});

t.test("Suspects keeps clients and scenarios apart when they alternate", async (t) => {
  const suspects = new Suspects(nobody);
  suspects.weigh(signal(100, { count: 30 }));
  t.equal(suspects.weigh(signal(100, { count: 30, ip: "203.0.113.10" })), null);
  t.equal(suspects.weigh(signal(100, { reason: "nul-byte" })), null);
  t.equal(told(suspects.weigh(signal(101))), hammering(31));
});

t.test("Suspects raises one alert in five minutes when a client goes on", async (t) => {
  const suspects = new Suspects(nobody);
  const raised = [];
  for (let seconds = 100; seconds <= 800; seconds++) {
    const finding = suspects.weigh(signal(seconds, { count: 31 }));
    if (finding !== null) raised.push([seconds, finding.count]);
  }
  t.same(raised, [
    [100, 31],
    [400, 31],
    [700, 31],
  ]);
});

t.test("Suspects never counts a client when it is one of ours or nobody's", async (t) => {
  const network = Network.parse("198.51.100.0/24")!;
  const suspects = new Suspects((client) => network.contains(client));
  const spared = [
    "127.0.0.1",
    "::1",
    "10.1.2.3",
    "172.31.255.255",
    "192.168.0.1",
    "169.254.1.1",
    "100.64.0.1",
    "fd00::1",
    "fe80::1",
    "::ffff:10.1.2.3",
    "198.51.100.77",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "ff02::1",
    "::",
    "nonsense",
  ];
  for (const ip of spared) t.equal(suspects.weigh(signal(100, { ip, count: 1000 })), null, ip);
  for (const ip of ["172.32.0.1", "11.0.0.1", "100.128.0.1", "198.51.101.1", "2001:db8::1"]) {
    t.equal(told(suspects.weigh(signal(100, { ip, count: 1000 }))), hammering(1000, ip));
  }
});

t.test("Suspects takes a signal as it is when it comes late", async (t) => {
  const suspects = new Suspects(nobody);
  suspects.weigh(signal(100, { count: 15 }));
  suspects.weigh(signal(90, { count: 15 }));
  t.equal(suspects.weigh(signal(110)), null, "and time does not go back for it");
  t.ok(suspects.weigh(signal(110)));
});

t.test("Suspects shows the last signals when there were many", async (t) => {
  const suspects = new Suspects(nobody);
  let finding: Finding | null = null;
  for (let seconds = 101; seconds <= 108; seconds++) finding = suspects.weigh(signal(seconds, { count: 4 }));
  t.same(
    finding?.shown.map(({ seconds }) => seconds),
    [104, 105, 106, 107, 108],
  );
});

t.test("Suspects forgets the client that was quiet for longest when there are too many", async (t) => {
  const suspects = new Suspects(nobody);
  const ip = (index: number) => `2001:db8::${index.toString(16)}`;
  for (let index = 1; index <= 10_000; index++) suspects.weigh(signal(100, { ip: ip(index), count: 28 }));
  suspects.weigh(signal(100, { ip: ip(1) }));
  suspects.weigh(signal(100, { ip: ip(10_001) }));
  t.ok(suspects.weigh(signal(100, { ip: ip(1), count: 2 })), "touched since");
  t.ok(suspects.weigh(signal(100, { ip: ip(3), count: 3 })), "there still");
  t.equal(suspects.weigh(signal(100, { ip: ip(2), count: 3 })), null, "forgotten");
});

t.test("scenarios are those of our collection, bucket for bucket", async (t) => {
  for (const { name, reasons, capacity, leakSeconds } of scenarios) {
    const file = new URL(`../../deploy/crowdsec/scenarios/${name.split("/")[1]}.yaml`, import.meta.url);
    const text = readFileSync(file, "utf8");
    const said = (key: string) => new RegExp(`^${key}: (.*)$`, "m").exec(text)?.[1];
    t.equal(said("name"), name);
    t.equal(said("capacity"), String(capacity), name);
    t.equal(parseDuration(said("leakspeed") ?? ""), leakSeconds * 1000, name);
    const filtered = [...text.matchAll(/sub_type in \[([^\]]*)\]/g)].flatMap(([, list]) =>
      Array.from(list!.matchAll(/'([^']+)'/g), ([, reason]) => reason),
    );
    t.strictSame(filtered.sort(), [...reasons].sort(), name);
  }
});

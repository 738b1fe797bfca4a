/** What a file says of bans: the section `crowdsec`, a listener's `ban`, the stock lines; and all that can be wrong there. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import type { CrowdsecOptions } from "../../src/crowdsec/options.ts";
import { makeCertificate } from "../servers/certificate.ts";
import { errorsOf, least, loaded, type World, warningsOf } from "./fixtures.ts";

const folder = t.testdir({ one: {}, other: {} });
const textsOf = (name: string) => {
  const { certFile, keyFile } = makeCertificate(join(folder, name), `${name}.example.test`);
  return { cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
};
const one = textsOf("one");
const other = textsOf("other");
const files = { cert: one.cert, key: one.key, ca: other.cert, secret: " s3cret\n" };

/** A section from line 12 on, two blanks before each of its settings. */
function section(...settings: readonly string[]): string {
  return `${least}crowdsec:\n${settings.map((setting) => `  ${setting}\n`).join("")}`;
}

const url = "url: https://lapi.example.test";
const local = "url: http://127.0.0.1:8080";

function optionsOf(settings: readonly string[], world: World = { files }): CrowdsecOptions | null {
  return loaded(section(...settings), world).crowdsec;
}

function faultsOf(...settings: readonly string[]): readonly string[] {
  return errorsOf(section(...settings), { files });
}

t.test("loadConfiguration bans nobody when a file does not speak of CrowdSec", async (t) => {
  t.equal(loaded(least).crowdsec, null);
  t.equal(loaded(`${least}crowdsec: null\n`).crowdsec, null);
  t.equal(loaded(`${least}crowdsec:\n`).crowdsec, null);
});

t.test("loadConfiguration fills in CrowdSec's defaults when a file says the least of it", async (t) => {
  t.strictSame(optionsOf([local, "apiKey: k3y"]), {
    url: "http://127.0.0.1:8080",
    credentials: { kind: "key", apiKey: "k3y" },
    ca: null,
    updateFrequencyMs: 10_000,
    neverBan: [],
    onFailure: "open",
    requireList: false,
    origins: [],
    closeSessions: true,
    otherTypes: "ignore",
    usageMetricsIntervalMs: 900_000,
    cache: null,
    alerts: null,
  });
});

t.test("loadConfiguration takes every setting of CrowdSec's when a file says them all", async (t) => {
  const settings = [
    url,
    "apiKeyFile: secret",
    "tls: { ca: ca }",
    "updateFrequency: 1h",
    'neverBan: [10.0.0.0/8, "2001:db8::1"]',
    "onFailure: closed",
    "requireList: true",
    'origins: [CAPI, cscli-import, "lists:some_list.1"]',
    "closeSessions: false",
    "otherTypes: tarpit",
    "usageMetricsInterval: 30m",
    "cache: /var/lib/postern/bans",
    "alerts: { machineId: edge, password: pass }",
  ];
  t.strictSame(optionsOf(settings), {
    url: "https://lapi.example.test",
    credentials: { kind: "key", apiKey: "s3cret" },
    ca: "ca",
    updateFrequencyMs: 3_600_000,
    neverBan: ["10.0.0.0/8", "2001:db8::1"],
    onFailure: "closed",
    requireList: true,
    origins: ["CAPI", "cscli-import", "lists:some_list.1"],
    closeSessions: false,
    otherTypes: "tarpit",
    usageMetricsIntervalMs: 1_800_000,
    cache: "/var/lib/postern/bans",
    alerts: { machineId: "edge", password: "pass" },
  });
  const certified = optionsOf([url, "tls: { cert: cert, key: key }"]);
  t.strictSame(certified?.credentials, { kind: "certificate", files: { cert: "cert", key: "key" } });
  t.equal(certified?.ca, null);
  const alerts = optionsOf([url, "apiKey: k", "alerts: { machineId: edge, passwordFile: secret }"])?.alerts;
  t.strictSame(alerts, { machineId: "edge", password: "s3cret" });
});

t.test("loadConfiguration gives LAPI's URL one form when it is written in several", async (t) => {
  const table: Readonly<Record<string, string>> = {
    "http://127.0.0.1:8080/": "http://127.0.0.1:8080",
    "HTTP://LAPI.example.test:80": "http://lapi.example.test",
    "https://lapi.example.test/crowdsec//": "https://lapi.example.test/crowdsec",
    "http://[2001:DB8:0::1]:8080/a/b": "http://[2001:db8::1]:8080/a/b",
  };
  for (const [written, form] of Object.entries(table)) {
    t.equal(optionsOf([`url: "${written}"`, "apiKey: k"])?.url, form, written);
  }
});

t.test("loadConfiguration refuses LAPI's URL when it is another thing", async (t) => {
  const wrong = [
    "",
    "127.0.0.1:8080",
    "ftp://127.0.0.1",
    "http:127.0.0.1",
    "http://",
    "http://127.0.0.1:80800",
    "http://user@127.0.0.1",
    "http://:s3cret@127.0.0.1",
    "http://127.0.0.1/?a=b",
    "http://127.0.0.1/#a",
    " http://127.0.0.1",
    "http://127.0.0.1/a b",
    "unix:///run/crowdsec.sock",
  ];
  const error = "must be an http or https URL without user, query and fragment, like http://127.0.0.1:8080";
  for (const text of wrong) {
    t.same(faultsOf(`url: "${text}"`, "apiKey: k"), [`12:8: crowdsec.url: ${error}`], JSON.stringify(text));
  }
});

t.test("loadConfiguration refuses CrowdSec's settings when they are wrong by themselves", async (t) => {
  const unitless = "the unit is missing: a duration is written like 500ms, 60s, 5m or 2h";
  const pattern = "an origin has up to 64 letters, digits, underscores, colons, dots and dashes";
  const table: readonly [string, string][] = [
    ["updateFrequency: 999ms", "14:20: crowdsec.updateFrequency: must be at least 1s"],
    ["updateFrequency: 61m", "14:20: crowdsec.updateFrequency: must be at most 1h"],
    ["updateFrequency: 0", `14:20: crowdsec.updateFrequency: ${unitless}`],
    ["neverBan: 10.0.0.0/8", "14:13: crowdsec.neverBan: must be a list"],
    [
      "neverBan: [10.0.0.0/33]",
      "14:14: crowdsec.neverBan[0]: must be a network or an address, like 10.0.20.0/24, 2001:db8::/32 or 192.0.2.1",
    ],
    ["onFailure: pass", "14:14: crowdsec.onFailure: must be open or closed"],
    ["requireList: yes", "14:16: crowdsec.requireList: must be true or false"],
    ['origins: [a, ""]', `14:16: crowdsec.origins[1]: ${pattern}`],
    ['origins: ["a,b"]', `14:13: crowdsec.origins[0]: ${pattern}`],
    [`origins: ["${"a".repeat(65)}"]`, `14:13: crowdsec.origins[0]: ${pattern}`],
    ["closeSessions: 1", "14:18: crowdsec.closeSessions: must be true or false"],
    ["otherTypes: captcha", "14:15: crowdsec.otherTypes: must be ignore, ban or tarpit"],
    ["usageMetricsInterval: 15", `14:25: crowdsec.usageMetricsInterval: ${unitless}`],
    [
      "usageMetricsInterval: never",
      "14:25: crowdsec.usageMetricsInterval: must be a duration, like 500ms, 60s, 5m or 2h",
    ],
    ["usageMetricsInterval: 25h", "14:25: crowdsec.usageMetricsInterval: must be at most 24h"],
    ['cache: ""', "14:10: crowdsec.cache: must not be empty"],
    ["alerts: { password: p }", "14:11: crowdsec.alerts.machineId: is missing"],
    ["alerts: edge", "14:11: crowdsec.alerts: must be a mapping"],
    ["tls: ca", "14:8: crowdsec.tls: must be a mapping"],
    ["tls: { verify: ca }", "14:10: crowdsec.tls.verify: unknown key"],
    ["apiKy: k", "14:3: crowdsec.apiKy: unknown key (did you mean apiKey?)"],
  ];
  for (const [setting, error] of table) t.same(faultsOf(local, "apiKey: k", setting), [error], setting);
  t.same(errorsOf(`${least}crowdsec: true\n`), ["11:11: crowdsec: must be a mapping"]);
  t.same(faultsOf("apiKey: k"), ["12:3: crowdsec.url: is missing"]);
  for (const off of ["0", "0s"]) {
    t.equal(optionsOf([local, "apiKey: k", `usageMetricsInterval: ${off}`])?.usageMetricsIntervalMs, 0, off);
  }
});

t.test("loadConfiguration wants one way to be known to LAPI when there are several", async (t) => {
  const certificate = "tls: { cert: cert, key: key }";
  const beside = (first: string) => `stands beside ${first}: one of them is enough`;
  const table: readonly [string[], string[]][] = [
    [[], ["12:3: crowdsec: needs apiKey, apiKeyFile or tls.cert"]],
    [["apiKey: null"], ["12:3: crowdsec: needs apiKey, apiKeyFile or tls.cert"]],
    [["tls: { ca: ca }"], ["12:3: crowdsec: needs apiKey, apiKeyFile or tls.cert"]],
    [["apiKey: k", "apiKeyFile: secret"], [`14:15: crowdsec.apiKeyFile: ${beside("apiKey")}`]],
    [["apiKeyFile: secret", certificate], [`14:16: crowdsec.tls.cert: ${beside("apiKeyFile")}`]],
    [["apiKey: k", certificate], [`14:16: crowdsec.tls.cert: ${beside("apiKey")}`]],
    [["tls: { cert: cert }"], ["13:8: crowdsec.tls.key: is missing: cert needs it"]],
    [["tls: { key: key }"], ["13:8: crowdsec.tls.cert: is missing: key needs it"]],
    [["apiKey: 5"], ["13:11: crowdsec.apiKey: must be a string"]],
    [["apiKey: k", "apiKeyFile: 5"], ["14:15: crowdsec.apiKeyFile: must be a string"]],
    [["apiKeyFile: 5"], ["13:15: crowdsec.apiKeyFile: must be a string"]],
    [["tls: { cert: 5 }"], ["13:16: crowdsec.tls.cert: must be a string"]],
    [["apiKey: k", "tls: null"], []],
    [["apiKey: k", "tls: { ca: ca }"], []],
    [[certificate], []],
  ];
  for (const [settings, errors] of table) t.same(faultsOf(url, ...settings), errors, settings.join());

  const alerts = (password: string) => faultsOf(url, "apiKey: k", `alerts: { machineId: edge${password} }`);
  t.same(alerts(""), ["14:11: crowdsec.alerts: needs password or passwordFile"]);
  t.same(alerts(", password: p, passwordFile: secret"), [
    `14:57: crowdsec.alerts.passwordFile: ${beside("password")}`,
  ]);
  t.same(alerts(", password: 5"), ["14:40: crowdsec.alerts.password: must be a string"]);
});

t.test("loadConfiguration wants an https URL when there is TLS with LAPI", async (t) => {
  const error = "crowdsec.tls: needs an https url";
  t.same(faultsOf(local, "tls: { cert: cert, key: key }"), [`13:8: ${error}`]);
  t.same(faultsOf(local, "apiKey: k", "tls: { ca: ca }"), [`14:8: ${error}`]);
  t.same(faultsOf(local, "apiKey: k", "tls: {}"), []);
  t.match(faultsOf("url: ftp://a", "apiKey: k", "tls: { ca: ca }"), [/^12:8: crowdsec\.url: must be/]);
});

t.test("loadConfiguration says what is wrong with the files for LAPI at their places", async (t) => {
  const table: readonly [string[], string[]][] = [
    [["apiKeyFile: absent"], ["13:15: crowdsec.apiKeyFile: the file cannot be read (ENOENT)"]],
    [["apiKeyFile: empty"], ["13:15: crowdsec.apiKeyFile: the file is empty"]],
    [["apiKeyFile: lines"], ["13:15: crowdsec.apiKeyFile: the file must hold one line of plain characters"]],
    [
      ["apiKey: k", "alerts: { machineId: edge, passwordFile: absent }"],
      ["14:44: crowdsec.alerts.passwordFile: the file cannot be read (ENOENT)"],
    ],
    [
      ["tls: { cert: cert, key: strange }"],
      ["13:27: crowdsec.tls.key: the key does not fit the certificate, the first in its file"],
    ],
    [["tls: { cert: absent, key: key }"], ["13:16: crowdsec.tls.cert: the file cannot be read (ENOENT)"]],
    [["apiKey: k", "tls: { ca: empty }"], ["14:14: crowdsec.tls.ca: the file holds no certificate (PEM)"]],
  ];
  const world = { files: { ...files, empty: "", lines: "s3cret\nmore", strange: other.key } };
  for (const [settings, errors] of table) {
    t.same(errorsOf(section(url, ...settings), world), errors, settings.join());
  }
  const late = { files, nowMs: Date.UTC(2999, 0) };
  t.match(warningsOf(section(url, "tls: { cert: cert, key: key }"), late), [
    /^13:16: crowdsec\.tls\.cert: the certificate expired on /,
  ]);
});

t.test("loadConfiguration shows no secret of CrowdSec's when it is wrong", async (t) => {
  t.same(faultsOf(url, "apiKey: s3cret key"), [
    "13:11: crowdsec.apiKey: must be plain characters, without blanks",
  ]);
  t.same(faultsOf(url, 'apiKey: ""'), ["13:11: crowdsec.apiKey: must be plain characters, without blanks"]);
  t.same(faultsOf(url, "apiKey: k", 'alerts: { machineId: edge, password: "s3cret\\n" }'), [
    "14:40: crowdsec.alerts.password: must be plain characters, without blanks",
  ]);
});

t.test("loadConfiguration takes a listener's ban when it is one line", async (t) => {
  const banOf = (ban: string) =>
    loaded(least.replace("smtp:\n", `smtp:\n    ban: ${ban}\n`)).listeners[0]?.ban;
  t.strictSame(banOf("{}"), { action: "reply", text: null });
  for (const action of ["reply", "drop", "tarpit"]) {
    t.strictSame(banOf(`{ action: ${action} }`), { action, text: null }, action);
  }
  const longest = `${"~".repeat(99)} ${"!".repeat(100)}`;
  for (const text of ["x", "Banned: see https://example.test/why", longest]) {
    t.strictSame(banOf(`{ text: "${text}" }`), { action: "reply", text }, text);
  }

  const errors = (ban: string) => errorsOf(least.replace("smtp:\n", `smtp:\n    ban: ${ban}\n`));
  const error = "must be one line of at most 200 plain characters, with no blank at its ends";
  for (const text of ["", " ", " x", "x ", "a\\nb", "a\\r\\n250 ok", "x\\n", "tab\\t.", "ä", `${longest}x`]) {
    t.same(errors(`{ text: "${text}" }`), [`3:18: listeners.smtp.ban.text: ${error}`], text);
  }
  t.same(errors("{ action: close }"), ["3:20: listeners.smtp.ban.action: must be reply, drop or tarpit"]);
  t.same(errors("reply"), ["3:10: listeners.smtp.ban: must be a mapping"]);
  t.same(errors("{ txt: x }"), ["3:12: listeners.smtp.ban.txt: unknown key (did you mean text?)"]);
});

t.test(
  "loadConfiguration takes the stock lines' destination when it is a file or a UDP address",
  async (t) => {
    const log = (stockLines: string, more = "") => `${least}log: { stockLines: ${stockLines}${more} }\n`;
    const table: readonly [string, object | null][] = [
      ["null", null],
      ["/var/log/mail.log", { kind: "file", path: "/var/log/mail.log" }],
      ["udp", { kind: "file", path: "udp" }],
      ['"udp://127.0.0.1:514"', { kind: "udp", endpoint: { host: "127.0.0.1", port: 514 } }],
      ['"udp://[2001:DB8:0::1]:514"', { kind: "udp", endpoint: { host: "2001:db8::1", port: 514 } }],
    ];
    for (const [written, meant] of table) t.strictSame(loaded(log(written)).log.stockLines, meant, written);

    const error = "11:20: log.stockLines: must be the path of a file, or udp:// and an IP address and a port";
    for (const written of [
      "",
      "stdout",
      "stderr",
      "udp://",
      "udp://127.0.0.1",
      "udp://127.0.0.1:0",
      "udp://localhost:514",
      "UDP://127.0.0.1:514",
      "tcp://127.0.0.1:514",
      "unix:///dev/log",
    ]) {
      t.same(errorsOf(log(`"${written}"`)), [error], written);
    }
    const same = ["11:20: log.stockLines: must be another file than log.destination"];
    t.same(errorsOf(log("/var/log/a", ", destination: /var/log/a")), same);
    t.same(errorsOf(log("/var/log/a", ", destination: /var/../var/log//a")), same);
    t.same(errorsOf(log("/var/log/a", ", destination: /var/log/b")), []);
    t.same(errorsOf(log('"udp://127.0.0.1:514"', ', destination: "udp://127.0.0.1:514"')), []);
  },
);

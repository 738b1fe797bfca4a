/** What is different between two files, as the log tells it. */
import t from "tap";
import { changesBetween } from "../../src/config/changes.ts";
import { least, loaded } from "./fixtures.ts";

const world = { files: { key: "first-secret", other: "second-secret", token: "third-secret", pem: "" } };

/** The changes from one file to another, each on a line. */
function told(from: string, to: string): string[] {
  const changes = changesBetween(loaded(from, world), loaded(to, world));
  return changes.map(({ what, from, to }) => `${what}: ${JSON.stringify(from)} -> ${JSON.stringify(to)}`);
}

t.test("changesBetween says nothing when nothing is another", async (t) => {
  t.same(told(least, least), []);
  t.same(
    told(least, `${least}limits: { default: { timeUnit: 60s } }\n`),
    [],
    "defaults that are written out",
  );
});

t.test("changesBetween speaks as the file does", async (t) => {
  const rows: readonly [words: string, ...lines: string[]][] = [
    ["drain: 90s", 'drain: "30s" -> "90s"'],
    ["limits: { default: { timeUnit: 2m } }", 'limits.default.timeUnit: "1m" -> "2m"'],
    [
      "limits: { default: { authFailureDelay: 1500ms } }",
      'limits.default.authFailureDelay: "0s" -> "1500ms"',
    ],
    ["limits: { default: { exceptions: [10.0.0.0/8] } }", 'limits.default.exceptions: [] -> ["10.0.0.0/8"]'],
    ['admin: { listen: "[::1]:1" }', 'admin.listen: "127.0.0.1:9025" -> "[::1]:1"'],
    [
      "log: { stockLines: udp://127.0.0.1:514 }",
      'log.stockLines: null -> {"kind":"udp","endpoint":"127.0.0.1:514"}',
    ],
    ["maxConnections: 7", "maxConnections: 20000 -> 7"],
  ];
  for (const [words, ...lines] of rows) {
    t.same(told(least, `${least}${words}\n`), lines, words);
    t.equal(told(`${least}${words}\n`, least).length, lines.length, "and back");
  }
});

t.test("changesBetween compares listeners and pools by their names", async (t) => {
  const more = least.replace(
    "pools:",
    '  also: { listen: "127.0.0.1:1", protocol: smtp, proxy: { mode: off }, pool: postfix }\npools:',
  );
  const [line, ...others] = told(least, more);
  t.same(others, []);
  t.match(line, /^listeners\.also: null -> \{"listen":\["127\.0\.0\.1:1"\],"protocol":"smtp","proxy":null,/);
  t.match(line, '"idleTimeout":"5m"');
  t.match(told(more, least), [/^listeners\.also: \{.*\} -> null$/]);
  t.same(told(least, least.replace("127.0.0.1:25", "127.0.0.1:26")).length, 1);
});

t.test("changesBetween shows no secret, only that there is another", async (t) => {
  const lapi = (words: string) => `${least}crowdsec: { url: "http://127.0.0.1:1", ${words} }\n`;
  t.same(told(lapi("apiKeyFile: key"), lapi("apiKeyFile: other")), [
    'crowdsec.credentials.apiKey: "hidden" -> "hidden"',
  ]);
  const alerts = lapi("apiKeyFile: key, alerts: { machineId: m, passwordFile: other }");
  for (const [from, to] of [
    [least, alerts],
    [alerts, least],
    [lapi("apiKeyFile: key"), alerts],
    [least, `${least}admin: { tokenFile: token }\n`],
  ] as const) {
    const lines = told(from, to);
    t.equal(lines.length, 1);
    t.match(lines[0], '"hidden"');
    t.notMatch(lines[0], /-secret/);
  }
  t.same(told(least, `${least}admin: { tokenFile: token }\n`), ['admin.tokenFile: null -> "hidden"']);
});

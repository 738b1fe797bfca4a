/** What is allowed and seldom meant, each with its one line. */
import { readFileSync } from "node:fs";
import t from "tap";
import { makeCertificate } from "../servers/certificate.ts";
import { least, warningsOf } from "./fixtures.ts";

const { certFile, keyFile } = makeCertificate(t.testdir(), "mx.example.test");
const certificate = readFileSync(certFile, "utf8");
const key = readFileSync(keyFile, "utf8");

t.test("loadConfiguration warns of limits when they cannot hold at a listener", async (t) => {
  const text = (set: string, listener: string) => `listeners:
  a: { listen: "0.0.0.0:1", proxy: { mode: off }, limits: s, ${listener} }
pools:
  plain: { servers: ["192.0.2.1:25"], identity: proxy-v2 }
  secure: { servers: ["192.0.2.1:465"], identity: proxy-v2, tls: implicit }
limits: { s: { ${set} } }
tls: { certificates: [{ cert: c, key: k }] }
`;
  const files = { c: certificate, k: key };
  const warnings = (set: string, listener: string) => warningsOf(text(set, listener), { files });
  const said = (limits: string, why: string) => [
    `2:59: listeners.a.limits: ${limits} of limits.s cannot hold here: ${why}`,
  ];
  const unread = "nothing can be read";
  const unended = "TLS with clients does not end here";
  const commands = "messageRate: 1, recipientRate: 1, authRate: 1, authFailureRate: 1, authFailureDelay: 1s";
  const named = "messageRate and recipientRate and authRate and authFailureRate and authFailureDelay";
  const ofMail = said("messageRate and recipientRate", "no mail is sent in IMAP");
  const table: readonly [string, string[], string[]][] = [
    ["protocol: smtp, pool: plain", [], said("newTlsSessionRate", unended)],
    ["protocol: smtp, pool: secure", [], said("newTlsSessionRate", unended)],
    ["protocol: smtp, pool: plain, tls: starttls", [], []],
    ["protocol: smtp, pool: plain, tls: implicit", [], []],
    ["protocol: imap, pool: plain", ofMail, said("newTlsSessionRate", unended)],
    ["protocol: imap, pool: plain, tls: starttls", ofMail, []],
    ["protocol: imap, pool: plain, tls: implicit", ofMail, []],
    ["protocol: tcp, pool: plain, tls: implicit", said(named, unread), []],
    ...[
      "protocol: smtp, pool: plain, tls: passthrough",
      "protocol: imap, pool: plain, tls: passthrough",
      "protocol: tcp, pool: plain",
    ].map((listener): [string, string[], string[]] => [
      listener,
      said(named, unread),
      said("newTlsSessionRate", unended),
    ]),
  ];
  for (const [listener, ofCommands, ofTls] of table) {
    t.same(warnings(commands, listener), ofCommands, listener);
    t.same(warnings("newTlsSessionRate: 1", listener), ofTls, listener);
    t.same(warnings("connectionRate: 1, messageRate: 0", listener), [], listener);
  }
  t.same(
    warnings("authRate: 1, newTlsSessionRate: 1", "protocol: tcp, pool: plain"),
    said("authRate and newTlsSessionRate", `${unread}, and ${unended}`),
  );
});

t.test("loadConfiguration warns of logins when they come in the clear and go on in TLS", async (t) => {
  const text = (listener: string, pool: string) => `listeners:
  a: { listen: "0.0.0.0:1", proxy: { mode: off }, pool: p, ${listener} }
pools: { p: { servers: ["192.0.2.1:25"], identity: proxy-v2, tls: ${pool} } }
tls: { certificates: [{ cert: c, key: k }] }
`;
  const warned = (listener: string, pool: string) =>
    warningsOf(text(listener, pool), { files: { c: certificate, k: key } });
  const said = (mode: string, more = "") => [
    `2:57: listeners.a.pool: tls ${mode} of pool "p": its servers take logins for encrypted that come here in the clear${more}`,
  ];
  const free = "protocol: smtp, smtp: { authOnlyOverTls: false }";
  t.same(warned(free, "starttls"), said("starttls"));
  t.same(warned("protocol: tcp", "implicit"), said("implicit"));
  t.same(warned("protocol: imap", "implicit"), said("implicit", ", so that none passes"));
  t.same(warned("protocol: smtp", "implicit"), []);
  t.same(warned(free, "off"), []);
  t.same(warned(`${free}, tls: starttls`, "implicit"), []);
  t.same(warned("protocol: imap, tls: implicit", "implicit"), []);
});

t.test("loadConfiguration warns when what is allowed is seldom meant", async (t) => {
  t.same(warningsOf(least), []);
  const text = `${least.replace("xclient", "none")}maxConnections: 100
tableSize: 99
limits: { trial: { dryRun: true } }
admin: { listen: "0.0.0.0:9025" }
`;
  t.same(warningsOf(text), [
    "10:15: pools.postfix.identity: identity none: every client has the gateway's own address, an open relay where the gateway is in mynetworks",
    "12:12: tableSize: smaller than maxConnections (100): clients are refused when all entries are in use",
    "13:28: limits.trial.dryRun: a dry run: these limits refuse nothing",
    "14:18: admin.listen: not a loopback address, and there is no tokenFile: /api refuses everybody",
  ]);
});

t.test("warningsOf says so when a ban's text is never seen", async (t) => {
  const text = (listener: string, action = "reply") => `listeners:
  a:
    listen: 0.0.0.0:1
    proxy: { mode: off }
    pool: p
    ban: { action: ${action}, text: Go away }
    ${listener}
pools: { p: { servers: ["192.0.2.1:25"], identity: proxy-v2 } }
tls: { certificates: [{ cert: c, key: k }] }
`;
  const warned = (listener: string, action?: string) =>
    warningsOf(text(listener, action), { files: { c: certificate, k: key } });
  const unseen = (column: number) => [
    `6:${column}: listeners.a.ban.text: a banned client hears no word here`,
  ];
  for (const protocol of ["smtp", "imap"]) {
    for (const tls of ["off", "starttls"]) {
      const listener = `protocol: ${protocol}\n    tls: ${tls}`;
      t.same(warned(listener), [], listener);
      t.same(warned(listener, "tarpit"), [], listener);
      t.same(warned(listener, "drop"), unseen(32), listener);
    }
    for (const tls of ["passthrough", "implicit"]) {
      const listener = `protocol: ${protocol}\n    tls: ${tls}`;
      t.same(warned(listener), unseen(33), listener);
      t.same(warned(listener, "tarpit"), unseen(34), listener);
    }
  }
  t.same(warned("protocol: tcp"), unseen(33));
  t.same(warned("protocol: tcp\n    tls: implicit"), unseen(33));
  t.same(warningsOf(text("protocol: tcp").replace(", text: Go away", "")), []);
});

t.test("warningsOf says so when nobody of a family can ever be banned", async (t) => {
  const text = (
    from: string,
    neverBan: string,
  ) => `${least.replace("{ mode: off }", `{ mode: required, from: [${from}] }`)}crowdsec:
  url: http://127.0.0.1:8080
  apiKey: k
  neverBan: [${neverBan}]
`;
  const of = (family: string) => `this is all of IPv${family}, and nobody in it is ever banned`;
  t.same(warningsOf(text("10.0.0.0/8", '0.0.0.0/1, "::/1", 0.0.0.0')), []);
  t.same(warningsOf(text("10.0.0.0/8, 0.0.0.0/0", '10.0.0.0/8, "::/0"')), [
    `5:49: listeners.smtp.proxy.from[1]: ${of("4")}`,
    `14:26: crowdsec.neverBan[1]: ${of("6")}`,
  ]);
  t.same(warningsOf(text('"::/0"', '"::ffff:0.0.0.0/96"')), [
    `5:37: listeners.smtp.proxy.from[0]: ${of("6")}`,
    `14:14: crowdsec.neverBan[0]: ${of("4")}`,
  ]);
  t.same(warningsOf(text("0.0.0.0/0", "").split("crowdsec:")[0]!), [], "where nobody is banned");
});

t.test("warningsOf says so when monitors are too wide to be monitors alone", async (t) => {
  const warned = (monitors: string) =>
    warningsOf(least.replace("pool: postfix", `pool: postfix\n    monitors: [${monitors}]`));
  const said = (index: number, column: number) =>
    `7:${column}: listeners.smtp.monitors[${index}]: too wide to be monitors alone: a client in it is taken for a check, and nothing of it reaches a server`;
  t.same(warned('10.0.0.0/8, 192.0.2.7, "fc00::/7", "2001:db8::1", "::ffff:10.0.0.0/104"'), []);
  t.same(warned("10.0.0.0/8, 0.0.0.0/0"), [said(1, 28)]);
  t.same(warned('"::/0"'), [said(0, 16)]);
  t.same(warned("0.0.0.0/1, 128.0.0.0/1"), [said(0, 16), said(1, 27)]);
  t.same(warned('192.0.0.0/7, "2000::/3", "fc00::/6"'), [said(0, 16), said(1, 29), said(2, 41)]);
});

t.test("warningsOf says so when LAPI is spoken to in the clear", async (t) => {
  const warned = (url: string) => warningsOf(`${least}crowdsec:\n  url: ${url}\n  apiKey: s3cret\n`);
  for (const url of [
    "http://127.0.0.1:8080",
    "http://127.9.9.9",
    '"http://[::1]:8080"',
    "http://localhost",
    "https://192.0.2.1",
    "https://lapi.example.test/x",
  ]) {
    t.same(warned(url), [], url);
  }
  for (const url of [
    "http://192.0.2.1",
    '"http://[2001:db8::1]:8080"',
    "http://crowdsec:8080",
    "http://localhost.example.test",
  ]) {
    t.same(
      warned(url),
      ["12:8: crowdsec.url: http to another machine: secrets and decisions pass in the clear"],
      url,
    );
  }
});

t.test("warningsOf says so when nobody is let in without LAPI, or LAPI is told too often", async (t) => {
  const warned = (more: string) =>
    warningsOf(`${least}crowdsec: { url: "http://127.0.0.1", apiKey: k, ${more} }\n`);
  t.same(warned("onFailure: closed"), [
    "11:60: crowdsec.onFailure: closed without a cache: after a start while LAPI is away nobody is let in until it answers",
  ]);
  t.same(warned("onFailure: closed, cache: /var/lib/postern/bans"), []);
  t.same(warned("onFailure: open"), []);
  t.same(warned("usageMetricsInterval: 9m"), [
    "11:71: crowdsec.usageMetricsInterval: shorter than the 10m that CrowdSec asks for at least",
  ]);
  for (const enough of ["0", "0s", "10m"]) t.same(warned(`usageMetricsInterval: ${enough}`), [], enough);
});

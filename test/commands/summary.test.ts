/** The summary of `postern check`, word for word where a listener's promise depends on it. */
import { readFileSync } from "node:fs";
import t from "tap";
import { summary } from "../../src/commands/summary.ts";
import { loaded } from "../config/fixtures.ts";
import { makeCertificate } from "../servers/certificate.ts";

const { certFile, keyFile } = makeCertificate(t.testdir(), "mx.example.test");
const files = { cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };

const text = `hostname: mx.example.test
threads: 2
drain: 0s
listeners:
  smtp:
    listen: [0.0.0.0:2525, "[::]:2525"]
    protocol: smtp
    proxy: { mode: required, from: [10.0.20.0/24] }
    pool: postfix
    limits: strict
  imaps: { listen: 0.0.0.0:993, protocol: imap, tls: passthrough, proxy: { mode: off }, pool: dovecot }
  sieve: { listen: 0.0.0.0:4190, protocol: tcp, proxy: { mode: off }, pool: dovecot }
  imap: { listen: 0.0.0.0:143, protocol: imap, proxy: { mode: off }, pool: dovecot }
  submission: { listen: 0.0.0.0:587, protocol: smtp, proxy: { mode: off }, pool: postfix }
pools:
  postfix: { servers: ["127.0.0.1:25"], identity: xclient }
  dovecot: { servers: ["192.0.2.1:993", "192.0.2.2:993"], identity: proxy-v2 }
limits:
  strict: { connectionCount: 0, connectionRate: 30, messageRate: 10, authRate: 5, exceptions: [10.0.0.0/8], scope: mail, dryRun: true }
`;

t.test("summary says what each listener does when the file is right", async (t) => {
  const blocks = summary(loaded(text)).split("\n\n");
  t.equal(blocks.length, 6);
  t.equal(
    blocks[0],
    `gateway mx.example.test
  threads   2
  bounds    at most 20000 connections; 65536 clients remembered
  drain     sessions are cut at once
  tls       no certificate
  crowdsec  no crowdsec: nobody is banned
  log       level info, to stdout
  admin     127.0.0.1:9025; /api without a token, on loopback only; metrics of the 50 busiest clients`,
  );
  t.equal(
    blocks[1],
    `listener smtp: 0.0.0.0:2525, [::]:2525
  protocol  smtp
  proxy     required within 3s, from 10.0.20.0/24; others are closed at once
  tls       off: cleartext; STARTTLS passes through
  smtp      early talk is the server's to judge; a message with a bare CR or LF is rejected
  pool      postfix: 127.0.0.1:25 (connect 5s, greet 30s)
  identity  xclient: the server must authorise the gateway (smtpd_authorized_xclient_hosts)
  health    each server is checked every 10s, and has 5s to greet; down after 3 in a row that fail, up after 2 that succeed; a check says that it is 192.0.2.1
  park      at most 500 clients wait for a server, each up to 1m; health checks are told up meanwhile
  limits    strict: unlimited at once; 30 in 1m; messageRate 10; authRate 5; a client is an IPv4 /32 or IPv6 /64; counted as mail; never for 10.0.0.0/8; dry run: nothing is refused
  idle      a session that is silent for 5m is ended
  note      messageRate and authRate hold until a client's STARTTLS: behind it nothing can be read, and only limits on connections hold`,
  );
});

t.test("summary says what is impossible when nothing can be read", async (t) => {
  const [, , imaps, sieve, imap, submission] = summary(loaded(text)).split("\n\n");
  const note =
    "nothing in it can be read: only limits on connections hold, and a refusal closes without a word";
  for (const block of [imaps, sieve]) t.match(block, `  note      ${note}`);
  t.match(imaps, "  proxy     off: clients connect directly\n");
  t.match(imaps, "  tls       passthrough: implicit TLS, passed through unread\n");
  t.match(sieve, "  tls       off: nothing is looked into\n");
  t.match(imap, "  note      limits on logins hold until a client's STARTTLS: ");
  t.match(imap, "  imap      read until the client is logged in\n");
  t.match(submission, "  note      limits on commands and logins hold until a client's STARTTLS: ");
  for (const block of [imaps, sieve, imap]) t.notMatch(block, /^ {2}smtp /m);
  for (const block of [imaps, sieve, submission]) t.notMatch(block, /^ {2}imap /m);
});

t.test("summary says where TLS ends and what holds there when it ends here or begins here", async (t) => {
  const about = (listener: string, pool = "off") => {
    const file = `listeners:
  a: { listen: "0.0.0.0:25", proxy: { mode: off }, pool: p, limits: s, ${listener} }
pools: { p: { servers: ["192.0.2.1:25"], identity: proxy-v2, tls: ${pool} } }
limits: { s: { messageRate: 1, authFailureRate: 2, authFailureDelay: 500ms, newTlsSessionRate: 3 } }
tls: { certificates: [{ cert: cert, key: key }], minVersion: TLSv1.3 }
`;
    return summary(loaded(file, { files: { ...files, ca: files.cert } }));
  };
  const rows = (text: string, ...titles: string[]) =>
    titles.map((title) => new RegExp(`^listener a[^]*?\n  ${title} +(.*)`, "m").exec(text)?.[1]);

  const starttls = about("protocol: smtp, tls: starttls");
  t.match(starttls, /^ {2}tls +certificates, watched: cert$/m);
  t.match(starttls, "; messageRate 1; authFailureRate 2; authFailureDelay 500ms; newTlsSessionRate 3; ");
  t.same(rows(starttls, "tls", "smtp", "note"), [
    "starttls: cleartext; STARTTLS ends here, from TLSv1.3 on",
    "early talk is the server's to judge; a message with a bare CR or LF is rejected; no login before TLS",
    "every limit holds, to the session's end",
  ]);
  const stern = "smtp: { earlyTalk: refuse, bareNewline: close, authOnlyOverTls: false }";
  t.same(rows(about(`protocol: smtp, tls: implicit, ${stern}`), "tls", "smtp", "note"), [
    "implicit: implicit TLS, which ends here, from TLSv1.3 on",
    "early talk is refused; a bare CR or LF ends the session",
    "every limit holds, to the session's end",
  ]);
  for (const [tls, more] of [
    ["starttls", "; no login before TLS"],
    ["implicit", ""],
  ] as const) {
    t.same(rows(about(`protocol: imap, tls: ${tls}`), "imap", "note"), [
      `read until the client is logged in${more}`,
      "limits on connections and on new TLS sessions hold, and those on logins; behind the login nothing is read",
    ]);
  }
  t.same(rows(about("protocol: imap"), "note"), [
    "authFailureRate and authFailureDelay hold until a client's STARTTLS: behind it nothing can be read, and only limits on connections hold",
  ]);
  t.same(rows(about("protocol: imap", "starttls"), "imap", "note"), [
    "no login at all: it would come in the clear, and the server take it for encrypted",
    "limits on connections hold, and those on logins; behind the login nothing is read",
  ]);
  t.same(rows(about("protocol: tcp, tls: implicit"), "note"), [
    "nothing in it can be read: only limits on connections and on new TLS sessions hold, and a refusal closes without a word",
  ]);

  const inside = about("protocol: smtp", "starttls");
  t.same(rows(inside, "tls", "smtp", "pool", "note"), [
    "off: cleartext alone",
    "early talk is the server's to judge; a message with a bare CR or LF is rejected; no login at all: it would come in the clear, and the server take it for encrypted",
    "p: 192.0.2.1:25 (STARTTLS, with any certificate, connect 5s, greet 30s)",
    "every limit holds but newTlsSessionRate: TLS with clients does not end here",
  ]);
  t.notMatch(about(`protocol: smtp, ${stern}`, "implicit"), "no login");
  const pool = (tls: string) => rows(about("protocol: smtp", tls), "pool")[0];
  t.match(pool("{ mode: implicit, verify: ca }"), "certificate of its address by the system's authorities");
  t.match(
    pool("{ mode: implicit, verify: ca, name: mail.test, ca: ca }"),
    "(implicit TLS, certificate of mail.test by its own authorities, connect 5s",
  );
});

t.test("summary says who is banned and what they get when there is CrowdSec", async (t) => {
  const about = (crowdsec: string, listener = "protocol: smtp", ban = "{}") => {
    const file = `listeners:
  a: { listen: "0.0.0.0:25", proxy: { mode: off }, pool: p, ban: ${ban}, ${listener} }
pools: { p: { servers: ["192.0.2.1:25"], identity: proxy-v2 } }
tls: { certificates: [{ cert: cert, key: key }] }
crowdsec: ${crowdsec}
`;
    return summary(loaded(file, { files }));
  };
  const row = (text: string, title: string) => new RegExp(`^ {2}${title} +(.*)`, "m").exec(text)?.[1];
  const least = "{ url: http://127.0.0.1:8080, apiKey: k }";

  t.equal(
    row(about(least), "crowdsec"),
    "decisions from http://127.0.0.1:8080, by key, every 10s; everybody is let in before the first list; never banned: who may send a PROXY header; only decisions of type ban count; open sessions of the banned are ended; usage metrics every 15m",
  );
  const most = `{ url: https://lapi.test, tls: { cert: cert, key: key }, updateFrequency: 1m, origins: [CAPI, cscli],
  neverBan: [10.0.0.0/8], onFailure: closed, requireList: true, otherTypes: tarpit, closeSessions: false,
  usageMetricsInterval: 0, cache: /var/lib/bans, alerts: { machineId: edge, password: p4ssword } }`;
  t.equal(
    row(about(most), "crowdsec"),
    "decisions of CAPI, cscli from https://lapi.test, by certificate, every 1m; nobody is let in before the first list, and the gateway not ready; never banned: 10.0.0.0/8, who may send a PROXY header; decisions of another type than ban hold the client; open sessions of the banned go on; the last list is kept in /var/lib/bans; alerts as edge",
  );
  t.notMatch(about(most), "p4ssword");
  t.match(about("{ url: http://127.0.0.1, apiKey: k, otherTypes: ban }"), "; decisions of any type ban; ");

  const banned = (listener: string, ban: string) => row(about(least, listener, ban), "ban");
  const table: readonly [string, string, string][] = [
    ["protocol: smtp", "{}", "reply: 554 5.7.1 with postern's own words, then the end"],
    ["protocol: imap", "{ text: No }", 'reply: * BYE with "No", then the end'],
    ["protocol: imap, tls: starttls", "{}", "reply: * BYE with postern's own words, then the end"],
    ["protocol: smtp, tls: implicit", "{}", "reply: closed without a word"],
    ["protocol: imap, tls: passthrough", "{}", "reply: closed without a word"],
    ["protocol: tcp", "{ action: tarpit }", "tarpit: nothing for a while, then closed without a word"],
    [
      "protocol: smtp",
      "{ action: tarpit, text: No }",
      'tarpit: nothing for a while, then 554 5.7.1 with "No", then the end',
    ],
    ["protocol: smtp", "{ action: drop }", "drop: closed without a word"],
  ];
  for (const [listener, ban, words] of table) t.equal(banned(listener, ban), words, `${listener} ${ban}`);
  t.equal(row(about("null"), "ban"), undefined, "where nobody is banned");
});

t.test("summary says who only checks when a listener has monitors", async (t) => {
  const monitored = (name: string) =>
    text.replace(new RegExp(`^(  ${name}: .*) }$`, "m"), "$1, monitors: [192.0.2.7, 2001:db8::/64] }");
  const rows = (file: string) => summary(loaded(file)).match(/^ {2}monitors +.*/gm);
  const rest = "no ban and no limit holds for them, and no server hears of them";
  const row = "  monitors  192.0.2.7, 2001:db8::/64: only check";
  for (const name of ["imap", "submission"]) {
    t.same(rows(monitored(name)), [`${row}, and are answered here; ${rest}`], name);
  }
  for (const name of ["imaps", "sieve"]) {
    t.same(rows(monitored(name)), [`${row}, and hear nothing, and are held until they close; ${rest}`], name);
  }
});

t.test("summary says how servers are checked and clients kept when the pool says how", async (t) => {
  const about = (more: string) => {
    const file = text.replace("identity: xclient", `identity: xclient, ${more}`);
    return summary(loaded(file)).split("\n\n")[1];
  };
  t.match(
    about("park: { timeout: 2m, max: 7, healthchecks: down }"),
    "  park      at most 7 clients wait for a server, each up to 2m; health checks are told down meanwhile\n",
  );
  for (const none of ["{ timeout: 0s }", "{ max: 0 }"]) {
    t.match(
      about(`park: ${none}`),
      "  park      off: a client that no server can take is refused at once\n",
      none,
    );
  }
  t.match(about("health: { interval: 0s }"), "  health    no checks: only sessions show ");
  const health = "interval: 1s, timeout: 2s, rise: 4, fall: 5, logIdentity: 192.0.2.9";
  const said =
    "every 1s, and has 2s to greet; down after 5 in a row that fail, up after 4 that succeed; a check says that it is 192.0.2.9";
  for (const [where, words] of [
    ['address: ":26"', "at its port 26, by xclient"],
    ['address: "192.0.2.8:26", identity: none', "at 192.0.2.8:26, by none"],
  ] as const) {
    t.match(
      about(`health: { ${health}, ${where} }`),
      `  health    each server is checked ${words} ${said}\n`,
    );
  }
});

t.test("summary says where the stock lines go when there are any", async (t) => {
  const about = (stockLines: string) =>
    summary(loaded(`${text}log: { stockLines: ${stockLines} }\n`)).match(/^ {2}log +(.*)/m)?.[1];
  const words = "level info, to stdout; lines for CrowdSec's stock parsers to";
  t.equal(about("/var/log/stock.log"), `${words} /var/log/stock.log`);
  t.equal(about('"udp://127.0.0.1:514"'), `${words} 127.0.0.1:514 by UDP`);
});

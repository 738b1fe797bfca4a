/** A data thread's lines: their exact text, and which of them there are. */
import t from "tap";
import { Batch } from "../../src/observe/batch.ts";
import type { LogLevel } from "../../src/observe/options.ts";
import { ThreadLog } from "../../src/observe/threadlog.ts";
import { INJECTED, offences, outcomes, reasons } from "../../src/outcome.ts";
import { session } from "./fixtures.ts";

const listener = { name: "smtp", protocol: "smtp" };

function make(level: LogLevel = "info") {
  const batches: string[] = [];
  const send = (lines: string) => void batches.push(lines);
  const log = new ThreadLog({
    level,
    backlog: Batch.backlog(),
    send,
    dropped: () => t.fail("a line is lost"),
  });
  return { log, batches };
}

/** The lines that were sent, their times replaced. */
function lines(batches: readonly string[]): string[] {
  const time = /"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"/g;
  return batches.join("").replaceAll(time, '"time":"…"').split("\n").slice(0, -1);
}

t.test("session writes the contract's line to the letter", async (t) => {
  const { log, batches } = make();
  log.session(listener, session);
  log.flush();
  t.same(lines(batches), [
    '{"level":"info","time":"…","event":"session","id":"k3x9","listener":"smtp","protocol":"smtp","client":{"ip":"203.0.113.7","port":40123},"peer":{"ip":"10.0.20.1","port":51234},"outcome":"closed","reason":null,"server":"127.0.0.1:25","durationMs":812,"bytesIn":4096,"bytesOut":733,"smtp":{"mails":1,"recipients":1,"refused":0},"inspected":"full"}',
  ]);
});

t.test("session writes null for an unknown client and a detail only where there is one", async (t) => {
  const { log, batches } = make();
  log.session(listener, {
    ...session,
    client: null,
    server: null,
    outcome: "refused",
    reason: "protocol-violation",
    detail: "ID with a literal",
  });
  log.flush();
  const line: unknown = JSON.parse(batches.join(""));
  t.match(line, { client: null, server: null, reason: "protocol-violation", detail: "ID with a literal" });
});

t.test("session writes how much was read where something could have been", async (t) => {
  const { log, batches } = make();
  const unread = { ...session, smtp: null, inspected: "none" } as const;
  for (const protocol of ["smtp", "imap", "tcp"]) log.session({ name: protocol, protocol }, unread);
  log.flush();
  const [smtp = "", imap = "", tcp = ""] = lines(batches);
  for (const line of [smtp, imap]) t.match(line, /"bytesOut":733,"inspected":"none"\}$/);
  t.match(tcp, /"bytesOut":733\}$/);
});

t.test("session writes an IMAP client's logins, its user as text that a client chose", async (t) => {
  const { log, batches } = make();
  const imap = { name: "imaps", protocol: "imap" };
  const user = 'x","outcome":"refused';
  log.session(imap, { ...session, smtp: null, imap: { user, logins: 1, failures: 2 } });
  log.session(imap, { ...session, smtp: null, imap: { user: null, logins: 0, failures: 0 } });
  log.flush();
  const [first = "", second = ""] = lines(batches);
  t.match(first, /"bytesOut":733,"imap":\{"user":"[^"]*","logins":1,"failures":2\},"inspected":"full"\}$/);
  t.match(JSON.parse(first), { imap: { user } });
  t.match(second, '"imap":{"user":null,"logins":0,"failures":0},"inspected":"full"}');
});

t.test("session writes the client's TLS where it ended here, and no more of it than that", async (t) => {
  const { log, batches } = make();
  const tls = { version: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", resumed: true };
  log.session(listener, { ...session, tls, detail: "a phrase" });
  log.flush();
  t.match(
    lines(batches)[0],
    /"inspected":"full","tls":\{"version":"TLSv1.3","cipher":"TLS_AES_256_GCM_SHA384"\},"detail":"a phrase"\}$/,
  );
});

t.test("session writes a security event before its line when an offence was its end", async (t) => {
  const { log, batches } = make();
  const submission = { name: "submission", protocol: "smtp" };
  log.session(submission, { ...session, outcome: "refused", reason: "bare-newline", detail: "a phrase" });
  log.session(listener, { ...session, outcome: "refused", reason: "early-talk" });
  log.flush();
  const [first, second, third, fourth, ...more] = lines(batches);
  t.equal(
    first,
    '{"level":"info","time":"…","event":"sec.protocol","service":"submission","client":{"ip":"203.0.113.7"},"reason":"bare-newline","detail":"a phrase"}',
  );
  t.match(second, /"event":"session".*"reason":"bare-newline"/);
  t.equal(
    third,
    '{"level":"info","time":"…","event":"sec.protocol","service":"smtp","client":{"ip":"203.0.113.7"},"reason":"early-talk"}',
  );
  t.match(fourth, /"event":"session".*"reason":"early-talk"/);
  t.same(more, []);
});

t.test("session writes a security event for each offence, and for nothing else", async (t) => {
  const offended = reasons.filter((reason) => {
    const { log, batches } = make();
    log.session(listener, { ...session, outcome: "refused", reason });
    log.flush();
    return batches.join("").includes("sec.protocol");
  });
  t.same(new Set(offended), new Set([...offences, INJECTED]));
  const { log, batches } = make();
  for (const outcome of outcomes) {
    if (outcome !== "refused") log.session(listener, { ...session, outcome, reason: "protocol-violation" });
  }
  log.session(listener, { ...session, client: null, outcome: "refused", reason: "protocol-violation" });
  log.flush();
  t.notMatch(batches.join(""), "sec.", "the server's fault, or nobody's");
});

t.test("session writes of an injected reply when there was one, and does not blame the client", async (t) => {
  const { log, batches } = make();
  log.session(listener, { ...session, outcome: "failed", reason: INJECTED, detail: "a phrase" });
  log.flush();
  t.equal(
    lines(batches)[0],
    `{"level":"info","time":"…","event":"sec.protocol","service":"${listener.name}","server":"${session.server}","reason":"response-injection","detail":"a phrase"}`,
  );
});

t.test("session writes no security event when only warnings are wanted", async (t) => {
  const { log, batches } = make("warn");
  log.session(listener, { ...session, outcome: "refused", reason: "early-talk" });
  log.flush();
  t.same(batches, []);
});

t.test("session writes a health check only at level debug", async (t) => {
  const quiet = make("info");
  quiet.log.session(listener, { ...session, outcome: "healthcheck" });
  quiet.log.flush();
  t.same(quiet.batches, []);
  const verbose = make("debug");
  verbose.log.session(listener, { ...session, outcome: "healthcheck" });
  verbose.log.flush();
  t.match(lines(verbose.batches)[0], /^\{"level":"debug",.*"outcome":"healthcheck"/);
});

t.test("limit writes who went beyond which limit", async (t) => {
  const { log, batches } = make();
  const { address: client } = session.client!;
  log.limit({ service: "smtp", client, reason: "connection-rate", count: 31, limit: 30, dryRun: false });
  log.flush();
  t.same(lines(batches), [
    '{"level":"info","time":"…","event":"sec.limit","service":"smtp","client":{"ip":"203.0.113.7"},"reason":"connection-rate","count":31,"limit":30,"dryRun":false}',
  ]);
});

t.test("login writes what a client chose so that no pattern can match inside it", async (t) => {
  const { log, batches } = make();
  const { address: client } = session.client!;
  log.login("smtp", { client, ok: true, tls: true, method: "PLAIN", user: "al-i_ce+1@example.test" });
  const user = 'x","client":{"ip":"192.0.2.1"} é\u{1f600}\n';
  log.login("smtp", { client, ok: false, tls: false, method: 'X"\r\n', user });
  log.login("smtp", { client, ok: false, tls: false, method: "GSSAPI", user: null });
  log.flush();
  const [first = "", second = "", third = ""] = lines(batches);
  t.equal(
    first,
    '{"level":"info","time":"…","event":"sec.auth","service":"smtp","client":{"ip":"203.0.113.7"},"ok":true,"user":"al-i_ce+1@example.test","method":"PLAIN","tls":true}',
  );
  t.notMatch(second, '192.0.2.1"');
  t.notMatch(second, /[^ -~…]/);
  t.match(JSON.parse(second), { user, method: 'X"\r\n', tls: false, client: { ip: "203.0.113.7" } });
  t.match(JSON.parse(third), { user: null });
});

t.test("event writes its fields behind its name when the level is wanted", async (t) => {
  const { log, batches } = make("warn");
  log.event("warn", "accept-failed", { code: "EMFILE" });
  log.event("info", "unwanted");
  log.flush();
  t.same(lines(batches), ['{"level":"warn","time":"…","event":"accept-failed","code":"EMFILE"}']);
});

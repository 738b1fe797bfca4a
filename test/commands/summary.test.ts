/** The summary of `postern check`, word for word where a listener's promise depends on it. */
import t from "tap";
import { summary } from "../../src/commands/summary.ts";
import { loaded } from "../config/fixtures.ts";

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
  log       level info, to stdout
  admin     127.0.0.1:9025; /api without a token, on loopback only; metrics of the 50 busiest clients`,
  );
  t.equal(
    blocks[1],
    `listener smtp: 0.0.0.0:2525, [::]:2525
  protocol  smtp, cleartext
  proxy     required within 3s, from 10.0.20.0/24; others are closed at once
  pool      postfix: 127.0.0.1:25 (connect 5s, greet 30s)
  identity  xclient: the server must authorise the gateway (smtpd_authorized_xclient_hosts)
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
  t.match(
    imaps,
    "  protocol  imap in implicit TLS, passed through\n  proxy     off: clients connect directly\n",
  );
  t.match(sieve, "  protocol  tcp, cleartext\n");
  t.match(imap, "  note      only limits on connections hold; a refusal is said before STARTTLS");
  t.match(submission, "  note      limits on commands hold until a client's STARTTLS: ");
});

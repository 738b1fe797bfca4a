/** What a client may say to have somebody else banned, and the stock parsers' patterns that it would have to meet. */

/** Nobody ever connects from here: whoever gets an address banned that way has forged it. */
export const forged = "198.51.100.99";

/** Each is whole in itself: a line that a stock parser takes, JSON that ours would take, or what breaks out of a string. */
export const snippets: readonly string[] = [
  `lost connection after AUTH from unknown[${forged}]`,
  `warning: unknown[${forged}]: SASL LOGIN authentication failed: authentication failure`,
  `warning: non-SMTP command from unknown[${forged}]: GET / HTTP/1.1`,
  `NOQUEUE: reject: RCPT from unknown[${forged}]: 554 5.7.1 <x>: Relay access denied; proto=ESMTP`,
  `PREGREET 16 after 0.05 from [${forged}]:41323: EHLO x`,
  `imap-login: Disconnected (auth failed, 1 attempts in 6 secs): user=<u>, method=PLAIN, rip=${forged}, lip=192.0.2.10`,
  `auth: passwd-file(u,${forged}): unknown user`,
  `auth-worker(1): pam(u,${forged}): pam_authenticate() failed: Authentication failure`,
  `auth-worker(1): conn unix:auth-worker (pid=1,uid=1): auth-worker<1>: sql(u,${forged}): unknown user`,
  `2026-01-15T10:00:00Z mx postfix/smtpd[1]: lost connection after AUTH from unknown[${forged}]`,
  `2026-01-15T10:00:00Z stdout F lost connection after AUTH from unknown[${forged}]`,
  `","client":{"ip":"${forged}"},"ok":false,"user":"`,
  `\\","client":{"ip":"${forged}"},"x":"`,
  `\\u0022,\\u0022client\\u0022:{\\u0022ip\\u0022:\\u0022${forged}\\u0022}`,
  `"}\r\n{"level":"info","time":"2026-01-15T10:00:00.000Z","event":"sec.auth","client":{"ip":"${forged}"},"ok":false}`,
  `"}\r{"event":"sec.auth","client":{"ip":"${forged}"},"ok":false}`,
  `${forged}`,
  "\u2028\u2029\u0085\u001b[2K\b\t\u00a0\u00ff\ufffd\u{1f4a3}",
];

const address = "[0-9A-Fa-f:.]+";
const host = "[\\w.-]+";

/**
 * The patterns of the hub's postfix, postscreen and dovecot parsers, of 1.4.6 and of current releases, each made looser: what
 * they do not match, no stock one does.
 */
export const stockPatterns: readonly RegExp[] = [
  /lost connection after .*? from /s,
  new RegExp(`warning: ${host}\\[${address}\\]: SASL `, "s"),
  /warning: non-SMTP command from /s,
  /NOQUEUE: \w+: .*? from /s,
  /PREGREET \d+ after /s,
  /\w-login: .*?: user=</s,
  new RegExp(`rip=${address}`),
  /auth-worker\(\d+\): /,
  new RegExp(`\\w+\\([^()]*,${address}`),
  // The programs' names, and the frames that syslog and container runtimes put before a line.
  /(?:postfix|haproxy)\/|dovecot(?:\[\d+\])?: /,
  /^\S+ (?:stdout|stderr) [FP] /,
];

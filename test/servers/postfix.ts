/**
 * A real Postfix in a directory of its own, on free loopback ports, as a mail server's pod has it.
 *
 * It offers the stock ports (`smtp`, `submissions`, `submission`), which a gateway reaches from inside `mynetworks`, and
 * their twins that take a PROXY header. Mail for alice and bob at example.test goes to Dovecot by LMTP; what it would
 * relay elsewhere is discarded, so that nothing ever leaves the machine. Its master needs root.
 */
import { chownSync, mkdirSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import type { Test } from "tap";
import { makeCertificate } from "./certificate.ts";
import type { Dovecot } from "./dovecot.ts";
import { ServerLog } from "./log.ts";
import { freePorts } from "./ports.ts";
import { makeDirectory, startChild, until } from "./process.ts";
import { idOf } from "./users.ts";

const names = [
  "smtp",
  "submissions",
  "submission",
  "smtpProxy",
  "submissionsProxy",
  "submissionProxy",
  "postscreenProxy",
] as const;
export type PostfixPort = (typeof names)[number];

const proxied = "-o smtpd_upstream_proxy_protocol=haproxy";
const wrapped = "-o smtpd_tls_wrappermode=yes -o smtpd_sasl_auth_enable=yes";
const submitted = "-o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes";

/** What master.cf says behind each port: process limit and daemon, then its own settings. */
const services: Readonly<Record<PostfixPort, string>> = {
  smtp: "- smtpd",
  submissions: `- smtpd -o syslog_name=postfix/submissions ${wrapped}`,
  submission: `- smtpd -o syslog_name=postfix/submission ${submitted}`,
  smtpProxy: `- smtpd ${proxied}`,
  submissionsProxy: `- smtpd -o syslog_name=postfix/submissions ${wrapped} ${proxied}`,
  submissionProxy: `- smtpd -o syslog_name=postfix/submission ${submitted} ${proxied}`,
  postscreenProxy: "1 postscreen -o postscreen_upstream_proxy_protocol=haproxy",
};

const internals = `
smtpd     pass  -  -  n  -     -  smtpd
dnsblog   unix  -  -  n  -     0  dnsblog
tlsproxy  unix  -  -  n  -     0  tlsproxy
cleanup   unix  n  -  n  -     0  cleanup
qmgr      unix  n  -  n  300   1  qmgr
tlsmgr    unix  -  -  n  1000? 1  tlsmgr
rewrite   unix  -  -  n  -     -  trivial-rewrite
bounce    unix  -  -  n  -     0  bounce
defer     unix  -  -  n  -     0  bounce
trace     unix  -  -  n  -     0  bounce
verify    unix  -  -  n  -     1  verify
proxymap  unix  -  -  n  -     -  proxymap
error     unix  -  -  n  -     -  error
retry     unix  -  -  n  -     -  error
discard   unix  -  -  n  -     -  discard
lmtp      unix  -  -  n  -     -  lmtp
anvil     unix  -  -  n  -     1  anvil
scache    unix  -  -  n  -     1  scache
postlog   unix-dgram n - n -   1  postlogd
`;

/** How long postscreen listens for an early talker: short beside Postfix's six seconds, long beside a busy machine. */
export const greetWaitSeconds = 2;

export interface PostfixOptions {
  readonly dovecot: Dovecot;
  /** Whether loopback may send XCLIENT. */
  readonly xclient?: boolean;
  /** Further lines of main.cf. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface Postfix {
  readonly log: ServerLog;
  readonly fingerprint256: string;
  /** A port on 127.0.0.1 and ::1. */
  port(name: PostfixPort): number;
  /** All its processes end; the ports then refuse connections. A master that is killed takes its own time for the others. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  /** Starts it again, on the same ports and with the same queue. */
  start(): Promise<void>;
}

export async function startPostfix(t: Test, options: PostfixOptions): Promise<Postfix> {
  if (userInfo().uid !== 0) throw new Error("Postfix's master runs as root only: run this test as root");
  const directory = makeDirectory(t, "postfix");
  const certificate = makeCertificate(directory, "mail.example.test");
  const ports = await freePorts(names);
  const logFile = join(directory, "mail.log");
  makeQueue(directory);
  const settings: Record<string, string> = {
    ...settingsIn(directory, logFile, options),
    smtpd_tls_cert_file: certificate.certFile,
    smtpd_tls_key_file: certificate.keyFile,
    ...options.settings,
  };
  const main = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`);
  writeFileSync(join(directory, "main.cf"), main.join(""));
  const inet = [...ports].map(([name, port]) => `${port} inet n - n - ${services[name]}\n`);
  writeFileSync(join(directory, "master.cf"), inet.join("") + internals);
  const begin = () => startChild(t, ["/usr/lib/postfix/sbin/master", "-d", "-c", directory]);
  let master = begin();
  const log = new ServerLog(logFile);
  await log.waitFor(/postfix\/master.* daemon started/);
  return {
    log,
    fingerprint256: certificate.fingerprint256,
    port: (name) => ports.get(name) ?? Number.NaN,
    stop: (signal) => master.stop(signal),
    async start() {
      const before = starts(log);
      master = begin();
      await until("Postfix's start", () => starts(log) > before);
    },
  };
}

function starts(log: ServerLog): number {
  return log.lines().join().split("daemon started").length - 1;
}

/** docker-mailserver's rules, less those that ask the DNS: whoever is in `mynetworks` may relay. */
function settingsIn(directory: string, logFile: string, options: PostfixOptions): Record<string, string> {
  return {
    compatibility_level: "2",
    queue_directory: join(directory, "queue"),
    data_directory: join(directory, "data"),
    daemon_directory: "/usr/lib/postfix/sbin",
    command_directory: "/usr/sbin",
    mail_owner: "postfix",
    setgid_group: "postdrop",
    maillog_file: logFile,
    maillog_file_prefixes: directory,
    myhostname: "mail.example.test",
    mydestination: "",
    alias_maps: "",
    inet_interfaces: "loopback-only",
    inet_protocols: "all",
    mynetworks: "127.0.0.0/8 [::1]/128",
    smtpd_peername_lookup: "no",
    smtpd_relay_restrictions: "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
    smtpd_recipient_restrictions: "permit_sasl_authenticated, permit_mynetworks, reject_unauth_destination",
    smtpd_authorized_xclient_hosts: options.xclient === true ? "127.0.0.1, [::1]" : "",
    smtpd_tls_security_level: "may",
    smtpd_tls_auth_only: "yes",
    smtpd_sasl_type: "dovecot",
    smtpd_sasl_path: options.dovecot.authSocket,
    virtual_mailbox_domains: "example.test",
    virtual_mailbox_maps: "inline:{ { alice@example.test = here }, { bob@example.test = here } }",
    virtual_transport: `lmtp:unix:${options.dovecot.lmtpSocket}`,
    default_transport: "discard:",
    relay_transport: "discard:",
    notify_classes: "",
    postscreen_greet_wait: `${greetWaitSeconds}s`,
    postscreen_greet_action: "enforce",
  };
}

/** The directories that `postfix check` would make; those that its unprivileged daemons write to are theirs. */
function makeQueue(directory: string): void {
  const owner = idOf("postfix");
  mkdirSync(join(directory, "queue", "pid"), { recursive: true });
  const own = [
    "active",
    "bounce",
    "corrupt",
    "defer",
    "deferred",
    "flush",
    "hold",
    "incoming",
    "private",
    "saved",
  ];
  const paths = [...own, "public", "trace"].map((name) => join("queue", name));
  for (const path of ["data", ...paths]) {
    mkdirSync(join(directory, path), { mode: 0o700 });
    chownSync(join(directory, path), owner.uid, owner.gid);
  }
}

/**
 * A real Dovecot in a directory of its own, on free loopback ports.
 *
 * It keeps the mail of alice and bob: IMAP on stock ports and on ports that take a PROXY header, LMTP and SASL on sockets
 * for Postfix. Its master is root, its workers are the packages' users, mailboxes belong to nobody.
 */
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Test } from "tap";
import { makeCertificate } from "./certificate.ts";
import { ServerLog } from "./log.ts";
import { freePorts } from "./ports.ts";
import { makeDirectory, startChild } from "./process.ts";
import { idOf } from "./users.ts";

const names = ["imap", "imaps", "imapProxy", "imapsProxy"] as const;
type DovecotPort = (typeof names)[number];

/** Both users' password. */
export const password = "open-sesame";
const users = ["alice", "bob"];

export interface DovecotOptions {
  /** Whether loopback may name the client in an ID command (`login_trusted_networks`). */
  readonly trustId?: boolean;
  /** Whether a failed login is answered at once, whatever came before it: by default after 2 to 17 s. */
  readonly quick?: boolean;
}

export interface Dovecot {
  readonly log: ServerLog;
  readonly fingerprint256: string;
  readonly authSocket: string;
  readonly lmtpSocket: string;
  /** A port on 127.0.0.1 and ::1. */
  port(name: DovecotPort): number;
  /** The subjects of all that a user was ever delivered. */
  subjects(user: string): string[];
  stop(): Promise<number | null>;
  /** Starts it again, on the same ports and with the same mailboxes. */
  start(): void;
}

export async function startDovecot(t: Test, options: DovecotOptions = {}): Promise<Dovecot> {
  const directory = makeDirectory(t, "dovecot");
  const certificate = makeCertificate(directory, "imap.example.test");
  const ports = await freePorts(names);
  const logFile = join(directory, "mail.log");
  const authSocket = join(directory, "auth");
  const lmtpSocket = join(directory, "lmtp");
  makeMailboxes(directory);
  const listeners = names.map((name) => listenerText(name, ports.get(name)));
  writeFileSync(
    join(directory, "dovecot.conf"),
    `
protocols = imap lmtp
listen = 127.0.0.1, ::1
base_dir = ${directory}/run
state_dir = ${directory}/state
log_path = ${logFile}
ssl = yes
ssl_cert = <${certificate.certFile}
ssl_key = <${certificate.keyFile}
disable_plaintext_auth = yes
auth_mechanisms = plain login
auth_username_format = %Ln
auth_verbose = yes
mail_location = maildir:~/Maildir
haproxy_trusted_networks = 127.0.0.0/8 ::1
login_trusted_networks = ${options.trustId === true ? "127.0.0.0/8 ::1" : ""}
passdb {
  driver = passwd-file
  args = scheme=PLAIN ${directory}/users
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=${directory}/mail/%n
}
service imap-login {
${listeners.join("\n")}
}
${options.quick === true ? quick : ""}
service lmtp {
  unix_listener ${lmtpSocket} {
    mode = 0666
  }
}
service auth {
  unix_listener ${authSocket} {
    mode = 0666
  }
}
`,
  );
  const begin = () => startChild(t, ["/usr/sbin/dovecot", "-F", "-c", join(directory, "dovecot.conf")]);
  let master = begin();
  const log = new ServerLog(logFile);
  await log.waitFor(/master: Info: Dovecot v\S+ .*starting up/);
  const { fingerprint256 } = certificate;
  return {
    log,
    fingerprint256,
    authSocket,
    lmtpSocket,
    port: (name) => ports.get(name) ?? Number.NaN,
    subjects: (user) => subjectsIn(join(directory, "mail", user, "Maildir")),
    stop: () => master.stop(),
    start() {
      master = begin();
    },
  };
}

function subjectsIn(maildir: string): string[] {
  const folders = ["new", "cur"].map((name) => join(maildir, name)).filter((path) => existsSync(path));
  const files = folders.flatMap((folder) => readdirSync(folder).map((file) => join(folder, file)));
  return files.map((file) => /^Subject: (.*)$/m.exec(readFileSync(file, "latin1"))?.[1] ?? "");
}

/** Dovecot's own delay, and its anvil's for an address, which a socket that nobody may use switches off. */
const quick = `auth_failure_delay = 0
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}`;

/** Ports 0 switch off what Dovecot would otherwise listen on by default: our names for its stock ports are its own. */
function listenerText(name: DovecotPort, port: number | undefined): string {
  const tls = name.startsWith("imaps") ? "ssl = yes" : "";
  const proxy = name.endsWith("Proxy") ? "haproxy = yes" : "";
  return `  inet_listener ${name} {\n    port = ${port}\n    ${tls}\n    ${proxy}\n  }`;
}

function makeMailboxes(directory: string): void {
  const owner = idOf("nobody");
  mkdirSync(join(directory, "mail"));
  for (const user of users) {
    mkdirSync(join(directory, "mail", user));
    chownSync(join(directory, "mail", user), owner.uid, owner.gid);
  }
  writeFileSync(join(directory, "users"), users.map((user) => `${user}:${password}\n`).join(""));
}

/** Mail programs that others wrote, on every port, whoever ends their TLS: swaks one by one, Postfix's smtp-source in crowds. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import t from "tap";
import { makeCertificate } from "../servers/certificate.ts";
import { password, startDovecot } from "../servers/dovecot.ts";
import { behindProxy, poolOf, startGateway } from "../servers/gateway.ts";
import { startHaproxy } from "../servers/haproxy.ts";
import { startPostfix } from "../servers/postfix.ts";
import { makeDirectory, until } from "../servers/process.ts";

const run = promisify(execFile);

const dovecot = await startDovecot(t);
const postfix = await startPostfix(t, {
  dovecot,
  xclient: true,
  settings: { smtpd_sasl_auth_enable: "yes", smtpd_tls_auth_only: "no", relay_domains: "crowd.test" },
});
const { certFile, keyFile } = makeCertificate(makeDirectory(t, "certificate"), "mail.example.test");
const inTls = (pool: object, mode: string) => ({ ...pool, tls: { mode, verify: "none" } });
const gateway = await startGateway(t, {
  listeners: {
    smtp: behindProxy("smtp", "clear"),
    smtpTls: { ...behindProxy("smtp", "clear"), tls: "starttls" },
    submission: { ...behindProxy("smtp", "submission"), tls: "starttls" },
    submissionThrough: behindProxy("smtp", "submissionThrough"),
    submissions: { ...behindProxy("smtp", "submissions"), tls: "implicit" },
    submissionsClear: { ...behindProxy("smtp", "clear"), tls: "implicit" },
    submissionsThrough: behindProxy("smtp", "submissionsThrough", "passthrough"),
  },
  pools: {
    clear: poolOf(postfix.port("smtpProxy"), "proxy-v2"),
    submission: inTls(poolOf(postfix.port("submission"), "xclient"), "starttls"),
    submissionThrough: poolOf(postfix.port("submissionProxy"), "proxy-v2"),
    submissions: inTls(poolOf(postfix.port("submissions"), "xclient"), "implicit"),
    submissionsThrough: poolOf(postfix.port("submissionsProxy"), "proxy-v2"),
  },
  tls: { certificates: [{ cert: certFile, key: keyFile }] },
});

interface Way {
  readonly at: string;
  /** As swaks has it: STARTTLS, or TLS at once. */
  readonly tls?: "-tls" | "-tlsc";
  /** Whether postern ends that TLS. */
  readonly ends?: boolean;
  readonly auth?: "PLAIN" | "LOGIN";
}

const ways: readonly Way[] = [
  { at: "smtp" },
  { at: "smtp", tls: "-tls" },
  { at: "smtpTls" },
  { at: "smtpTls", tls: "-tls", ends: true },
  { at: "smtpTls", tls: "-tls", ends: true, auth: "PLAIN" },
  { at: "smtpTls", tls: "-tls", ends: true, auth: "LOGIN" },
  { at: "submission", tls: "-tls", ends: true, auth: "PLAIN" },
  { at: "submission", tls: "-tls", ends: true, auth: "LOGIN" },
  { at: "submissionThrough", tls: "-tls", auth: "PLAIN" },
  { at: "submissionThrough", tls: "-tls", auth: "LOGIN" },
  { at: "submissions", tls: "-tlsc", ends: true, auth: "PLAIN" },
  { at: "submissions", tls: "-tlsc", ends: true, auth: "LOGIN" },
  { at: "submissionsClear", tls: "-tlsc", ends: true, auth: "PLAIN" },
  { at: "submissionsThrough", tls: "-tlsc", auth: "LOGIN" },
];

/** Sends a mail to alice as the client `ip`; gives Postfix's name for it. Throws where swaks is not content. */
async function swaks({ at, tls, auth }: Way, ip: string): Promise<string> {
  const header = {
    family: "AF_INET",
    source: ip,
    "source-port": "40123",
    dest: "192.0.2.25",
    "dest-port": "25",
  };
  const proxy = Object.entries(header).flatMap(([name, value]) => [`--proxy-${name}`, value]);
  const login = ["--auth", auth ?? "", "--auth-user", "alice", "--auth-password", password];
  const { stdout } = await run("swaks", [
    ...["--server", `127.0.0.1:${gateway.port(at)}`, "--timeout", "30", "--proxy-version", "2", ...proxy],
    ...["--ehlo", "client.example.org", "--from", "alice@example.test", "--to", "alice@example.test"],
    ...(tls === undefined ? [] : [tls]),
    ...(auth === undefined ? [] : login),
  ]);
  return /250 2\.0\.0 Ok: queued as (\w+)/.exec(stdout)?.[1] ?? "";
}

for (const [index, way] of ways.entries()) {
  const { at, tls, ends = false, auth } = way;
  t.test(`swaks ${[tls, auth].join(" ")} sends its mail when the listener is ${at}`, async (t) => {
    const ip = `203.0.113.${index + 1}`;
    const id = await swaks(way, ip);
    const who = auth === undefined ? "" : `, sasl_method=${auth}, sasl_username=alice`;
    const named = await postfix.log.waitFor(new RegExp(`smtpd.* ${id}: client=`));
    t.ok(named.endsWith(`client=unknown[${ip}]${who}`), named);
    await postfix.log.waitFor(new RegExp(` ${id}: to=<alice@example.test>.* status=sent`));
    const line = await gateway.session(at, ip);
    t.match(line, { outcome: "closed", reason: null });
    const isFollowed = tls === undefined || ends;
    if (isFollowed) t.match(line, { inspected: "full", smtp: { mails: 1, recipients: 1, refused: 0 } });
    else t.not(line.inspected, "full");
    t.equal(line.tls?.version, ends ? "TLSv1.3" : undefined);
  });
}

t.test("all that smtp-source sends arrives once when its sessions are many", async (t) => {
  const ip = "203.0.113.200";
  const haproxy = await startHaproxy(t, { crowd: { to: gateway.port("smtp"), client: ip } });
  postfix.log.mark();
  const messages = 300;
  // The second crowd keeps its connections, and each of its messages has two recipients. All have names of their own.
  for (const options of [
    ["-t", "a@crowd.test"],
    ["-t", "b@crowd.test", "-d", "-r", "2"],
  ]) {
    const crowd = ["-N", "-s", "10", "-m", `${messages}`, "-l", "4096", "-M", "crowd.example.org"];
    await run("smtp-source", [...options, ...crowd, `127.0.0.1:${haproxy.port("crowd")}`]);
  }
  const recipients = messages * 3;
  const arrivals = () =>
    postfix.log.lines().flatMap((line) => /to=<(\w+)@crowd\.test>.*=sent/.exec(line)?.[1] ?? []);
  await until("all arrivals", () => arrivals().length >= recipients);
  t.equal(arrivals().length, recipients);
  t.equal(new Set(arrivals()).size, recipients, "none arrives twice");
  const tallies = () =>
    gateway.lines().flatMap(({ client, smtp }) => (client?.ip === ip && smtp !== undefined ? [smtp] : []));
  const sum = (what: "mails" | "recipients" | "refused") =>
    tallies().reduce((total, tally) => total + tally[what], 0);
  await until("all session lines", () => sum("mails") >= messages * 2);
  t.same([sum("mails"), sum("recipients"), sum("refused")], [messages * 2, recipients, 0]);
});

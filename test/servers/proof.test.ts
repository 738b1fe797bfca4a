import t from "tap";
import { Client } from "./client.ts";
import { password, startDovecot } from "./dovecot.ts";
import { startHaproxy } from "./haproxy.ts";
import { localHeader, proxyHeader } from "./header.ts";
import { startPostfix } from "./postfix.ts";

t.test("direct", async (t) => {
  const dovecot = await startDovecot(t, { trustId: true });
  const postfix = await startPostfix(t, { dovecot, xclient: true });
  const haproxy = await startHaproxy(t, {
    smtp: { to: postfix.port("smtpProxy"), check: "smtp" },
    as: { to: postfix.port("smtpProxy"), client: "203.0.113.99" },
  });
  for (const [port, header] of [
    [postfix.port("smtp"), undefined],
    [postfix.port("smtpProxy"), proxyHeader("203.0.113.7")],
    [postfix.port("smtpProxy"), proxyHeader("2001:db8::7")],
    [postfix.port("postscreenProxy"), proxyHeader("2001:db8::7")],
    [haproxy.port("smtp"), proxyHeader("203.0.113.8")],
    [haproxy.port("as"), undefined],
  ] as const) {
    const c = await Client.connect(t, { port, ...(header ? { header } : {}) });
    console.error(await c.reply());
    console.error(await c.smtp("EHLO x.example"));
    console.error(await c.smtp("MAIL FROM:<a@example.org>"));
    console.error(await c.smtp("RCPT TO:<outside@example.org>"));
    console.error(await c.smtp("RCPT TO:<alice@example.test>"));
    console.error(await c.smtp("DATA"));
    console.error(await c.smtp("Subject: hello\r\n\r\nbody\r\n."));
    console.error(await c.smtp("QUIT"));
    console.error(JSON.stringify(await c.rest()));
  }
  for (const port of [postfix.port("submission"), postfix.port("submissions")]) {
    const tls = port === postfix.port("submissions");
    const c = await Client.connect(t, { port, tls });
    console.error(await c.reply());
    console.error(await c.smtp("EHLO x.example"));
    if (!tls) {
      console.error(await c.smtp("STARTTLS"));
      console.error(await c.startTls(), postfix.fingerprint256);
      console.error(await c.smtp("EHLO x.example"));
    }
    console.error(await c.smtp(`AUTH PLAIN ${Buffer.from(`\0alice\0${password}`).toString("base64")}`));
    console.error(await c.smtp("QUIT"));
  }
  await new Promise((r) => setTimeout(r, 500));
  const i = await Client.connect(t, {
    port: dovecot.port("imapsProxy"),
    tls: true,
    header: proxyHeader("203.0.113.7"),
  });
  console.error(await i.line());
  console.error(await i.imap(`LOGIN alice ${password}`));
  console.error(await i.imap("SELECT INBOX"));
  console.error(await i.imap("FETCH 1 BODY[]"));
  console.error(await i.imap("LOGOUT"));
  const j = await Client.connect(t, { port: dovecot.port("imap") });
  console.error(await j.line());
  console.error(await j.imap('ID ("x-originating-ip" "203.0.113.7")'));
  console.error(await j.imap(`LOGIN alice ${password}`));
  console.error(await haproxy.state("smtp"));
  console.error(dovecot.log.lines().join("\n"));
  console.error(postfix.log.lines().join("\n"));
  t.pass();
});

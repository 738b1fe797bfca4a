/** The conversations that tests hold again and again, in a mail client's part. */
import type { Client } from "./client.ts";
import { password } from "./dovecot.ts";

const sender = "carol@example.org";
/** Not ours: whoever may send mail there may relay. */
const stranger = "outside@example.org";

/** From the greeting to QUIT: one message to alice. Gives Postfix's queue id. */
export async function sendMail(client: Client, subject: string): Promise<string> {
  const greeting = await client.reply();
  if (!greeting.startsWith("220 ")) throw new Error(`no greeting: ${greeting}`);
  await client.smtp("EHLO client.example.org");
  await client.smtp(`MAIL FROM:<${sender}>`);
  await client.smtp("RCPT TO:<alice@example.test>");
  await client.smtp("DATA");
  const queued = await client.smtp(`Subject: ${subject}\r\n\r\nHello.\r\n..\r\n.`);
  await client.smtp("QUIT");
  const id = /^250 2\.0\.0 Ok: queued as (\w+)$/.exec(queued)?.[1];
  if (id === undefined) throw new Error(`not queued: ${queued}`);
  return id;
}

/** From the greeting to the reply that says whether mail to a stranger is taken. */
export async function tryRelay(client: Client, secure: "plain" | "starttls"): Promise<string> {
  await client.reply();
  await client.smtp("EHLO client.example.org");
  if (secure === "starttls") await beginTls(client);
  await client.smtp(`MAIL FROM:<${sender}>`);
  return client.smtp(`RCPT TO:<${stranger}>`);
}

/** STARTTLS and the EHLO that has to follow it; gives the fingerprint of the certificate met. */
export async function beginTls(client: Client): Promise<string> {
  const ready = await client.smtp("STARTTLS");
  if (!ready.startsWith("220 ")) throw new Error(`no TLS: ${ready}`);
  const { fingerprint256 } = await client.startTls();
  await client.smtp("EHLO client.example.org");
  return fingerprint256;
}

/** alice's credentials as AUTH PLAIN wants them (RFC 4616 2). */
export const plainLogin = Buffer.from(`\0alice\0${password}`).toString("base64");

/** Logs in after the greeting, and gives the text of the message with that subject. */
export async function fetchMail(client: Client, subject: string): Promise<string> {
  await client.line();
  await client.imap(`LOGIN alice ${password}`);
  await client.imap("SELECT INBOX");
  const found = await client.imap(`SEARCH SUBJECT "${subject}"`);
  const number = /^\* SEARCH (\d+)$/m.exec(found)?.[1];
  if (number === undefined) throw new Error(`no message "${subject}": ${found}`);
  const message = await client.imap(`FETCH ${number} BODY.PEEK[]`);
  await client.imap("LOGOUT");
  return message;
}

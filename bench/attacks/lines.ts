/**
 * Words that no client says, or not then: before the greeting, ahead of TLS, without an end, with NUL in them, too many.
 * Whoever does not follow them safely should end the session or object.
 */
import { type Attack, endedWell, limitedTo, type Observed, seen, type Tools, trick } from "./attack.ts";
import { enter } from "./honest.ts";

/** A thousand times what a command may have (RFC 5321 4.5.3.1.4): who keeps all of it keeps anything. */
const POUR_BYTES = 1024 * 1024;

const PIECE_BYTES = 16 * 1024;

/** More unanswered commands than any client has, and more errors than any makes. */
const FLOOD = 1000;

/** By the protocol. */
function words(tools: Tools, smtp: string, imap: string): string {
  return tools.plan.protocol === "smtp" ? smtp : imap;
}

/** The objection to a command: 4xx and 5xx, BAD and NO, or the last word. */
const objection = /^(?:[45]\d\d\b|221\b|\S+ (?:BAD|NO)\b|\* BYE\b)/m;

export const lines: readonly Attack[] = [
  trick("early talk", "a command ahead of the greeting", (tools) =>
    early(tools, words(tools, "EHLO client.example.org\r\n", "a NOOP\r\n")),
  ),
  ...limitedTo({ protocols: ["smtp"] }, [
    trick("early talk", "a whole mail ahead of the greeting", (tools) => early(tools, mailOf(tools))),
  ]),
  trick("early talk", "an HTTP request", (tools) => early(tools, "POST / HTTP/1.1\r\nHost: a\r\n\r\n")),
  trick("early talk", "a TLS handshake in the clear", (tools) =>
    early(tools, "\x16\x03\x01\0\xc8\x01\0\0\xc4\x03\x03"),
  ),
  trick("STARTTLS injection", "a command behind STARTTLS", inject),
  trick("endless line", "1 MiB without an end", (tools) => pour(tools, "")),
  trick("endless line", "a command that never ends", (tools) =>
    pour(tools, words(tools, "MAIL FROM:<", 'a LOGIN "')),
  ),
  trick("NUL", "in a command", (tools) => object(tools, words(tools, "NO\0OP\r\n", "a NO\0OP\r\n"))),
  trick("NUL", "behind a command", (tools) => object(tools, words(tools, "NOOP\0\r\n", "a NOOP\0\r\n"))),
  trick("bare newline", "a command that ends with LF alone", (tools) =>
    object(tools, words(tools, "NOOP\n", "a NOOP\n")),
  ),
  trick("bare newline", "a command with CR in it", (tools) =>
    object(tools, words(tools, "NOOP a\rNOOP b\r\n", "a NOOP\rb NOOP\r\n")),
  ),
  trick("flood", `${FLOOD} commands in one flight`, (tools) =>
    flood(tools, words(tools, "NOOP\r\n", "a NOOP\r\n")),
  ),
  trick("flood", `${FLOOD} commands that are none`, (tools) =>
    flood(tools, words(tools, "FOO\r\n", "a FOO\r\n")),
  ),
];

/** In one write with the header, so that it is there before anybody greets. */
async function early(tools: Tools, text: string): Promise<Observed> {
  const contact = await tools.open(Buffer.concat([tools.header(), Buffer.from(text, "latin1")]));
  const isSmtp = tools.plan.protocol === "smtp";
  await contact.hears(isSmtp ? /^(?:250 |[45]\d\d\b|221\b)/m : /^(?:a |\S+ BAD\b|\* BYE\b)/m);
  const isServed = (isSmtp ? /^250 /m : /^a OK\b/m).test(contact.heard);
  if (isServed) return seen(contact, null, "served");
  return seen(contact, objection.test(contact.heard) ? true : endedWell(contact));
}

function mailOf({ plan: { mail } }: Tools): string {
  const recipient = mail.recipient.replace("%d", "1");
  const envelope = `EHLO client.example.org\r\nMAIL FROM:<${mail.sender}>\r\nRCPT TO:<${recipient}>\r\n`;
  return `${envelope}DATA\r\nSubject: early\r\n\r\nearly\r\n.\r\n`;
}

/** What comes in the clear behind STARTTLS must not be answered inside TLS (RFC 3207 6, RFC 9051 6.2.1). */
async function inject(tools: Tools): Promise<Observed> {
  const contact = await tools.open();
  if (!(await contact.greeted())) return seen(contact, null, "not let in");
  if (tools.plan.protocol === "smtp") await contact.ask("EHLO client.example.org");
  const answer = await contact.answer(words(tools, "STARTTLS\r\nNOOP\r\n", "a STARTTLS\r\nb NOOP\r\n"));
  if (!/^(?:220|a OK)/.test(answer)) return seen(contact, answer === "" ? endedWell(contact) : true);
  if (!(await contact.secure())) return seen(contact, endedWell(contact));
  const isAnswered = await contact.hears(/\S/);
  return seen(contact, !isAnswered, isAnswered ? "answered inside TLS" : "forgotten");
}

async function pour(tools: Tools, beginning: string): Promise<Observed> {
  const contact = await enter(tools);
  if ("isWell" in contact) return contact;
  contact.send(beginning);
  const took = await contact.pour(Buffer.alloc(PIECE_BYTES, "a"), POUR_BYTES);
  await contact.hears(objection);
  return seen(contact, objection.test(contact.heard) ? true : endedWell(contact), `${took / 1024} KiB taken`);
}

async function object(tools: Tools, command: string): Promise<Observed> {
  const contact = await enter(tools);
  if ("isWell" in contact) return contact;
  const answer = await contact.answer(command);
  return seen(contact, objection.test(answer) ? true : endedWell(contact));
}

/** Who answers all of them has been patient; who ends it sooner has not. */
async function flood(tools: Tools, command: string): Promise<Observed> {
  const contact = await enter(tools);
  if ("isWell" in contact) return contact;
  contact.send(command.repeat(FLOOD));
  const isAnswered = await contact.hears(/^(?:\d{3}|a) /, FLOOD);
  return seen(contact, isAnswered ? null : endedWell(contact), isAnswered ? "all answered" : "");
}

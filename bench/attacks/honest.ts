/**
 * What an honest client does: the beginning that some attacks need to get to their point, and the session that a target still
 * has to serve when they are over.
 */
import type { Observed, Tools } from "./attack.ts";
import { seen } from "./attack.ts";
import type { Contact } from "./contact.ts";

/** Comes in and introduces itself, in TLS where the plan wants it, and logs in. Where that fails, what was seen. */
export async function enter(tools: Tools): Promise<Contact | Observed> {
  const contact = await tools.open();
  if (!(await contact.greeted())) return seen(contact, null, "not let in");
  const { protocol, tls, login } = tools.plan;
  if (protocol === "imap") return tls === "starttls" ? securedImap(contact) : contact;
  const words = ["EHLO client.example.org"];
  if (tls === "starttls") words.push("STARTTLS", ...words);
  if (login !== null) words.push(`AUTH PLAIN ${base64(`\0${login.user}\0${login.password}`)}`);
  return say(contact, words);
}

async function securedImap(contact: Contact): Promise<Contact | Observed> {
  contact.send("a STARTTLS\r\n");
  await contact.hears(/^a (?:OK|NO|BAD)/m);
  const isTaken = /^a OK/im.test(contact.heard) && (await contact.secure());
  return isTaken ? contact : seen(contact, null, "not played, as STARTTLS was not taken");
}

/** Comes as far as to the recipient of a mail. */
export async function address(tools: Tools): Promise<Contact | Observed> {
  const contact = await enter(tools);
  if ("isWell" in contact) return contact;
  const { sender, recipient } = tools.plan.mail;
  return say(contact, [`MAIL FROM:<${sender}>`, `RCPT TO:<${recipient.replace("%d", "1")}>`]);
}

/** A session without a trick: in, and out again. */
export async function visit(tools: Tools): Promise<Observed> {
  const contact = await enter(tools);
  if ("isWell" in contact) return { ...contact, isWell: false };
  contact.send(tools.plan.protocol === "smtp" ? "QUIT\r\n" : "a LOGOUT\r\n");
  const isServed = await contact.hears(tools.plan.protocol === "smtp" ? /^221/m : /^a OK/m);
  return seen(contact, isServed, isServed ? "served" : "not served");
}

/** Command by command, each of which has to be taken; behind STARTTLS comes the handshake. */
async function say(contact: Contact, commands: readonly string[]): Promise<Contact | Observed> {
  for (const command of commands) {
    const reply = await contact.ask(command);
    const isTaken = reply?.startsWith("2") === true && (command !== "STARTTLS" || (await contact.secure()));
    if (!isTaken) return seen(contact, null, `not played, as ${command.split(" ")[0]} was not taken`);
  }
  return contact;
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

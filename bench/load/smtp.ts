/** What an SMTP client says, and what it makes of the replies (RFC 5321); what a mail consists of is the scenario's. */
import type { Reply } from "../../src/smtp/reply.ts";
import type { Phase } from "./result.ts";
import type { Job } from "./session.ts";

const QUIT = Buffer.from("QUIT\r\n");

/** The next reply, counted by its first line. */
export async function replyTo(job: Job): Promise<Reply> {
  const reply = await job.line.reply();
  job.heard(String(reply.code), reply.texts[0] ?? "");
  return reply;
}

/** Says a command, unless it was said before, and awaits its reply, as one phase. */
export function ask(job: Job, phase: Phase, command: Uint8Array | string): Promise<Reply> {
  return job.phase(phase, () => {
    if (command.length > 0) job.line.send(command);
    return replyTo(job);
  });
}

/** The same, where anything but 2xx ends the session. */
export async function insist(job: Job, phase: Phase, command: Uint8Array | string): Promise<Reply> {
  const reply = await ask(job, phase, command);
  return isTaken(reply) ? reply : refuse(job);
}

/** Ends the session over a refusal, with a goodbye that nobody waits for an answer to. */
export function refuse(job: Job): never {
  job.line.send(QUIT);
  job.refuse();
}

export function isTaken({ code }: Reply): boolean {
  return code >= 200 && code < 300;
}

/** Connects, and hears the greeting. */
export async function greet(job: Job): Promise<void> {
  await job.open();
  const reply = await job.phase("greeting", () => replyTo(job));
  if (!isTaken(reply)) job.turnAway();
}

/** EHLO, in TLS where the plan wants it, and AUTH. Returns the extensions, in capitals. */
export async function introduce(job: Job): Promise<readonly string[]> {
  const { address } = job.client;
  // The name of a client that has none (RFC 5321 4.1.3).
  const hello = `EHLO [${address.family === 4 ? "" : "IPv6:"}${address.text}]\r\n`;
  let reply = await insist(job, "hello", hello);
  if (job.plan.tls === "starttls") {
    await insist(job, "starttls", "STARTTLS\r\n");
    await job.secure();
    reply = await insist(job, "hello", hello);
  }
  const { login } = job.plan;
  if (login !== null) {
    const response = Buffer.from(`\0${login.user}\0${login.password}`).toString("base64");
    await insist(job, "auth", `AUTH PLAIN ${response}\r\n`);
  }
  return reply.texts.slice(1).map((text) => text.toUpperCase());
}

/** Takes leave; the server ends the connection (RFC 5321 4.1.1.10). */
export async function quit(job: Job): Promise<void> {
  await insist(job, "quit", QUIT);
  await job.ended();
}

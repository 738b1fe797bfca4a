/** What an IMAP client says, and how it reads responses (RFC 9051 7), literals included. */
import type { Phase } from "./result.ts";
import type { Job } from "./session.ts";

/** One command at a time is under way, so that one tag does. */
const TAG = "a";

/** A literal is read in such pieces, each under a deadline. */
const PIECE_BYTES = 1024 * 1024;

/** A mail as a literal, or, short as it may be, quoted; not NIL. */
const BODY = /[ (]BODY\[\] [{"]/i;

/** Connects, and hears the greeting. */
export async function greet(job: Job): Promise<void> {
  await job.open();
  const status = await job.phase("greeting", async () => {
    const line = await job.line.line();
    const [, status, text] = /^\* (OK|PREAUTH|BYE) (.*)$/is.exec(line) ?? [];
    if (status === undefined || text === undefined) return job.garbled();
    job.heard(status.toUpperCase(), text);
    return status.toUpperCase();
  });
  if (status === "BYE") job.turnAway();
}

/** Says a command and awaits its completion, as one phase; `heard` is told each untagged line. NO and BAD end the session. */
function command(job: Job, phase: Phase, words: string, heard?: (line: string) => void): Promise<void> {
  return job.phase(phase, async () => {
    job.line.send(`${TAG} ${words}\r\n`);
    await responses(job, "completion", heard);
  });
}

/** Reads responses up to the one that completes the command, or asks for more of it. */
async function responses(
  job: Job,
  last: "completion" | "continuation",
  heard: (line: string) => void = () => {},
): Promise<void> {
  for (;;) {
    const line = await job.line.line();
    const [, status, text] = /^a (OK|NO|BAD) ?(.*)$/is.exec(line) ?? [];
    if (status !== undefined && text !== undefined) {
      job.heard(status.toUpperCase(), text);
      return status.toUpperCase() === "OK" ? undefined : job.refuse();
    }
    if (last === "continuation" && line.startsWith("+")) return;
    if (!line.startsWith("* ")) return job.garbled();
    if (/^\* BYE /i.test(line) && job.current !== "quit") {
      job.heard("BYE", line.slice("* BYE ".length));
      job.refuse();
    }
    heard(line);
    await restOf(job, line);
  }
}

/** What a literal continues (RFC 9051 4.3): forgotten, the lines between as well. */
async function restOf(job: Job, first: string): Promise<void> {
  for (let line = first; ; line = await job.line.line()) {
    const [, octets] = /\{(\d{1,10})\}$/.exec(line) ?? [];
    if (octets === undefined) return;
    for (let left = Number(octets); left > 0; left -= PIECE_BYTES)
      await job.line.discard(Math.min(left, PIECE_BYTES));
  }
}

/** TLS where the plan wants it, login where it has one, and the inbox. */
export async function enter(job: Job): Promise<void> {
  const { tls, login } = job.plan;
  if (tls === "starttls") {
    await command(job, "starttls", "STARTTLS");
    await job.secure();
  }
  if (login !== null) await command(job, "login", `LOGIN ${quoted(login.user)} ${quoted(login.password)}`);
  await command(job, "select", "SELECT INBOX");
}

/** The mailbox's first mail, whole. Nothing of it is kept; without one the session is over. */
export async function fetch(job: Job): Promise<void> {
  let isThere = false;
  await command(job, "fetch", "FETCH 1 BODY.PEEK[]", (line) => {
    isThere ||= BODY.test(line);
  });
  if (!isThere) job.refuse();
  job.tally.counts.messages++;
}

/** Waits for so long to be told of what is new (RFC 9051 6.3.13), or until the run ends. */
export function idle(job: Job, milliseconds: number): Promise<void> {
  return job.phase("idle", async () => {
    const { line } = job;
    line.send(`${TAG} IDLE\r\n`);
    await responses(job, "continuation");
    await line.hold(milliseconds);
    line.send("DONE\r\n");
    await responses(job, "completion");
  });
}

/** RFC 9051 4.3. */
function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/** Takes leave; the server ends the connection (RFC 9051 6.1.3). */
export async function logout(job: Job): Promise<void> {
  await command(job, "quit", "LOGOUT");
  await job.ended();
}

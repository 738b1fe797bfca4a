/** Whole sessions that hand in mails: every command a phase of its own, several of them in one flight where that is offered. */
import { piecesOf } from "../message.ts";
import type { MailPlan } from "../plan.ts";
import type { Finding } from "../result.ts";
import type { Recipe } from "../scenario.ts";
import type { Job } from "../session.ts";
import { ask, greet, insist, introduce, isTaken, quit, refuse, replyTo } from "../smtp.ts";

/** All that is said of a mail, ready to be written: the same in every session. */
interface Letter {
  readonly mail: string;
  readonly recipients: readonly string[];
  readonly data: readonly Uint8Array[];
  readonly chunk: readonly Uint8Array[];
}

const DATA = "DATA\r\n";

/** What was asked for and a target may not offer, and what is done in its place. */
const WAYS = [
  { option: "chunking", extension: "CHUNKING", instead: "DATA" },
  { option: "pipelining", extension: "PIPELINING", instead: "one command after the other" },
] as const;

export const smtp: Recipe = {
  prepare: ({ plan }) => {
    const letter = letterOf(plan.mail);
    return {
      session: async (job) => {
        await greet(job);
        const extensions = await introduce(job);
        for (const { option, extension } of WAYS)
          if (plan.mail[option] && !extensions.includes(extension)) job.tally.note(`no ${extension}`);
        const ways = {
          isPipelined: plan.mail.pipelining && extensions.includes("PIPELINING"),
          isChunked: plan.mail.chunking && extensions.includes("CHUNKING"),
        };
        for (let message = 0; message < plan.mail.messages; message++) await handIn(job, letter, ways);
        await quit(job);
      },
    };
  },
  findings: (_plan, { notes }): Finding[] =>
    WAYS.flatMap(({ option, extension, instead }) => {
      const sessions = notes.get(`no ${extension}`) ?? 0;
      const outcome = `${instead} in its place, in ${sessions} session${sessions === 1 ? "" : "s"}`;
      return sessions === 0 ? [] : [{ what: `--${option}, which was not offered`, outcome, isWell: null }];
    }),
};

function letterOf({ sender, recipient, recipients, sizeBytes }: MailPlan): Letter {
  return {
    mail: `MAIL FROM:<${sender}>\r\n`,
    recipients: Array.from(
      { length: recipients },
      (_, index) => `RCPT TO:<${recipient.replace("%d", String(index + 1))}>\r\n`,
    ),
    data: piecesOf(sender, sizeBytes, ["", ".\r\n"]),
    chunk: piecesOf(sender, sizeBytes, [`BDAT ${sizeBytes} LAST\r\n`, ""]),
  };
}

/** One mail. It goes on without the recipients that are refused, as long as there is one. */
async function handIn(
  job: Job,
  { mail, recipients, data, chunk }: Letter,
  { isPipelined, isChunked }: { readonly isPipelined: boolean; readonly isChunked: boolean },
): Promise<void> {
  const start = isChunked ? "" : DATA;
  await insist(job, "mail", isPipelined ? mail + recipients.join("") + start : mail);
  let taken = 0;
  for (const recipient of recipients)
    if (isTaken(await ask(job, "rcpt", isPipelined ? "" : recipient))) taken++;
  if (taken === 0) refuse(job);
  await job.phase("data", async () => {
    if (!isChunked) await begin(job, isPipelined ? "" : start);
    await upload(job, isChunked ? chunk : data);
  });
  await insist(job, "final", "");
  job.tally.counts.messages++;
}

async function begin(job: Job, command: string): Promise<void> {
  job.line.send(command);
  const { code } = await replyTo(job);
  if (code !== 354) refuse(job);
}

/** As fast as the target takes it: each piece waits until the kernel has the one before, for the step's time at most. */
async function upload({ line }: Job, pieces: readonly Uint8Array[]): Promise<void> {
  for (const piece of pieces) {
    line.send(piece);
    await line.drained();
  }
}

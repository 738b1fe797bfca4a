/** Few sessions with large mails, handed in or fetched: what counts is how fast the bytes go. */
import * as imap from "../imap.ts";
import type { Recipe, Session } from "../scenario.ts";
import { smtp } from "./smtp.ts";

export const bulk: Recipe = {
  prepare: (stage) => (stage.plan.protocol === "smtp" ? smtp.prepare(stage) : { session: download }),
  findings: (plan, tally, seconds) => smtp.findings?.(plan, tally, seconds) ?? [],
};

/** The mailbox's first mail, so many times. */
const download: Session = async (job) => {
  await imap.greet(job);
  await imap.enter(job);
  for (let message = 0; message < job.plan.mail.messages; message++) await imap.fetch(job);
  await imap.logout(job);
};

/** What a mail program does when it is opened: it logs in, fetches mails, and waits for new ones where the plan wants it. */
import { enter, fetch, greet, idle, logout } from "../imap.ts";
import type { Recipe } from "../scenario.ts";

export const imap: Recipe = {
  prepare: ({ plan }) => ({
    session: async (job) => {
      await greet(job);
      await enter(job);
      for (let message = 0; message < plan.mail.messages; message++) await fetch(job);
      if (plan.idleMs > 0) await idle(job, plan.idleMs);
      await logout(job);
    },
  }),
};

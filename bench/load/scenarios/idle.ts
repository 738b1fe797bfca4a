/** Sessions that are opened, held and ended in peace: what counts is how many there can be, and what one costs. */
import * as imap from "../imap.ts";
import type { Recipe } from "../scenario.ts";
import * as smtp from "../smtp.ts";

export const idle: Recipe = {
  prepare: ({ plan }) => ({
    session: async (job) => {
      if (plan.protocol === "smtp") {
        await smtp.greet(job);
        await smtp.introduce(job);
        // Until the run ends, if that is sooner.
        await job.phase("idle", () => job.line.hold(plan.idleMs));
        await smtp.quit(job);
      } else {
        await imap.greet(job);
        await imap.enter(job);
        await imap.idle(job, plan.idleMs);
        await imap.logout(job);
      }
    },
  }),
};

/** The shortest session there is: greeting and goodbye. What it costs is what connections cost. */
import * as imap from "../imap.ts";
import type { Recipe } from "../scenario.ts";
import * as smtp from "../smtp.ts";

export const churn: Recipe = {
  prepare: ({ plan }) => ({
    session: async (job) => {
      if (plan.protocol === "smtp") {
        await smtp.greet(job);
        await smtp.quit(job);
      } else {
        await imap.greet(job);
        await imap.logout(job);
      }
    },
  }),
};

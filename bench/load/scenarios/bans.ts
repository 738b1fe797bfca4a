/**
 * A population of which some are banned: who is turned away, who should not have been, and how fast the banned go. The plan
 * says who is known to be banned; the target is told by others.
 */
import { Networks } from "../../../src/address.ts";
import type { Plan } from "../plan.ts";
import type { Finding } from "../result.ts";
import type { Recipe } from "../scenario.ts";
import type { Job } from "../session.ts";
import type { Tally } from "../tally.ts";
import { churn } from "./churn.ts";
import { fatesOf, note, refusalOf, wordsFor } from "./refusals.ts";

const BANNED = "the banned";
const OTHERS = "others";

/** Some targets drop the banned without an end; who waits in vain for a greeting was not let in. */
function silenceOf({ current, fault }: Pick<Job, "current" | "fault">): string | null {
  return current === "greeting" && fault === "timeout" ? "silence" : null;
}

export const bans: Recipe = {
  prepare: (stage) => {
    const banned = new Networks(stage.plan.banned);
    return {
      ...churn.prepare(stage),
      ended: (job, outcome) => {
        const who = banned.contains(job.client.address) ? BANNED : OTHERS;
        note(job.tally, who, outcome, refusalOf(job, outcome) ?? silenceOf(job));
      },
    };
  },
  findings: (_plan: Plan, { notes }: Tally, seconds: number): Finding[] => {
    const banned = fatesOf(notes, BANNED);
    const others = fatesOf(notes, OTHERS);
    return [
      {
        what: "banned, turned away",
        outcome: `${banned.out} of ${banned.of}`,
        isWell: banned.of === 0 ? null : banned.out === banned.of,
      },
      {
        what: "others, wrongly turned away",
        outcome: `${others.out} of ${others.of}`,
        isWell: others.of === 0 ? null : others.out === 0,
      },
      {
        what: "banned, turned away each second",
        outcome: (banned.out / seconds).toFixed(1),
        isWell: null,
      },
      ...wordsFor(notes, BANNED),
      ...wordsFor(notes, OTHERS),
    ];
  },
};

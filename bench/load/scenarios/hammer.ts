/**
 * Some clients go over their limit, the others do what they always do: at which try the target begins to refuse, in which
 * words, and whether the others notice.
 *
 * An offender opens one session after the other as soon as the one before is greeted or refused, and holds what it has until
 * its last try, so that limits on the number of sessions are met as well as limits on their rate. Before that there is a
 * while of calm, which the others' times are held against.
 */
import { setTimeout as sleep } from "node:timers/promises";
import * as imap from "../imap.ts";
import type { Plan } from "../plan.ts";
import type { Finding } from "../result.ts";
import type { Recipe, Stage } from "../scenario.ts";
import type { Job, Outcome } from "../session.ts";
import * as smtp from "../smtp.ts";
import type { Notes, Tally } from "../tally.ts";
import { churn } from "./churn.ts";
import { fatesOf, note, refusalOf, wordsFor } from "./refusals.ts";

const OFFENDERS = "offenders";
const OTHERS = "others";

/** The calm's part of the run, and the most of it: enough for the hundreds of sessions that a 99th percentile needs. */
const CALM_SHARE = 1 / 4;
const CALM_MS_MAX = 10_000;

/** Notes: how many offenders there were, and for how many of them a try was the first that was refused. */
const OFFENDER = "offender";
const FIRST_REFUSAL = "first refusal at try ";

/** - `calm`: nobody offends yet. - `hammered`: offenders have tries left, or sessions. - `over`: they are through. */
type Stretch = "calm" | "hammered" | "over";

interface Offender {
  /** Its tries so far. */
  tries: number;
  isRefused: boolean;
}

export const hammer: Recipe = {
  reserved: (plan) => plan.hammer.offenders,
  prepare: (stage) => {
    const hammering = new Hammering(stage);
    return {
      ...churn.prepare(stage),
      beside: () => hammering.run(),
      ended: (job, outcome) => hammering.ended(job, outcome),
    };
  },
  findings: (_plan: Plan, tally: Tally): Finding[] => [
    ...limitFindings(tally.notes),
    ...wordsFor(tally.notes, OFFENDERS),
    ...othersFindings(tally),
    ...wordsFor(tally.notes, OTHERS),
  ],
};

class Hammering {
  readonly #stage: Stage;
  /** This thread's, by their places in the population. */
  readonly #offenders = new Map<number, Offender>();
  #stretch: Stretch = "calm";

  constructor(stage: Stage) {
    const { clients, share } = stage;
    this.#stage = stage;
    for (let index = share.thread; index < clients.reserved; index += share.threads)
      this.#offenders.set(index, { tries: 0, isRefused: false });
  }

  async run(): Promise<void> {
    const { plan, signal, tally } = this.#stage;
    const calmMs = Math.min(plan.durationMs * CALM_SHARE, CALM_MS_MAX);
    // The run may end before.
    await sleep(calmMs, null, { signal }).catch(() => {});
    if (signal.aborted) return;
    this.#stretch = "hammered";
    tally.note(OFFENDER, this.#offenders.size);
    await Promise.all([...this.#offenders].map(([index, offender]) => this.#offend(index, offender)));
    this.#stretch = "over";
  }

  ended(job: Job, outcome: Outcome): void {
    const { tally, client } = job;
    const refusal = refusalOf(job, outcome);
    const offender = this.#offenders.get(client.index);
    note(tally, offender === undefined ? OTHERS : OFFENDERS, outcome, refusal);
    if (offender === undefined) {
      if (outcome === "done") tally.aside(this.#stretch, job.nowMs - job.dueMs);
    } else if (refusal !== null && !offender.isRefused) {
      offender.isRefused = true;
      // No try begins before the one in front of it was greeted or refused, so that it is this one.
      tally.note(`${FIRST_REFUSAL}${offender.tries}`);
    }
  }

  async #offend(index: number, offender: Offender): Promise<void> {
    const { clients, plan, signal, run } = this.#stage;
    const [greet, leave] = plan.protocol === "smtp" ? [smtp.greet, smtp.quit] : [imap.greet, imap.logout];
    const through = Promise.withResolvers<void>();
    const sessions: Promise<void>[] = [];
    while (offender.tries < plan.hammer.tries && !signal.aborted) {
      offender.tries++;
      const answered = Promise.withResolvers<void>();
      const session = async (job: Job) => {
        await greet(job);
        answered.resolve();
        await through.promise;
        await leave(job);
      };
      sessions.push(run(clients.at(index, offender.tries), session).then(() => answered.resolve()));
      await answered.promise;
    }
    through.resolve();
    await Promise.all(sessions);
  }
}

function limitFindings(notes: Notes): Finding[] {
  const { done, of } = fatesOf(notes, OFFENDERS);
  const offenders = notes.get(OFFENDER) ?? 0;
  const tries = [...notes]
    .filter(([what]) => what.startsWith(FIRST_REFUSAL))
    .flatMap(([what, count]) => Array<number>(count).fill(Number(what.slice(FIRST_REFUSAL.length))))
    .sort((a, b) => a - b);
  const [least, median, most] = [tries.at(0), tries[(tries.length - 1) >> 1], tries.at(-1)];
  return [
    { what: "offenders' sessions that passed", outcome: `${done} of ${of}`, isWell: null },
    {
      what: "offenders refused",
      outcome: `${tries.length} of ${offenders}`,
      isWell: offenders === 0 ? null : tries.length === offenders,
    },
    {
      what: "first refusal, by tries",
      outcome:
        least === undefined ? "none" : `${least} at the least, ${median} in the median, ${most} at the most`,
      isWell: null,
    },
  ];
}

function othersFindings(tally: Tally): Finding[] {
  const { out, of } = fatesOf(tally.notes, OTHERS);
  const p99 = (stretch: Stretch) => {
    const latency = tally.asideLatency(stretch);
    return latency === null ? "none" : `${(latency.p99Us / 1000).toFixed(1)} ms of ${latency.count}`;
  };
  return [
    { what: "others turned away", outcome: `${out} of ${of}`, isWell: of === 0 ? null : out === 0 },
    {
      what: "others' p99, in calm and while hammered",
      outcome: `${p99("calm")}, ${p99("hammered")}`,
      isWell: null,
    },
  ];
}

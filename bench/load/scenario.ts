/**
 * What a scenario is, and which there are. A scenario says what happens in one session; when sessions begin, how many there
 * are and how they are counted is not its business, unless it says so.
 */
import type { Client, Clients, Share } from "./clients.ts";
import type { Plan, Scenario } from "./plan.ts";
import type { Finding } from "./result.ts";
import { attack } from "./scenarios/attack.ts";
import { bans } from "./scenarios/bans.ts";
import { bulk } from "./scenarios/bulk.ts";
import { churn } from "./scenarios/churn.ts";
import { hammer } from "./scenarios/hammer.ts";
import { idle } from "./scenarios/idle.ts";
import { imap } from "./scenarios/imap.ts";
import { smtp } from "./scenarios/smtp.ts";
import type { Job, Outcome } from "./session.ts";
import type { Tally } from "./tally.ts";

/** A thread, as a scenario sees it. */
export interface Stage {
  readonly plan: Plan;
  readonly share: Share;
  readonly clients: Clients;
  /**
   * Runs one session more, beside those of the pace, from this client; null when the run has ended, and nothing is begun
   * any more.
   */
  run(client: Client, session: Session): Promise<Outcome | null>;
  /** Aborted when nothing is begun any more. */
  readonly signal: AbortSignal;
  readonly tally: Tally;
}

/** It returns when all went as it should; everything else is thrown by the job and by its line. */
export type Session = (job: Job) => Promise<void>;

export interface Play {
  /** One of the sessions that begin at the plan's pace. */
  readonly session: Session;
  /** Sessions at a pace of their own: called once, when the first of the others is due. The run waits for its end. */
  readonly beside?: () => Promise<void>;
  /** Hears of every session when it has ended. */
  readonly ended?: (job: Job, outcome: Outcome) => void;
}

export interface Recipe {
  /** What of the plan it does not leave to others. */
  readonly shape?: (plan: Plan) => Plan;
  /** How many clients come only where `run` has them: those whose places in the population are the first. */
  readonly reserved?: (plan: Plan) => number;
  /** In each thread, before its first session. */
  readonly prepare: (stage: Stage) => Play;
  /** What the threads' tallies, as one, say. */
  readonly findings?: (plan: Plan, tally: Tally, seconds: number) => Finding[];
}

export const recipes: Readonly<Record<Scenario, Recipe>> = {
  smtp,
  imap,
  churn,
  bulk,
  idle,
  hammer,
  attack,
  bans,
};

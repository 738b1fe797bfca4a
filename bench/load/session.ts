/**
 * One session: what a scenario is given to hold it with, and how it comes to its end. Whatever a target does ends here as a
 * count; only our own mistakes are thrown further.
 */
import type { Clock } from "../../src/clock.ts";
import type { Client } from "./clients.ts";
import { Fault, type Line } from "./line.ts";
import type { Plan } from "./plan.ts";
import type { FaultKind, Phase } from "./result.ts";
import type { Tally } from "./tally.ts";

/** - `done`: it went as it should. `turnedAway`: by the target's greeting. `failed`: by a fault. */
export type Outcome = "done" | "turnedAway" | "failed";

export interface JobOptions {
  readonly plan: Plan;
  readonly client: Client;
  /** When it was meant to begin, by `clock`. */
  readonly dueMs: number;
  readonly clock: Clock;
  readonly line: Line;
  readonly tally: Tally;
}

/** As it is counted: see `ReplyCount`. */
interface JobReply {
  readonly code: string;
  readonly text: string;
}

/** Thrown where the target's greeting is a refusal. */
class TurnedAway {}

export class Job {
  readonly plan: Plan;
  readonly client: Client;
  readonly line: Line;
  readonly tally: Tally;
  readonly dueMs: number;
  readonly #clock: Clock;
  #phase: Phase = "connect";
  #reply: JobReply | null = null;
  #fault: FaultKind | null = null;

  constructor({ plan, client, dueMs, clock, line, tally }: JobOptions) {
    this.plan = plan;
    this.client = client;
    this.dueMs = dueMs;
    this.line = line;
    this.tally = tally;
    this.#clock = clock;
  }

  /** What it is at, or where it ended. */
  get current(): Phase {
    return this.#phase;
  }

  /** The last that was heard. */
  get reply(): JobReply | null {
    return this.#reply;
  }

  /** What ended it, if that was a fault. */
  get fault(): FaultKind | null {
    return this.#fault;
  }

  get nowMs(): number {
    return this.#clock.milliseconds();
  }

  /** Has the step timed; one that ends in a fault is not. */
  async phase<Value>(phase: Phase, step: () => Promise<Value>): Promise<Value> {
    this.#phase = phase;
    const beganMs = this.nowMs;
    const value = await step();
    this.tally.time(phase, this.nowMs - beganMs);
    return value;
  }

  /** Connects, says the PROXY header, and begins TLS where it comes first. */
  async open(): Promise<void> {
    await this.phase("connect", () => this.line.open());
    if (this.plan.tls === "implicit") await this.secure();
  }

  secure(): Promise<void> {
    return this.phase("tls", () => this.line.secure());
  }

  /** Waits for the target's own end of the connection. */
  ended(): Promise<void> {
    return this.phase("close", () => this.line.ended());
  }

  /** Counts a reply, in the phase that it came in. */
  heard(code: string, text: string): void {
    this.#reply = { code, text };
    this.tally.reply(this.#phase, code, text);
  }

  /** Counts what has ended it. */
  failed(fault: FaultKind): void {
    this.#fault = fault;
    this.tally.fault(this.#phase, fault);
  }

  /** Ends the session: the target does not want this client. */
  turnAway(): never {
    throw new TurnedAway();
  }

  /** Ends the session: what came is no answer in this protocol. */
  garbled(): never {
    throw new Fault("protocol");
  }

  /** Ends the session: what it was for has been refused. */
  refuse(): never {
    throw new Fault("reply");
  }
}

/** From its beginning to its end, which is counted; the line is closed then. */
export async function runSession(session: (job: Job) => Promise<void>, job: Job): Promise<Outcome> {
  const { tally } = job;
  tally.counts.begun++;
  let outcome: Outcome = "done";
  try {
    await session(job);
    tally.time("session", job.nowMs - job.dueMs);
  } catch (thrown) {
    outcome = outcomeOf(thrown, job);
  }
  job.line.close();
  tally.counts[outcome]++;
  return outcome;
}

function outcomeOf(thrown: unknown, job: Job): Outcome {
  if (thrown instanceof TurnedAway) return "turnedAway";
  if (!(thrown instanceof Fault)) throw thrown;
  job.failed(thrown.kind);
  return "failed";
}

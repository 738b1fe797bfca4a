/**
 * LAPI's decision stream: all decisions at first, then what has changed since, for as long as that can be relied upon.
 *
 * It owns the order of the polls and what is known of their success. What is asked, how answers are read and where the list is
 * kept are handed in; it has no timer: `poll` says when it wants to be called again. Nothing of an answer is applied before all
 * of it was read and found well-formed, so the list is always one that LAPI once had.
 *
 * LAPI itself remembers how far each bouncer has read, and only by the bouncer's key. So changes may be lost in ways that
 * nobody notices (an answer that LAPI thinks was read, another bouncer with the same key), and everything is asked for after
 * any doubt, and once in an hour. The stream is never asked by HEAD: to LAPI 1.4.6 that is as good as having read it.
 */
import type { Clock } from "../clock.ts";
import { type Changes, type Ignored, Intake, type IntakeTerms, shown } from "./intake.ts";
import type { Fault, FaultKind } from "./lapi.ts";
import type { CrowdsecOptions } from "./options.ts";
import { Scanner } from "./scan.ts";

/** By AS and by country nobody can be banned here; whoever tries is to be told. */
const SCOPES = "ip,range,as,country";

/** A LAPI that starts is there within seconds. */
const BACK_OFF_MS_MIN = 1000;

/** What it costs to ask in vain once a minute is nothing, and a minute is soon over. */
const BACK_OFF_MS_MAX = 60_000;

/** What was lost unnoticed is missed for this long at most. */
const FULL_INTERVAL_MS = 3_600_000;

/**
 * When everything is asked for a second time: after the first, since another gateway with our key may have been told some of
 * our news while it was about to end, and after an answer that lifted most bans, since LAPI may have been in trouble.
 */
const FULL_AGAIN_MS = 300_000;

/** Two short answers say the same where their numbers differ by no more: in an interval some decisions come and go. */
const AGREEMENT = 0.1;

/** No clock is slewed as far as this between two polls: it was set, or the machine slept. */
const JUMP_MS_MAX = 5000;

/** No thread is that busy: it was stopped, or the machine was. */
const LATE_MS_MAX = 60_000;

/** Bouncers that were started together are not to ask together for ever. */
const JITTER = 0.1;

/** Of those told of as overruled, so many are remembered, the oldest forgotten first. */
const TOLD_MAX = 10_000;

/** Why a decision is left out without a word: that is how things are meant to be. */
const unremarkable: ReadonlySet<string> = new Set(["expired", "other-type"]);

/** The list that is enforced. */
export interface Live {
  /** Decisions that have not expired. */
  readonly size: number;
  /** A collection of changes to the list or, full, of all that there is; it has nothing in it yet. */
  changes(isFull: boolean): Changes;
  /** False: the list would hold more than it can, and stays as it is. */
  apply(changes: Changes): boolean;
}

export interface StreamTerms extends Omit<IntakeTerms, "told"> {
  readonly options: Pick<CrowdsecOptions, "updateFrequencyMs" | "origins">;
  /** As `Lapi.stream`. */
  fetch(path: string, take: (chunk: Uint8Array) => boolean): Promise<Fault | null>;
  readonly live: Live;
  readonly clock: Clock;
  /** The time of day, as `Date.now()`. */
  wallMs(): number;
  /** From 0 to below 1. */
  random(): number;
  log(level: "info" | "warn", event: string, fields: Readonly<Record<string, unknown>>): void;
}

/** For the metrics. */
export interface StreamStatus {
  /** When the last answer was taken, by the clock; null: none ever was. */
  readonly lastUpdateMs: number | null;
  readonly errors: Readonly<Partial<Record<FaultKind, number>>>;
  /** Decisions that were left out, by why. */
  readonly ignored: Readonly<Record<string, number>>;
}

export class DecisionStream {
  readonly #terms: StreamTerms;
  readonly #query: string;
  readonly #told = new Set<number>();
  /** The kinds of ignored decisions that the log has. */
  readonly #namedKinds = new Set<string>();
  readonly #errors: Partial<Record<FaultKind, number>> = {};
  readonly #ignored: Record<string, number> = {};
  #lastUpdateMs: number | null = null;
  /** What is enforced may not be what LAPI has. */
  #isDoubtful = true;
  /** Doubt was cast on it while an answer was under way, which therefore does not end it. */
  #isDoubtedAnew = false;
  /** So many decisions were in the last full answer, which was too short to be believed; null: it was not. */
  #heldBack: number | null = null;
  /** Polls that failed in a row, and the kinds of trouble that the log has of them. */
  #missed = 0;
  readonly #troubles = new Set<FaultKind>();
  /** When the next poll is due, and the next full one. */
  #dueMs = Number.POSITIVE_INFINITY;
  #fullDueMs = Number.POSITIVE_INFINITY;
  /** How far the time of day was ahead of the clock when the last answer was taken. */
  #aheadMs = 0;

  constructor(terms: StreamTerms) {
    this.#terms = terms;
    const { origins } = terms.options;
    // With a filter LAPI hides a decision behind a longer one that the filter leaves out, unless it is told not to.
    const filter = `&origins=${origins.map(encodeURIComponent).join(",")}&dedup=false`;
    this.#query = `scopes=${SCOPES}${origins.length === 0 ? "" : filter}`;
  }

  get status(): StreamStatus {
    return {
      lastUpdateMs: this.#lastUpdateMs,
      errors: { ...this.#errors },
      ignored: { ...this.#ignored },
    };
  }

  /** Somebody else may have been told what was meant for us: the next question is for everything. */
  doubt(): void {
    this.#isDoubtedAnew = true;
  }

  /** Asks once, and gives how long to wait before the next time. */
  async poll(): Promise<number> {
    const { clock, fetch, live } = this.#terms;
    this.#isDoubtful ||= this.#isDoubtedAnew || this.#isOverdue();
    this.#isDoubtedAnew = false;
    const isFull = this.#isDoubtful;
    const intake = new Intake({ ...this.#terms, told: this.#told }, live.changes(isFull), isFull);
    let nowSeconds = 0;
    const scanner = new Scanner((list, raw) => intake.take(list, raw, nowSeconds));
    const fault = await fetch(`/v1/decisions/stream?startup=${isFull}&${this.#query}`, (chunk) => {
      nowSeconds = clock.seconds();
      return scanner.feed(chunk);
    });
    const waitMs = this.#conclude(fault ?? flawOf(scanner, intake), intake, isFull);
    this.#dueMs = clock.milliseconds() + waitMs;
    return waitMs;
  }

  /** Whether the time alone makes it doubtful what has been read so far. */
  #isOverdue(): boolean {
    const nowMs = this.#terms.clock.milliseconds();
    if (nowMs > this.#fullDueMs || nowMs > this.#dueMs + LATE_MS_MAX) return true;
    return Math.abs(this.#terms.wallMs() - nowMs - this.#aheadMs) > JUMP_MS_MAX;
  }

  #conclude(fault: Fault | null, intake: Intake, isFull: boolean): number {
    if (fault !== null) return this.#miss(fault);
    const isShort = isFull && intake.added * 2 < this.#terms.live.size;
    const isTaken = !isShort || this.#isConfirmed(intake);
    if (isTaken && !this.#apply(intake, isFull)) return this.#miss(tooLarge);
    this.#recover();
    const isUncertain = isShort || this.#lastUpdateMs === null;
    if (isTaken) this.#take(intake, isFull && (isUncertain ? FULL_AGAIN_MS : FULL_INTERVAL_MS));
    return this.#jittered(this.#terms.options.updateFrequencyMs);
  }

  /** No new list is made where nothing is new. */
  #apply({ changes, added, removed }: Intake, isFull: boolean): boolean {
    return (!isFull && added + removed === 0) || this.#terms.live.apply(changes);
  }

  #miss({ failed, detail }: Fault): number {
    this.#missed++;
    this.#heldBack = null;
    this.#errors[failed] = (this.#errors[failed] ?? 0) + 1;
    this.#isDoubtful ||= this.#missed > 1 || !harmless.has(failed);
    if (!this.#troubles.has(failed)) this.#terms.log("warn", "lapi-failed", { kind: failed, detail });
    this.#troubles.add(failed);
    return this.#jittered(Math.min(BACK_OFF_MS_MAX, BACK_OFF_MS_MIN * 2 ** (this.#missed - 1)));
  }

  #recover(): void {
    if (this.#missed > 0) this.#terms.log("info", "lapi-recovered", { missed: this.#missed });
    this.#missed = 0;
    this.#troubles.clear();
  }

  /**
   * Where LAPI fails in the midst of an answer it may close it neatly, as if that were all. So one that would lift most bans is
   * believed when the one before it said the same.
   */
  #isConfirmed({ added }: Intake): boolean {
    const before = this.#heldBack;
    this.#heldBack = added;
    if (before !== null && Math.abs(added - before) <= AGREEMENT * Math.max(added, before)) return true;
    this.#terms.log("warn", "decisions-shrunk", { decisions: added, before: this.#terms.live.size });
    return false;
  }

  /** `fullInMs`: when everything is to be asked for again, if this was everything. */
  #take(intake: Intake, fullInMs: number | false): void {
    const { clock, live, log } = this.#terms;
    const nowMs = clock.milliseconds();
    this.#lastUpdateMs = nowMs;
    this.#aheadMs = this.#terms.wallMs() - nowMs;
    this.#isDoubtful = false;
    this.#heldBack = null;
    if (fullInMs !== false) {
      this.#fullDueMs = nowMs + this.#jittered(fullInMs);
      log("info", "decisions-loaded", { decisions: live.size });
    }
    for (const [kind, ignored] of intake.ignored) this.#tellIgnored(kind, ignored);
    this.#tellOverruled(intake);
  }

  #tellIgnored(kind: string, { count, example }: Ignored): void {
    this.#ignored[kind] = (this.#ignored[kind] ?? 0) + count;
    if (this.#namedKinds.has(kind) || unremarkable.has(kind)) return;
    this.#namedKinds.add(kind);
    this.#terms.log("warn", "decision-ignored", { kind, example, count });
  }

  #tellOverruled({ overruled, overruledMore }: Intake): void {
    const { log } = this.#terms;
    for (const { id, origin, scenario, network } of overruled) {
      const [oldest] = this.#told;
      if (this.#told.size === TOLD_MAX && oldest !== undefined) this.#told.delete(oldest);
      this.#told.add(id);
      log("warn", "decision-overruled", {
        id,
        origin: shown(origin),
        scenario: shown(scenario),
        network: `${network.address.text}/${network.length}`,
      });
    }
    if (overruledMore > 0) log("warn", "decisions-overruled", { more: overruledMore });
  }

  #jittered(ms: number): number {
    return ms * (1 + JITTER * (2 * this.#terms.random() - 1));
  }
}

/**
 * After these LAPI cannot think that its answer was read. All the others leave it open: even a status may come from a proxy
 * that LAPI's answer came too late for.
 */
const harmless: ReadonlySet<FaultKind> = new Set(["unreachable", "forbidden"]);

const tooLarge: Fault = { failed: "too-large", detail: "decisions" };

/** What is wrong with an answer that has come to its end. */
function flawOf(scanner: Scanner, intake: Intake): Fault | null {
  const ending = scanner.end();
  if (ending !== "complete") return { failed: ending, detail: "body" };
  return intake.isTooLarge ? tooLarge : null;
}

/**
 * Alerts, pushed to LAPI by machine login: what only the edge can know of a client, for the administrator's profiles to
 * decide upon. It never sends a decision: those would be taken as they are, whatever LAPI's allowlists say.
 *
 * It owns the alerts that LAPI has not taken yet, a bounded number for a bounded time, and is driven by `tick`. When LAPI
 * is away, it asks less and less often.
 */
import type { Address } from "../address.ts";
import { hasStatus, type Tell, Trouble } from "./exchange.ts";
import { Machine, type MachineTerms } from "./machine.ts";
import type { Signal } from "./signals.ts";
import { type Finding, QUIET_SECONDS, Suspects, scenarios } from "./suspects.ts";

/** Alerts that wait. They are sent together, some 100 KiB. */
const WAITING_MAX = 100;

/** Older ones are of no use: who has gone on has raised another by now, and who has not is not to be banned so late. */
const WAITING_MAX_MS = 2 * QUIET_SECONDS * 1000;

/** What is wrong with the request itself will be so the next time. (LAPI 1.4.6 says 500 instead, as for its own faults.) */
const NEVER_TAKEN: readonly number[] = [400, 413, 422];

/** LAPI takes a machine for dead after two minutes without. */
const HEARTBEAT_MS = 60_000;

/** A LAPI that is started anew is there within seconds; a heartbeat a minute is no burden to one that is in trouble. */
const RETRY_MIN_MS = 2000;
const RETRY_MAX_MS = HEARTBEAT_MS;

export interface AlertTerms extends Omit<MachineTerms, "scenarios"> {
  /** Whom no alert may concern; loopback and private addresses need not be among them. */
  isProtected(client: Address): boolean;
  /** From 0 to 1. */
  random(): number;
  readonly log: Tell;
}

interface Waiting {
  readonly finding: Finding;
  readonly alert: object;
  readonly sinceMs: number;
}

export class Alerts {
  readonly #terms: AlertTerms;
  readonly #machine: Machine;
  readonly #suspects: Suspects;
  readonly #trouble: Trouble;
  #waiting: Waiting[] = [];
  #lost = 0;
  #isBusy = false;
  #heartbeatMs = 0;
  #retryMs = 0;
  #failures = 0;

  constructor(terms: AlertTerms) {
    this.#terms = terms;
    this.#machine = new Machine({ ...terms, scenarios: scenarios.map(({ name }) => name) });
    this.#suspects = new Suspects(terms.isProtected);
    this.#trouble = new Trouble("alerts", terms.log);
  }

  /** Alerts that LAPI never got. */
  get lost(): number {
    return this.#lost;
  }

  /** Takes what a data thread saw. */
  note(signals: readonly Signal[]): void {
    const nowMs = this.#terms.clock.milliseconds();
    const startedMs = this.#terms.wallMs() - nowMs;
    const timeOf = (seconds: number) => new Date(startedMs + seconds * 1000).toISOString();
    for (const signal of signals) {
      const finding = this.#suspects.weigh(signal);
      if (finding !== null) this.#waiting.push({ finding, alert: alertOf(finding, timeOf), sinceMs: nowMs });
    }
    this.#trim(nowMs);
  }

  /** To be called once a second. What is due is sent, one request at a time. */
  async tick(): Promise<void> {
    const nowMs = this.#terms.clock.milliseconds();
    if (this.#isBusy || nowMs < this.#retryMs) return;
    this.#isBusy = true;
    this.#trim(nowMs);
    if ((await this.#push()) && (await this.#beat(nowMs))) this.#recover();
    else this.#backOff();
    this.#isBusy = false;
  }

  /** Whether all is well. What LAPI will never take is not kept for it. */
  async #push(): Promise<boolean> {
    const batch = this.#waiting;
    if (batch.length === 0) return true;
    this.#waiting = [];
    const answer = await this.#machine.post("/v1/alerts", JSON.stringify(batch.map(({ alert }) => alert)));
    if (hasStatus(answer, 201)) {
      for (const { finding } of batch) this.#tell(finding);
      return true;
    }
    this.#trouble.met(answer);
    if (NEVER_TAKEN.some((status) => hasStatus(answer, status))) this.#lost += batch.length;
    else this.#waiting = [...batch, ...this.#waiting];
    return false;
  }

  /** Says that we live, when it is time; whether all is well. */
  async #beat(nowMs: number): Promise<boolean> {
    if (nowMs < this.#heartbeatMs) return true;
    const answer = await this.#machine.get("/v1/heartbeat");
    const isWell = hasStatus(answer, 200);
    if (isWell) this.#heartbeatMs = nowMs + HEARTBEAT_MS;
    else this.#trouble.met(answer);
    return isWell;
  }

  #recover(): void {
    this.#failures = 0;
    this.#trouble.over();
  }

  /** Twice as long each time, and out of step with other replicas. All is well again once a heartbeat is taken. */
  #backOff(): void {
    const pauseMs = Math.min(RETRY_MIN_MS * 2 ** this.#failures, RETRY_MAX_MS);
    this.#failures++;
    this.#retryMs = this.#terms.clock.milliseconds() + pauseMs * (1 - this.#terms.random() / 2);
    this.#heartbeatMs = 0;
  }

  /** Lets go of those that have waited for too long, and of the oldest where they are too many. */
  #trim(nowMs: number): void {
    const kept = this.#waiting.filter(({ sinceMs }) => nowMs - sinceMs <= WAITING_MAX_MS).slice(-WAITING_MAX);
    this.#lost += this.#waiting.length - kept.length;
    this.#waiting = kept;
  }

  #tell({ scenario, ip, count }: Finding): void {
    this.#terms.log("info", "alert", { scenario: scenario.name, client: { ip }, count });
  }
}

/** LAPI's form: every member is required but `remediation`, with which it is the profiles that decide. */
function alertOf({ scenario, ip, count, startSeconds, shown }: Finding, timeOf: (seconds: number) => string) {
  const { name, capacity, leakSeconds } = scenario;
  const stopSeconds = shown.at(-1)!.seconds;
  return {
    scenario: name,
    scenario_hash: "",
    scenario_version: "",
    message: `${ip}: ${name}, ${count} times in ${stopSeconds - startSeconds} s`,
    events_count: count,
    start_at: timeOf(startSeconds),
    stop_at: timeOf(stopSeconds),
    capacity,
    leakspeed: `${leakSeconds}s`,
    simulated: false,
    remediation: true,
    source: { scope: "Ip", value: ip, ip },
    events: shown.map(({ seconds, service, reason, count }) => ({
      timestamp: timeOf(seconds),
      meta: [
        { key: "source_ip", value: ip },
        { key: "service", value: service },
        { key: "reason", value: reason },
        { key: "count", value: `${count}` },
      ],
    })),
  };
}

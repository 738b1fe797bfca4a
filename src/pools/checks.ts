/**
 * When a pool's servers are checked, and what the verdicts come to. How a server is asked is somebody else's affair.
 *
 * Each server has its own rounds, a little off the beat, and never a second check while one is under way. A verdict that
 * agrees with what is known of a server confirms it at once: so a server that sessions have given up for a while stays
 * down when a check fails too. One that disagrees has to be heard `rise` or `fall` times in a row.
 *
 * Where a session succeeds on a server that checks have found down, it is asked at once, and again without a wait for as
 * long as it is found well and does not count as up yet: clients may be waiting for that. It is the checks' word all the
 * same, as they may look for more than sessions do, or at something else.
 *
 * A check that is under way when others take over goes on to its end, as a server whose greeting takes long logs whoever
 * hangs up on it. It means nothing any more, and the others leave its server alone until then.
 */
import type { Cancel, Clock, Timers } from "../clock.ts";
import type { Pool, Server } from "./pool.ts";

/** A server that is being asked. */
export interface Asking {
  /** Whether it has said anything yet. */
  readonly isHeard: boolean;
  /** Breaks it off; nobody is told. */
  close(): void;
}

/** Asks a server whether it takes sessions; `done` is told why it does not, or null. */
type Check = (server: Server, done: (fault: string | null) => void) => Asking;

interface ChecksTerms {
  readonly check: Check;
  readonly clock: Clock;
  readonly timers: Timers;
  /** From 0 to 1. */
  random(): number;
  /** A check has come to its end, and what it means is in the pool. */
  checked(server: Server, fault: string | null, tookMs: number): void;
}

/** A round is as much longer or shorter, at most, so that checkers started together drift apart. */
const JITTER = 0.1;

export class Checks {
  readonly #pool: Pool;
  readonly #terms: ChecksTerms;
  /** By the servers' places: how many verdicts in a row have disagreed. */
  readonly #dissents: number[] = [];
  /** Takes the next check of a server back. */
  readonly #waits = new Map<Server, Cancel>();
  /** Those that are not waited for when they are to be asked next. */
  readonly #urgent = new WeakSet<Server>();
  readonly #underWay = new Map<Server, Asking>();
  /** Those that these have taken over from; null where none of theirs was under way. */
  #former: Checks | null = null;
  #isStopped = false;
  #whenIdle: (() => void) | null = null;

  constructor(pool: Pool, terms: ChecksTerms) {
    this.#pool = pool;
    this.#terms = terms;
  }

  /** These take over from others, which have stopped. */
  follow(former: Checks): void {
    this.#former = former.#isIdle ? null : former;
  }

  /** Begins with the servers that there are, and that it does not check yet; their first checks are spread over an interval. */
  start(): void {
    const { intervalMs } = this.#pool.options.health;
    if (this.#isStopped) return;
    // What checks of a configuration before have said would stand for ever.
    if (intervalMs === 0) return this.#uncheck();
    for (const server of this.#pool.servers) {
      if (this.#waits.has(server) || this.#underWay.has(server)) continue;
      this.#dissents[server.index] = 0;
      this.#await(server, intervalMs * this.#terms.random());
    }
  }

  /** Asks those servers at once on which sessions have succeeded against the checks' word. */
  review(): void {
    for (const server of this.#pool.servers) {
      if (!this.#pool.takeContradiction(server)) continue;
      this.#urgent.add(server);
      // What is under way may have begun before the server was back: it comes to its end first.
      if (!this.#waits.has(server)) continue;
      this.#waits.get(server)!();
      this.#waits.delete(server);
      this.#ask(server);
    }
  }

  /** Begins no more. */
  stop(): void {
    this.#isStopped = true;
    for (const cancel of this.#waits.values()) cancel();
    this.#waits.clear();
  }

  /** Begins no more, and nobody else does: from here on sessions find out by themselves. */
  retire(): void {
    this.stop();
    this.#uncheck();
  }

  /** Resolves when none is under way. */
  async end(): Promise<void> {
    await this.#former?.end();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whenIdle = resolve;
    this.#rest();
    return promise;
  }

  /** Breaks off what is under way: all, or where the server is mute so far. */
  abort(which: "all" | "mute"): void {
    for (const [server, asking] of this.#underWay) {
      if (which === "mute" && asking.isHeard) continue;
      asking.close();
      this.#underWay.delete(server);
    }
    this.#former?.abort(which);
    this.#rest();
  }

  #uncheck(): void {
    const now = this.#terms.clock.seconds();
    for (const server of this.#pool.servers) this.#pool.unchecked(server, now);
  }

  get #isIdle(): boolean {
    return this.#underWay.size === 0 && (this.#former === null || this.#former.#isIdle);
  }

  /** Whether a check of a server with this name is under way, here or in those before. */
  #isAsking(name: string): boolean {
    const isHere = [...this.#underWay.keys()].some((server) => server.name === name);
    return isHere || (this.#former === null ? false : this.#former.#isAsking(name));
  }

  #rest(): void {
    if (this.#underWay.size === 0) this.#whenIdle?.();
  }

  #await(server: Server, milliseconds: number): void {
    const cancel = this.#terms.timers.after(milliseconds, () => {
      this.#waits.delete(server);
      if (this.#pool.servers.includes(server)) this.#ask(server);
    });
    this.#waits.set(server, cancel);
  }

  #ask(server: Server): void {
    const isUrgent = this.#urgent.delete(server);
    const isOut = this.#pool.operatorState(server) === "down";
    if (isOut || this.#isAsking(server.name)) return this.#awaitNext(server);
    const { check, clock } = this.#terms;
    const startedMs = clock.milliseconds();
    const asking = check(server, (fault) => {
      this.#underWay.delete(server);
      if (this.#isStopped) return this.#rest();
      this.#judge(server, fault === null);
      this.#terms.checked(server, fault, clock.milliseconds() - startedMs);
      const isToGoOn = isUrgent && fault === null && !this.#pool.isWell(server, clock.seconds());
      if (isToGoOn) this.#urgent.add(server);
      this.#awaitNext(server);
    });
    this.#underWay.set(server, asking);
  }

  #awaitNext(server: Server): void {
    const { intervalMs } = this.#pool.options.health;
    const jitter = 1 + JITTER * (2 * this.#terms.random() - 1);
    this.#await(server, this.#urgent.has(server) ? 0 : intervalMs * jitter);
  }

  #judge(server: Server, isWell: boolean): void {
    const { rise, fall } = this.#pool.options.health;
    const now = this.#terms.clock.seconds();
    this.#pool.found(server, isWell);
    const isDissent = this.#pool.isWell(server, now) !== isWell;
    if (isDissent && ++this.#dissents[server.index]! < (isWell ? rise : fall)) return;
    this.#dissents[server.index] = 0;
    this.#pool.checked(server, isWell, now);
  }
}

/**
 * What is known of the servers: which are down, and how much of their share those get that have just come back. It stands
 * in shared memory, so that all threads see the same. Three have a say, and a server is up while none of them objects:
 *
 * - Sessions: a server that fails them counts as down for a while, and for twice as long each time that it comes back only
 *   to fail again. A session that succeeds ends that at once.
 * - Checks, until they say otherwise; when they do, they end what sessions had said as well. A session that succeeds all
 *   the same is a reason to check at once.
 * - The operator.
 *
 * What two threads learn in the same instant may count as one.
 */

/** Long enough that health checks some seconds apart agree, short enough that a server's return is soon noticed. */
const DOWN_SECONDS = 15;

/** A server that is away for an hour is tried thirty times, and is found within two minutes of its return. */
const DOWN_SECONDS_MAX = 120;

/** How long a server's share grows that was down: its caches are cold, and all the others' clients would come at once. */
const SLOW_START_SECONDS = 30;

/** What it begins with: enough to find out whether it works. */
const SLOW_START_SHARE = 0.1;

/** The words of a server. The second at which it counts as up, 0 where it never was down: whole seconds, and so rounded up. */
const UP_AT = 0;
/** How often in a row it has failed after it had come back. */
const FAILURES = 1;
/** The hash of the last client with which it failed in a way that may be that client's doing; 0: none. */
const SUSPECT = 2;
/** 1: the checks have found it down. */
const CHECKED_DOWN = 3;
/** The operator's word, by its place in `operatorStates`. */
const OPERATOR = 4;
/** 1: a session has succeeded on it although the checks have found it down. */
const CONTRADICTED = 5;
/** 1: the last check found it well. */
const VOUCHED_FOR = 6;

/**
 * What the operator wants with a server.
 *
 * - `ready`: it is used while it works.
 * - `drain`: it gets no more sessions, and keeps those that it has.
 * - `down`: likewise, and it is not checked either.
 */
export const operatorStates = ["ready", "drain", "down"] as const;
export type OperatorState = (typeof operatorStates)[number];

/** Who objects to a server, the weightiest first. */
export type Objection = "operator" | "checks" | "sessions";

export class Health {
  static readonly WORDS = 7;
  readonly #words: readonly Int32Array[];

  /** `words` has `WORDS` for each server, at least. */
  constructor(words: readonly Int32Array[]) {
    this.#words = words;
  }

  /** Null: the server is up. */
  objection(server: number, nowSeconds: number): Objection | null {
    if (this.operatorState(server) !== "ready") return "operator";
    if (this.#load(server, CHECKED_DOWN) !== 0) return "checks";
    return this.#isMarked(server, nowSeconds) ? "sessions" : null;
  }

  /** Whether it works, whatever the operator wants. */
  isWell(server: number, nowSeconds: number): boolean {
    return this.#load(server, CHECKED_DOWN) === 0 && !this.#isMarked(server, nowSeconds);
  }

  operatorState(server: number): OperatorState {
    return operatorStates[this.#load(server, OPERATOR)]!;
  }

  setOperatorState(server: number, state: OperatorState): void {
    this.#store(server, OPERATOR, operatorStates.indexOf(state));
  }

  /** Another server stands there from now on. */
  forget(server: number): void {
    for (let word = 0; word < Health.WORDS; word++) this.#store(server, word, 0);
  }

  /** What one check has found, which need not be what the checks have come to. */
  found(server: number, isWell: boolean): void {
    this.#store(server, VOUCHED_FOR, Number(isWell));
  }

  isVouchedFor(server: number): boolean {
    return this.#load(server, VOUCHED_FOR) !== 0;
  }

  /** What the checks have come to. */
  checked(server: number, isWell: boolean, nowSeconds: number): void {
    const wasWell = this.isWell(server, nowSeconds);
    this.#store(server, CHECKED_DOWN, Number(!isWell));
    if (isWell && !wasWell) this.#store(server, UP_AT, nowSeconds);
  }

  /** Whether a session has succeeded although the checks have found it down; each is said once. */
  takeContradiction(server: number): boolean {
    return Atomics.exchange(this.#words[server]!, CONTRADICTED, 0) !== 0;
  }

  /** Nobody checks it any more: where the checks had found it down, that holds as if sessions had. */
  unchecked(server: number, nowSeconds: number): void {
    const wasDown = this.#load(server, CHECKED_DOWN) !== 0;
    this.#store(server, CHECKED_DOWN, 0);
    this.#store(server, VOUCHED_FOR, 0);
    if (wasDown) this.failed(server, nowSeconds);
  }

  /** Of its weight, what the server is given now. */
  share(server: number, nowSeconds: number): number {
    const upAt = this.#load(server, UP_AT);
    const grown = upAt === 0 ? 1 : Math.min((nowSeconds - upAt) / SLOW_START_SECONDS, 1);
    return Math.max(SLOW_START_SHARE, grown);
  }

  /** It cannot be had, whoever the client is. One that is down already has only not come back yet. */
  failed(server: number, nowSeconds: number): void {
    const isNews = !this.#isMarked(server, nowSeconds);
    const failures = Math.max(this.#load(server, FAILURES) + Number(isNews), 1);
    const seconds = Math.min(DOWN_SECONDS * 2 ** (failures - 1), DOWN_SECONDS_MAX);
    this.#store(server, FAILURES, failures);
    this.#store(server, UP_AT, nowSeconds + seconds + 1);
  }

  /** It failed where that may be the doing of the one client: when it happens to two in a row it is the server's. */
  failedWith(server: number, client: number, nowSeconds: number): void {
    // Never 0, which is nobody.
    const mark = client | 1;
    const suspect = this.#load(server, SUSPECT);
    this.#store(server, SUSPECT, mark);
    if (suspect !== 0 && suspect !== mark) this.failed(server, nowSeconds);
  }

  succeeded(server: number, nowSeconds: number): void {
    if (this.#load(server, SUSPECT) !== 0) this.#store(server, SUSPECT, 0);
    if (this.#load(server, CHECKED_DOWN) !== 0) this.#store(server, CONTRADICTED, 1);
    if (this.#load(server, FAILURES) === 0) return;
    this.#store(server, FAILURES, 0);
    if (this.#isMarked(server, nowSeconds)) this.#store(server, UP_AT, nowSeconds);
  }

  #isMarked(server: number, nowSeconds: number): boolean {
    return nowSeconds < this.#load(server, UP_AT);
  }

  #load(server: number, word: number): number {
    return Atomics.load(this.#words[server]!, word);
  }

  #store(server: number, word: number, value: number): void {
    Atomics.store(this.#words[server]!, word, value);
  }
}

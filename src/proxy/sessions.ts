/**
 * The sessions of one thread: who is there, and whose deadline has passed.
 *
 * Deadlines are kept by one sweep for all of them, not by a timer for each: with 20,000 sessions a sweep costs less than
 * a millisecond, and a chunk of data moves its session's deadline by writing one number.
 */
import { randomBytes } from "node:crypto";
import type { Clock } from "../clock.ts";
import type { Bans } from "./gate.ts";
import type { Phase } from "./phases.ts";

/** How often deadlines are looked at, and so by how much one may be late. */
export const SWEEP_MS = 250;

/**
 * So many connections that have no place may be there in each thread: over the cap and heard until they can be told so, or
 * refused and reading that. Those beyond are closed at once.
 */
export const UNPLACED_MAX = 64;

/**
 * During a drain a client may take this long to log in: it has been greeted, and most log in at once. One that waits for its
 * user to type the password finds another gateway when it comes back.
 */
const LAST_LOGIN_MS = 15_000;

/** What the sweep has to know of a session. */
export interface Sweepable {
  /** Its place in the list; kept by `Sessions`. */
  slot: number;
  /** By the clock's milliseconds. */
  readonly deadlineMs: number;
  expire(): void;
  /** Who is banned is another matter now. Returns whether the session is to be asked again: its client is, and still here. */
  recheck(bans: Bans): boolean;
  /** Its client is greeted, has yet to log in, and can be told to come back instead. */
  readonly awaitsLogin: boolean;
  /** The drain's time is over, all of it or what is left for a login. */
  cut(): void;
}

export class Sessions {
  /** The time of the last sweep: exact enough to move a deadline by. */
  nowMs: number;
  /** How many of the sessions do not count in the total: there only to be told that they are refused. */
  unplaced = 0;
  /** How many of them are in a TLS handshake with their client. */
  handshakes = 0;
  /** How many of them are banned clients that are kept waiting. */
  tarpits = 0;
  readonly #clock: Clock;
  readonly #list: Sweepable[] = [];
  /** Ids are unique beyond this thread and process by 48 random bits. */
  readonly #idPrefix = randomBytes(6).toString("base64url");
  /** Null before the drain: since when those have been seen in it whose clients are to log in. */
  #loginsAwaited: WeakMap<Sweepable, number> | null = null;
  /** Those that are to be asked again whether their client is banned, and by what. */
  #unsettled: readonly Sweepable[] = [];
  #bans: Bans | null = null;
  #count = 0;
  #whenEmpty: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.nowMs = clock.milliseconds();
  }

  get size(): number {
    return this.#list.length;
  }

  /** A session waits for something else: of some waits only so many may be at a time. */
  changed(from: Phase, to: Phase): void {
    if (from === "handshake") this.handshakes--;
    if (from === "tarpit") this.tarpits--;
    if (to === "handshake") this.handshakes++;
    if (to === "tarpit") this.tarpits++;
  }

  nextId(): string {
    return this.#idPrefix + (this.#count++).toString(36).padStart(4, "0");
  }

  add(session: Sweepable): void {
    session.slot = this.#list.length;
    this.#list.push(session);
  }

  remove(session: Sweepable): void {
    const last = this.#list.pop()!;
    if (last !== session) {
      last.slot = session.slot;
      this.#list[session.slot] = last;
    }
    if (this.#list.length === 0) this.#whenEmpty?.();
  }

  /** Calls back once no session is left: now, or when the last one goes. */
  whenEmpty(callback: () => void): void {
    this.#whenEmpty = callback;
    if (this.#list.length === 0) callback();
  }

  /** Ends every session whose deadline has passed. From the last to the first, as one that ends moves the last one. */
  sweep(): void {
    const now = this.#clock.milliseconds();
    this.nowMs = now;
    for (let slot = this.#list.length - 1; slot >= 0; slot--) {
      const session = this.#list[slot];
      if (session !== undefined && session.deadlineMs <= now) session.expire();
    }
    if (this.#loginsAwaited !== null) this.#drain(this.#loginsAwaited);
    if (this.#unsettled.length > 0) this.#recheck(this.#unsettled);
  }

  /** Ends the sessions of those who are banned by what is in force now, whatever was when they began. */
  recheckAll(bans: Bans): void {
    this.#bans = bans;
    this.#recheck([...this.#list]);
  }

  /** The gateway is about to end, and who is here may go on for a while. */
  drainAll(): void {
    this.#loginsAwaited ??= new WeakMap();
    this.#drain(this.#loginsAwaited);
  }

  cutAll(): void {
    for (let slot = this.#list.length - 1; slot >= 0; slot--) this.#list[slot]?.cut();
  }

  /** Sends those away who have had their time: from their greeting on, which comes late for who is parked. */
  #drain(awaited: WeakMap<Sweepable, number>): void {
    const now = this.#clock.milliseconds();
    for (let slot = this.#list.length - 1; slot >= 0; slot--) {
      const session = this.#list[slot];
      if (session === undefined || !session.awaitsLogin) continue;
      const sinceMs = awaited.get(session) ?? now;
      if (now - sinceMs >= LAST_LOGIN_MS) session.cut();
      else awaited.set(session, sinceMs);
    }
  }

  #recheck(sessions: readonly Sweepable[]): void {
    const bans = this.#bans;
    if (bans !== null) this.#unsettled = sessions.filter((session) => session.recheck(bans));
  }
}

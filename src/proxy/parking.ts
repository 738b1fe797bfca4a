/**
 * The parked of one thread and pool: clients that no server can take now, in the order of their tickets. While there are
 * any, a timer asks the pool's queue whose turn it is, as often as turns come; otherwise there is none. One that is to
 * pause keeps its place, and is passed by the others meanwhile.
 *
 * It outlives configurations, as the queue does, and serves the pool that is in force.
 *
 * Owns the line, and each client's place in the queue. What a client hears, and for how long it may stay, is its session's.
 */
import type { Clock } from "../clock.ts";
import type { Pool } from "../pools/pool.ts";
import { type Queue, TURN_MS } from "../pools/queue.ts";

/** From a client's parking until it is served or has gone; while a server is tried for it, it keeps its place. */
export interface Stay {
  readonly ticket: number;
  readonly sinceMs: number;
  /** No turn is its own before that. */
  notBeforeMs: number;
  /** Its turn: it may try a server, and has left the line. */
  readonly go: () => void;
}

export class Parking {
  #pool: Pool;
  /** Those who wait stay in it where the pool keeps nobody any more; null before it ever did. */
  #queue: Queue | null;
  readonly #clock: Clock;
  /** By ticket, the oldest first. */
  readonly #line: Stay[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(pool: Pool, clock: Clock) {
    this.#pool = pool;
    this.#queue = pool.queue;
    this.#clock = clock;
  }

  /** Another configuration is in force, in which the pool is this one. */
  serve(pool: Pool): void {
    this.#pool = pool;
    this.#queue = pool.queue ?? this.#queue;
  }

  /** Whether clients wait, in any thread: who comes now comes after them. */
  get isInUse(): boolean {
    return (this.#pool.queue?.size ?? 0) > 0;
  }

  /** Null: no more are kept. */
  enter(go: () => void, pauseMs = 0): Stay | null {
    const ticket = this.#pool.queue?.enter() ?? null;
    if (ticket === null) return null;
    if ((this.#pool.room(this.#clock.seconds()) ?? 0) > 0) this.#pool.queue!.bringTurn();
    const now = this.#clock.milliseconds();
    const stay = { ticket, sinceMs: now, notBeforeMs: now, go };
    this.line(stay, pauseMs);
    return stay;
  }

  /** One whose turn brought nothing stands where it stood. */
  line(stay: Stay, pauseMs: number): void {
    stay.notBeforeMs = this.#clock.milliseconds() + pauseMs;
    const before = this.#line.findLastIndex(({ ticket }) => ((ticket - stay.ticket) | 0) < 0);
    this.#line.splice(before + 1, 0, stay);
    this.#show();
  }

  leave(stay: Stay): void {
    this.#unline(stay);
    this.#queue!.leave();
  }

  /** Whether it is this pool that is in force. */
  serves(pool: Pool): boolean {
    return this.#pool === pool;
  }

  /** Lets those go whose turn it is. */
  look(): void {
    this.#show();
    // At most once for each: those that are back already need not go again.
    for (let left = this.#line.length; left > 0; left--) {
      const first = this.#first;
      if (first === undefined || !this.#mayGo(first)) return;
      this.#unline(first);
      first.go();
    }
  }

  #mayGo({ ticket }: Stay): boolean {
    const room = this.#pool.room(this.#clock.seconds());
    return this.#queue!.takeTurn(ticket, room, this.#clock.milliseconds());
  }

  /** Of those that do not pause. */
  get #first(): Stay | undefined {
    const now = this.#clock.milliseconds();
    return this.#line.find(({ notBeforeMs }) => notBeforeMs <= now);
  }

  #unline(stay: Stay): void {
    const at = this.#line.indexOf(stay);
    if (at >= 0) this.#line.splice(at, 1);
    this.#show();
  }

  #show(): void {
    this.#queue!.show(this.#first?.ticket ?? null);
    if (this.#line.length === 0) {
      clearInterval(this.#timer ?? undefined);
      this.#timer = null;
    } else this.#timer ??= setInterval(() => this.look(), TURN_MS).unref();
  }
}

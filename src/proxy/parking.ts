/**
 * The parked of one thread and pool: clients that no server can take now, in the order of their tickets. While there are
 * any, a timer asks the pool's queue whose turn it is, as often as turns come; otherwise there is none.
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
  /** Its turn: it may try a server, and has left the line. */
  readonly go: () => void;
}

export class Parking {
  readonly #pool: Pool;
  readonly #clock: Clock;
  /** By ticket, the oldest first. */
  readonly #line: Stay[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(pool: Pool, clock: Clock) {
    this.#pool = pool;
    this.#clock = clock;
  }

  /** Whether clients wait, in any thread: who comes now comes after them. */
  get isInUse(): boolean {
    return (this.#pool.queue?.size ?? 0) > 0;
  }

  /** Null: no more are kept. */
  enter(go: () => void): Stay | null {
    const ticket = this.#pool.queue?.enter() ?? null;
    if (ticket === null) return null;
    if ((this.#pool.room(this.#clock.seconds()) ?? 0) > 0) this.#pool.queue!.bringTurn();
    const stay = { ticket, sinceMs: this.#clock.milliseconds(), go };
    this.line(stay);
    return stay;
  }

  /** One whose turn brought nothing stands where it stood. */
  line(stay: Stay): void {
    const before = this.#line.findLastIndex(({ ticket }) => ((ticket - stay.ticket) | 0) < 0);
    this.#line.splice(before + 1, 0, stay);
    this.#show();
  }

  leave(stay: Stay): void {
    this.#unline(stay);
    this.#pool.queue!.leave();
  }

  /** Lets those go whose turn it is. */
  look(): void {
    const { queue } = this.#pool;
    // At most once for each: those that are back already need not go again.
    for (let left = this.#line.length; left > 0 && this.#mayGo(queue!); left--) {
      const stay = this.#line[0]!;
      this.#unline(stay);
      stay.go();
    }
  }

  #mayGo(queue: Queue): boolean {
    const [first] = this.#line;
    const room = this.#pool.room(this.#clock.seconds());
    return first !== undefined && queue.takeTurn(first.ticket, room, this.#clock.milliseconds());
  }

  #unline(stay: Stay): void {
    const at = this.#line.indexOf(stay);
    if (at >= 0) this.#line.splice(at, 1);
    this.#show();
  }

  #show(): void {
    const [first] = this.#line;
    this.#pool.queue!.show(first?.ticket ?? null);
    if (first === undefined) {
      clearInterval(this.#timer ?? undefined);
      this.#timer = null;
    } else this.#timer ??= setInterval(() => this.look(), TURN_MS).unref();
  }
}

/**
 * The order of those who wait for a pool's servers, over all threads, and how fast they may go. It stands in shared
 * memory: how many wait in each thread, each thread's oldest ticket, and the turns that have been taken. Who they are,
 * their own thread knows.
 *
 * Tickets are numbers in the order of coming, and a client keeps its own until it has been served or has gone. They come
 * round after 2^32, and are compared by their distance.
 */
import { Slots } from "./slots.ts";

/**
 * A turn comes every so often: 50 a second. Postfix's master forks a process for each of the first hundred sessions, at
 * some milliseconds of CPU each; so at its return about a fifth of a core goes into that, and 500 clients are served
 * within ten seconds.
 */
export const TURN_MS = 20;

/** Turns pile up while nobody takes them, for a second at most: what was missed before that is not caught up. */
const TURNS_MAX = 50;

/** What a turn costs when no server counts as up, and it is an attempt: half a second is polite, and a return soon noticed. */
const ATTEMPT_TURNS = 25;

/**
 * The threads look at different moments, so that some turns may be left lying although all goes well. When more are, the
 * oldest is not fetched fast enough for all who come, and those right behind it may go beside it.
 */
const TURNS_LEFT_LYING = 5;

/** Another thread has taken a turn in the same instant: few do so in a row. */
const ATTEMPTS_MAX = 8;

/** The words that all threads share: the last ticket, and the turn up to which all are taken. */
const LAST_TICKET = 0;
const TAKEN = 1;

const SHARED_WORDS = 2;

/** Each thread has its oldest ticket, and how many of its clients wait. */
const COLUMN_WORDS = 2;

/** No ticket has this number. */
const NOBODY = 0;

export class Queue {
  readonly #shared: Int32Array;
  /** A ticket for each thread. */
  readonly #oldest: Int32Array;
  /** A place for each who waits. */
  readonly #places: Slots;
  readonly #column: number;

  static allocate(threads: number): SharedArrayBuffer {
    const columns = threads + 1;
    return new SharedArrayBuffer((SHARED_WORDS + COLUMN_WORDS * columns) * Int32Array.BYTES_PER_ELEMENT);
  }

  /** `max`, at least 1, is how many may wait. */
  constructor(memory: SharedArrayBuffer, max: number, column: number) {
    const words = new Int32Array(memory);
    const each = words.subarray(SHARED_WORDS);
    const columns = each.length / COLUMN_WORDS;
    this.#shared = words.subarray(0, SHARED_WORDS);
    this.#oldest = each.subarray(0, columns);
    this.#places = new Slots([each.subarray(columns)], [max], column);
    this.#column = column;
  }

  /** Over all threads. */
  get size(): number {
    return this.#places.count(0);
  }

  get hasRoom(): boolean {
    return this.#places.hasRoom(0);
  }

  /** A ticket, for a place that is given back by `leave`; null: all places are taken. */
  enter(): number | null {
    if (!this.#places.take(0)) return null;
    const ticket = (Atomics.add(this.#shared, LAST_TICKET, 1) + 1) | 0;
    return ticket === NOBODY ? (Atomics.add(this.#shared, LAST_TICKET, 1) + 1) | 0 : ticket;
  }

  leave(): void {
    this.#places.give(0);
  }

  /** The oldest of this thread that has no turn yet; null: there is none. */
  show(ticket: number | null): void {
    Atomics.store(this.#oldest, this.#column, ticket ?? NOBODY);
  }

  /**
   * Somebody joins who would have been served at once if nobody waited, and brings a turn along: so the queue grows
   * shorter however many come.
   */
  bringTurn(): void {
    Atomics.sub(this.#shared, TAKEN, 1);
  }

  /**
   * Takes a turn for the holder of this ticket, which is this thread's oldest; false: it is not its turn yet. `room` is how
   * many the servers that are up have room for, null where none is up.
   */
  takeTurn(ticket: number, room: number | null, nowMs: number): boolean {
    const now = Math.floor(nowMs / TURN_MS) | 0;
    const isAttempt = room === null;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const taken = Atomics.load(this.#shared, TAKEN);
      const turns = turnsLeft(taken, now);
      const together = isAttempt ? 1 : Math.min(room, Math.max(1, turns - TURNS_LEFT_LYING));
      if (turns < 1 || this.#ahead(ticket) >= together) return false;
      // What has piled up is no reason to attempt more.
      const after = (isAttempt ? now - 1 + ATTEMPT_TURNS : now - turns + 1) | 0;
      if (Atomics.compareExchange(this.#shared, TAKEN, taken, after) === taken) return true;
    }
    return false;
  }

  /** Forgets those of a thread that has ended. */
  reclaim(column: number): void {
    Atomics.store(this.#oldest, column, NOBODY);
    this.#places.reclaim(column);
  }

  /** How many may stand before it: tickets are counted, and the holders of some may have gone. */
  #ahead(ticket: number): number {
    let most = 0;
    for (let column = 0; column < this.#oldest.length; column++) {
      const oldest = Atomics.load(this.#oldest, column);
      if (oldest !== NOBODY) most = Math.max(most, (ticket - oldest) | 0);
    }
    return most;
  }
}

/** A turn that was taken further ahead than any can be is of another time, when the clock's turns had not come round. */
function turnsLeft(taken: number, now: number): number {
  const left = (now - taken) | 0;
  return left < -ATTEMPT_TURNS ? TURNS_MAX : Math.min(left, TURNS_MAX);
}

/**
 * A session's place under `maxConnections`. One that got none, or has left it, is there only to be told that it is
 * refused, and few such may be.
 */
import type { Gate } from "./gate.ts";
import { UNPLACED_MAX } from "./sessions.ts";

export class Place {
  readonly #gate: Pick<Gate, "total" | "sessions">;
  #isTaken: boolean;

  constructor(gate: Pick<Gate, "total" | "sessions">) {
    this.#gate = gate;
    this.#isTaken = gate.total.enter();
    if (!this.#isTaken) gate.sessions.unplaced++;
  }

  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** This one must not stay, as too many are there without a place. */
  get isCrowdedOut(): boolean {
    return !this.#isTaken && this.#gate.sessions.unplaced > UNPLACED_MAX;
  }

  /** For somebody else, while the session is still told something. */
  leave(): void {
    if (!this.#isTaken) return;
    this.#isTaken = false;
    this.#gate.total.leave();
    this.#gate.sessions.unplaced++;
  }

  /** The session is over; once. */
  close(): void {
    if (this.#isTaken) this.#gate.total.leave();
    else this.#gate.sessions.unplaced--;
  }
}

/**
 * The ban list as the one thread has it that makes lists: each answer of LAPI's makes a new one of the last, which goes on
 * the shelf for all threads. A thread that comes after one that died goes on with what that has left there.
 */
import type { Clock } from "../clock.ts";
import { ORIGINS_MAX } from "../record.ts";
import { BanList } from "./banlist.ts";
import { Changes, type ChangeTerms } from "./changes.ts";
import { merge } from "./merge.ts";
import { Names } from "./names.ts";
import type { Shelf } from "./shelf.ts";

export interface LiveTerms {
  readonly shelf: Shelf;
  readonly clock: Clock;
  /** As `ChangeTerms` has it. */
  readonly byId: boolean;
}

export class LiveList {
  readonly #shelf: Shelf;
  readonly #clock: Clock;
  readonly #terms: ChangeTerms;
  #list: BanList;

  constructor({ shelf, clock, byId }: LiveTerms) {
    this.#shelf = shelf;
    this.#clock = clock;
    this.#list = shelf.read((list) => new BanList(list.bytes.slice().buffer));
    this.#terms = { origins: new Names(ORIGINS_MAX, this.#list.origins), byId };
  }

  /** There has been a list in this process. */
  get isReceived(): boolean {
    return this.#shelf.version > 0;
  }

  get list(): BanList {
    return this.#list;
  }

  /** Decisions that have not ended. */
  get size(): number {
    const counts = this.#list.counts(this.#clock.seconds());
    return counts.reduce((sum, { ipv4, ipv6 }) => sum + ipv4 + ipv6, 0);
  }

  /** Changes to the list, or to none where what comes is all there is. */
  changes(isFull: boolean): Changes {
    return new Changes(isFull ? BanList.EMPTY : this.#list, this.#terms);
  }

  /** False: there would be more than can be held, and the list stays as it is. */
  apply(changes: Changes): boolean {
    const list = merge(changes, this.#clock.seconds());
    if (list !== null) this.#hold(list);
    return list !== null;
  }

  /** Goes on with another process's list, whose clock was so far behind ours. One of which nothing holds any more is none. */
  restore(kept: BanList, shiftSeconds: number): void {
    const list = merge(Changes.from(kept, { ...this.#terms, shiftSeconds }), this.#clock.seconds());
    if (list !== null && list.size > 0) this.#hold(list);
  }

  #hold(list: BanList): void {
    this.#list = list;
    this.#shelf.publish(list);
  }
}

/**
 * What a data thread has seen of misbehaving clients since it was last asked, counted by client and reason: refusals far
 * beyond a limit, and sessions that ended in an offence. `take` returns plain data that can be posted to another thread.
 *
 * It is on the way of refused sessions only, costs them a look-up, and holds a bounded number of counts. What the counts come
 * to is not judged here.
 */
import { isOffence, NO_TEXT, type Reason } from "../outcome.ts";
import type { LimitEvent, SessionRecord } from "../record.ts";

/**
 * Counts held between two takes. A second's refusals of more clients than that are an attack that no list of single
 * addresses answers, and each client that goes on is counted in the next second.
 */
const COUNTS_MAX = 1000;

/** An office or a mailing list that is a little over a limit is held to it, and that is all. */
const FAR_BEYOND = 3;

interface Count {
  readonly ip: string;
  readonly reason: Reason;
  /** The listener's name. */
  readonly service: string;
  count: number;
}

/** So often has a client done this. */
export interface Signal extends Readonly<Count> {
  /** When it was taken, by the clock. */
  readonly seconds: number;
}

export class Signals {
  readonly #counts = new Map<string, Count>();
  #lost = 0;

  /** What was not counted, as there were too many clients. */
  get lost(): number {
    return this.#lost;
  }

  /** A client is beyond a limit. */
  limited({ service, client, reason, count, limit, dryRun }: LimitEvent): void {
    if (!dryRun && count >= FAR_BEYOND * limit) this.#saw(client.text, reason, service);
  }

  /** A session has ended. */
  ended(service: string, { client, outcome, reason, detail }: SessionRecord): void {
    if (client === null || reason === null || outcome !== "refused" || !isOffence(reason)) return;
    if (detail === NO_TEXT) return;
    this.#saw(client.address.text, reason, service);
  }

  /** What was seen since the last time; to be called once a second. */
  take(nowSeconds: number): Signal[] {
    const signals = [...this.#counts.values()].map((count) => ({ ...count, seconds: nowSeconds }));
    this.#counts.clear();
    return signals;
  }

  #saw(ip: string, reason: Reason, service: string): void {
    const key = `${reason} ${ip}`;
    const known = this.#counts.get(key);
    if (known !== undefined) known.count++;
    else if (this.#counts.size < COUNTS_MAX) this.#counts.set(key, { ip, reason, service, count: 1 });
    else this.#lost++;
  }
}

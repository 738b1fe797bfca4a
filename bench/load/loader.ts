/**
 * The sessions of one thread: begins each when it is due, from the client whose turn it is, and ends when there are no more
 * to begin. It belongs to no thread in particular, and posts nothing.
 *
 * - `running`: sessions begin. - `ending`: none does any more; those that are open go on to their end.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import tls from "node:tls";
import { Address, type AddressAndPort } from "../../src/address.ts";
import type { Clock } from "../../src/clock.ts";
import { Trust } from "../../src/wire/trust.ts";
import { wire } from "../harness/wire.ts";
import { type Client, Clients, openingOf, type Share } from "./clients.ts";
import { Line } from "./line.ts";
import type { Plan } from "./plan.ts";
import type { Play, Recipe, Session } from "./scenario.ts";
import { dueCount, dueMs, ownOf } from "./schedule.ts";
import { Job, type Outcome, runSession } from "./session.ts";
import { newHistogram, record, Tally } from "./tally.ts";

/**
 * So many begin before those that are open have a turn: some milliseconds. A thread that began all that is due would, once
 * it is behind, do nothing else, and hear nobody.
 */
const TURN_SESSIONS = 64;

/**
 * What every TLS library in use knows. Node's own would offer a hybrid with ML-KEM first, which postern and few others take:
 * their handshakes would cost more than those that they are compared with.
 */
tls.DEFAULT_ECDH_CURVE = "X25519:P-256";

export interface LoaderOptions {
  readonly plan: Plan;
  readonly share: Share;
  readonly clock: Clock;
  readonly recipe: Recipe;
}

export class Loader {
  readonly tally = new Tally();
  /** Open loop: how much later than due sessions began. */
  readonly lateness = newHistogram();
  readonly #plan: Plan;
  readonly #share: Share;
  readonly #clock: Clock;
  readonly #clients: Clients;
  readonly #play: Play;
  readonly #destination: AddressAndPort;
  readonly #trust = new Trust({ verify: "none", name: null, ca: null });
  readonly #open = new Set<Job>();
  readonly #openMax: number;
  /** The next of the thread's own numbers, of sessions or of places: see `dueMs`. */
  #number: number;
  #sessionsLeft: number;
  #beganMs = 0;
  readonly #ending = new AbortController();
  /** Whether a session is due that waits for another to end. */
  #isFull = false;
  #isBeside = false;
  #timer: NodeJS.Timeout | null = null;
  #turn: NodeJS.Immediate | null = null;
  #whenOver: () => void = () => {};

  constructor({ plan, share, clock, recipe }: LoaderOptions) {
    const { host, port } = plan.target;
    this.#plan = plan;
    this.#share = share;
    this.#clock = clock;
    this.#clients = new Clients(plan.clients, share, recipe.reserved?.(plan));
    this.#destination = { address: Address.parse(host)!, port };
    this.#openMax =
      plan.pace.kind === "open" ? Math.ceil(plan.openMax / share.threads) : Number.POSITIVE_INFINITY;
    this.#number = share.thread;
    this.#sessionsLeft = ownOf(share, plan.sessionsMax);
    this.#play = recipe.prepare({
      plan,
      share,
      clients: this.#clients,
      run: async (client, session) =>
        this.#isEnding ? null : this.#session(client, this.#clock.milliseconds(), session),
      signal: this.#ending.signal,
      tally: this.tally,
    });
  }

  /** Resolves when all sessions have ended, and no more will begin. */
  start(): Promise<void> {
    this.#beganMs = this.#clock.milliseconds();
    const over = new Promise<void>((resolve) => {
      this.#whenOver = resolve;
    });
    void this.#runBeside();
    this.#begin();
    return over;
  }

  /** No session begins any more, but for those of one last turn that are due; what is only held ends. */
  stop(): void {
    if (!this.#isEnding) this.#miss();
    this.#ending.abort();
    this.#unschedule();
    for (const { line } of this.#open) line.release();
    this.#checkOver();
  }

  /** Ends what has not ended by itself; it counts as open. */
  cut(): void {
    this.stop();
    for (const { line, current } of this.#open) {
      this.tally.fault(current, "cut");
      line.close();
    }
    this.#whenOver();
  }

  /** What is due by now and not begun never will be. */
  #miss(): void {
    const { pace, durationMs, sessionsMax } = this.#plan;
    if (pace.kind === "closed") return;
    this.#begin();
    const beforeMs = Math.min(this.#clock.milliseconds() - this.#beganMs, durationMs);
    const due = ownOf(this.#share, dueCount(pace, beforeMs, sessionsMax));
    this.tally.counts.neverBegun = Math.max(0, due - ownOf(this.#share, this.#number));
  }

  #unschedule(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#turn !== null) clearImmediate(this.#turn);
  }

  /** Begins what is due, turn by turn. */
  #begin(): void {
    this.#unschedule();
    let left = TURN_SESSIONS;
    const { pace, durationMs } = this.#plan;
    const end = pace.kind === "closed" ? pace.concurrency : Number.POSITIVE_INFINITY;
    while (!this.#isEnding && this.#sessionsLeft > 0 && this.#number < end) {
      this.#isFull = this.#open.size >= this.#openMax;
      if (this.#isFull) return;
      const due = dueMs(pace, this.#number);
      // A thread that does not keep up hears late that the time is over, and is no reason for more sessions.
      if (due >= durationMs) return;
      const atMs = this.#beganMs + due;
      const lateMs = this.#clock.milliseconds() - atMs;
      if (lateMs < 0) {
        this.#timer = setTimeout(() => this.#begin(), -lateMs);
        return;
      }
      if (left-- === 0) {
        this.#turn = setImmediate(() => this.#begin());
        return;
      }
      this.#number += this.#share.threads;
      if (pace.kind === "open") record(this.lateness, lateMs);
      void this.#occupy(atMs);
    }
    this.#checkOver();
  }

  /** One session, and in a closed loop those behind it in its place. */
  async #occupy(atMs: number): Promise<void> {
    let due = atMs;
    do {
      this.#sessionsLeft--;
      await this.#session(this.#clients.next(), due, this.#play.session);
      due = this.#clock.milliseconds();
    } while (this.#plan.pace.kind === "closed" && !this.#isEnding && this.#sessionsLeft > 0);
    if (this.#isFull) this.#begin();
    this.#checkOver();
  }

  async #session(client: Client, atMs: number, session: Session): Promise<Outcome> {
    const { target, timeoutMs, proxy } = this.#plan;
    const line = new Line({
      wire,
      target,
      opening: openingOf(proxy, client, this.#destination),
      timeoutMs,
      trust: this.#trust,
      traffic: this.tally.counts,
    });
    const job = new Job({
      plan: this.#plan,
      client,
      dueMs: atMs,
      clock: this.#clock,
      line,
      tally: this.tally,
    });
    this.#open.add(job);
    const outcome = await runSession(session, job);
    this.#open.delete(job);
    this.#play.ended?.(job, outcome);
    // What fails at once would be begun again and again before anything else has a turn.
    if (outcome === "failed") await nextTurn();
    return outcome;
  }

  get #isEnding(): boolean {
    return this.#ending.signal.aborted;
  }

  async #runBeside(): Promise<void> {
    this.#isBeside = true;
    await this.#play.beside?.();
    this.#isBeside = false;
    this.#checkOver();
  }

  #checkOver(): void {
    const hasMore = this.#sessionsLeft > 0 && !this.#isEnding;
    if (!hasMore && this.#open.size === 0 && !this.#isBeside) this.#whenOver();
  }
}

/**
 * The data threads as the control thread sees them: it starts them, passes on what they say, has them change over to another
 * configuration all together or not at all, and replaces one that dies.
 *
 * The first thread binds all addresses before any other does, so that an address that cannot be had is known at once,
 * and the others join it on the ports that it got.
 */
import { endpointText } from "../address.ts";
import type { Signal } from "../crowdsec/signals.ts";
import { Batch } from "../observe/batch.ts";
import type { Log } from "../observe/log.ts";
import type { TlsMaterial } from "../tls/keeper.ts";
import type { Inherited } from "../wire/bequest.ts";
import { Member, type Remark } from "./member.ts";
import type { Endpoints, Plan, Share } from "./messages.ts";
import { Restarts } from "./restarts.ts";

/** What a dead thread held cannot be given back yet, or the others are changing over: asked again after this long. */
const RECLAIM_MS = 100;

/** A plan before its addresses are known. */
export type Draft = Omit<Plan, "endpoints">;

export interface CrewOptions {
  readonly draft: Draft;
  readonly log: Log;
  /** Takes lines for CrowdSec's stock parsers. */
  stock(lines: string): void;
  /** Takes what a thread saw of misbehaving clients. */
  signal(signals: readonly Signal[]): void;
  /** Gives back what a dead thread held; false while it cannot be done yet. */
  reclaim(thread: number): boolean;
}

/**
 * - `starting`: a thread that dies before it listens is a failure to start; one that dies later is replaced later.
 * - `running`: a thread that dies is replaced.
 * - `changing`: to another configuration; a thread that dies is replaced later, as it is not known yet by which.
 * - `draining`: a thread that dies has drained.
 */
type State = "starting" | "running" | "changing" | "draining";

export class Crew {
  readonly #options: CrewOptions;
  readonly #members: (Member | null)[];
  readonly #restarts: readonly Restarts[];
  #state: State = "starting";
  /** What is in force; a thread that starts now is born with it. */
  #plan: Plan;
  /** What is prepared. */
  #next: Plan | null = null;
  #wire = "";
  #whenDrained: (() => void) | null = null;

  constructor(options: CrewOptions) {
    const { threads, listeners } = options.draft.configuration;
    this.#options = options;
    this.#plan = { ...options.draft, endpoints: listeners.map(({ listen }) => listen) };
    this.#members = Array.from({ length: threads }, () => null);
    this.#restarts = Array.from({ length: threads }, () => new Restarts());
  }

  /** Of all threads' listening sockets. */
  get descriptors(): readonly number[] {
    return this.#living.flatMap(({ descriptors }) => descriptors);
  }

  /** What is listened on, with real ports. */
  get endpoints(): Endpoints {
    return this.#plan.endpoints;
  }

  /** Which way the bytes go: see `wire/`. */
  get wire(): string {
    return this.#wire;
  }

  /**
   * Listens, with these sockets and with more where they are not enough.
   * @throws Error that says which address could not be bound, and why; then no thread is left.
   */
  async start(inherited: readonly Inherited[]): Promise<void> {
    const shares = sharedOut(inherited, this.#members.length);
    try {
      const first = this.#launch(0, shares[0]);
      this.#plan = { ...this.#plan, endpoints: await first.born };
      this.#wire = first.wire;
      const others = [...this.#members.keys()].slice(1);
      await Promise.all(others.map((thread) => this.#launch(thread, shares[thread]).born));
      this.#state = "running";
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Handshakes from now on are made with these, in all threads, and in those to come. */
  equip(material: TlsMaterial): void {
    this.#plan = { ...this.#plan, tls: material };
    for (const member of this.#living) member.equip(material);
  }

  /**
   * Has every thread bind what another configuration needs. Behind it comes `commit`.
   * @throws Error that says why it cannot be done; then nothing has changed.
   */
  async prepare(draft: Draft): Promise<void> {
    if (this.#state !== "running") throw new Error(`the gateway is ${this.#state}`);
    this.#state = "changing";
    try {
      await Promise.allSettled(this.#living.map(({ born }) => born));
      const [first, ...others] = this.#living;
      if (first === undefined) throw new Error("no data thread is alive: try again");
      const endpoints = await first.prepare({ ...draft, endpoints: this.#endpointsOf(draft) });
      const plan = { ...draft, endpoints };
      await Promise.all(others.map((member) => member.prepare(plan)));
      this.#next = plan;
    } catch (error) {
      for (const member of this.#living) member.abort();
      this.#state = "running";
      throw error;
    }
  }

  /** What was prepared is in force, with this for TLS; resolves when it is in all threads. */
  async commit(tls: TlsMaterial | null): Promise<void> {
    this.#plan = { ...(this.#next ?? this.#plan), tls };
    this.#next = null;
    if (tls !== null) this.equip(tls);
    await Promise.all(this.#living.map((member) => member.commit()));
    this.#state = "running";
  }

  /** Ends every session that has not ended by itself within `drainMs`; resolves when none is left. */
  drain(drainMs: number): Promise<void> {
    this.#state = "draining";
    for (const member of this.#living) member.drain();
    const timer = setTimeout(() => {
      for (const member of this.#living) member.cut();
    }, drainMs);
    return new Promise((resolve) => {
      this.#whenDrained = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#checkDrained();
    });
  }

  async stop(): Promise<void> {
    this.#state = "draining";
    await Promise.all(this.#living.map((member) => member.terminate()));
  }

  /** For tests: a thread dies in the midst of its work. */
  kill(thread: number): void {
    void this.#members[thread]?.terminate();
  }

  get #living(): readonly Member[] {
    return this.#members.filter((member) => member !== null);
  }

  /** What a configuration listens on. A listener that asks for any free port keeps the one that it has. */
  #endpointsOf({ configuration }: Draft): Endpoints {
    const { configuration: before, endpoints } = this.#plan;
    return configuration.listeners.map(({ name, listen }) => {
      const at = before.listeners.findIndex((listener) => listener.name === name);
      const had = before.listeners[at]?.listen.map((asked, index) => {
        return { asked, bound: endpoints[at]![index]! };
      });
      const free = had?.filter(({ asked }) => asked.port === 0) ?? [];
      return listen.map((asked) => {
        const index = free.findIndex((one) => asked.port === 0 && one.asked.host === asked.host);
        return index < 0 ? asked : free.splice(index, 1)[0]!.bound;
      });
    });
  }

  #launch(thread: number, inherited: readonly Share[] = []): Member {
    const data = { plan: this.#plan, thread, backlog: Batch.backlog(), inherited };
    const member = new Member(data, {
      heard: (member, remark) => this.#heard(member, remark),
      broke: (_, error) =>
        this.#options.log.event("error", "thread-error", { thread, error: describe(error) }),
      ended: (member) => this.#died(member),
    });
    this.#members[thread] = member;
    return member;
  }

  #heard(member: Member, remark: Remark): void {
    const { log, stock, signal } = this.#options;
    switch (remark.type) {
      case "log":
        return log.batch(remark.lines, member.backlog);
      case "stock":
        Batch.taken(remark.lines, member.backlog);
        return stock(remark.lines);
      case "signals":
        return signal(remark.signals);
      case "open":
        member.descriptors = remark.descriptors;
        return;
      case "drained":
        member.isDrained = true;
        return this.#checkDrained();
      default:
        return remark satisfies never;
    }
  }

  #died(member: Member): void {
    const { thread, startedMs } = member;
    this.#members[thread] = null;
    if (this.#state === "draining") return this.#checkDrained();
    if (this.#state === "starting" && !member.isListening) return;
    const delayMs = this.#restarts[thread]!.delayMs(performance.now() - startedMs);
    this.#options.log.event("error", "thread-died", { thread, replacedInMs: delayMs });
    setTimeout(() => this.#replace(thread), delayMs);
  }

  #replace(thread: number): void {
    if (this.#state === "draining") return;
    if (this.#state !== "running" || !this.#options.reclaim(thread)) {
      setTimeout(() => this.#replace(thread), RECLAIM_MS);
      return;
    }
    const member = this.#launch(thread);
    member.born.catch((error) => {
      this.#options.log.event("error", "thread-start", { thread, error: describe(error) });
      void member.terminate();
    });
  }

  #checkDrained(): void {
    if (this.#members.every((member) => member === null || member.isDrained)) this.#whenDrained?.();
  }
}

/** Each address's sockets in turn to the threads, for each thread what it is to know of all of them. */
function sharedOut(inherited: readonly Inherited[], threads: number): readonly (readonly Share[])[] {
  const ranks = inherited.map(({ endpoint }, index) => {
    const text = endpointText(endpoint);
    return inherited.slice(0, index).filter((other) => endpointText(other.endpoint) === text).length;
  });
  return Array.from({ length: threads }, (_, thread) =>
    inherited.map(({ endpoint, descriptor }, index) => ({
      endpoint,
      descriptor: ranks[index]! % threads === thread ? descriptor : null,
    })),
  );
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

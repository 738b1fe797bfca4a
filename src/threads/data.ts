/**
 * A data thread: its own event loop, its own listening sockets on the ports that all of them share, its own sessions.
 * This file is where such a thread starts. It touches no file and waits for nobody; what it has to say goes to the control
 * thread in messages.
 *
 * A configuration comes into force in two steps. All that can fail is prepared beside the one in force; then it is
 * committed, or forgotten. A session goes on with the gate that it came through, unless it waits for a server. What is told
 * of it goes where the newest configuration says.
 */
import { parentPort, workerData } from "node:worker_threads";
import { systemClock } from "../clock.ts";
import type { Configuration } from "../config/options.ts";
import { type EnforcedBans, nobodyBanned } from "../crowdsec/bans.ts";
import { Signals } from "../crowdsec/signals.ts";
import type { BatchOptions } from "../observe/batch.ts";
import { ThreadCounters } from "../observe/counters.ts";
import { StockLog } from "../observe/stocklog.ts";
import { ThreadLog } from "../observe/threadlog.ts";
import type { Observer } from "../proxy/gate.ts";
import { Sessions, SWEEP_MS } from "../proxy/sessions.ts";
import type { TlsMaterial } from "../tls/keeper.ts";
import { type CertificateOptions, Certificates } from "../wire/certificates.ts";
import { chooseWire } from "../wire/choose.ts";
import { Doors } from "./doors.ts";
import { type Generation, makeGates, relieve } from "./gates.ts";
import type { Plan, ThreadData, ToControl, ToData } from "./messages.ts";
import { counterShape } from "./registry.ts";
import { bansOf } from "./shared.ts";

/** How often the control thread is told what was seen of misbehaving clients. */
const SIGNAL_MS = 1000;

interface Prepared {
  readonly configuration: Configuration;
  readonly bans: EnforcedBans;
  readonly generation: Generation;
}

class DataThread {
  readonly #thread: number;
  readonly #post: (message: ToControl) => void;
  readonly #batch: Pick<BatchOptions, "backlog" | "dropped">;
  readonly #log: ThreadLog;
  readonly #counters: ThreadCounters;
  readonly #sessions = new Sessions(systemClock);
  readonly #wire = chooseWire(process.env);
  readonly #observer = this.#makeObserver();
  readonly #doors: Doors;
  /** Null: nobody wants its lines. */
  #stock: StockLog | null = null;
  #bans: EnforcedBans = nobodyBanned;
  /** Null: nobody wants to know. */
  #signals: Signals | null = null;
  /** Null before there were any. */
  #certificates: Certificates | null = null;
  /** What is prepared. */
  #next: Prepared | null = null;
  /** What is in force; null before there is anything. */
  #generation: Generation | null = null;

  constructor({ plan, thread, backlog, inherited }: ThreadData, post: (message: ToControl) => void) {
    const { configuration, memory } = plan;
    this.#thread = thread;
    this.#post = post;
    this.#counters = new ThreadCounters(memory.counters, counterShape(configuration.threads), thread);
    this.#batch = { backlog, dropped: () => this.#counters.lineDropped() };
    const send = (lines: string) => post({ type: "log", lines });
    this.#log = new ThreadLog({ ...this.#batch, send, level: configuration.log.level });
    this.#doors = new Doors({
      wire: this.#wire,
      inherited,
      acceptFailed: ({ options: { name } }, code) =>
        this.#log.event("warn", "accept", { listener: name, code }),
      leftOut: ({ options: { name } }, { message }) =>
        this.#log.event("warn", "left-out", { listener: name, thread, detail: message }),
    });
    setInterval(() => this.#sweep(), SWEEP_MS);
    setInterval(() => this.#signal(), SIGNAL_MS);
  }

  /** Begins with what it was born with. */
  async begin(plan: Plan): Promise<void> {
    await this.#prepare(0, plan);
    this.#commit();
  }

  async obey(message: ToData): Promise<void> {
    switch (message.type) {
      case "prepare":
        return this.#prepare(message.number, message.plan);
      case "commit":
        this.#commit();
        return this.#post({ type: "committed", number: message.number });
      case "abort":
        this.#next = null;
        return this.#doors.abort();
      case "tls":
        return this.#certificates?.replace(certificateOptions(message.material));
      case "drain":
        return this.#drain();
      case "cut":
        return this.#sessions.cutAll();
      default:
        return message satisfies never;
    }
  }

  async #prepare(number: number, plan: Plan): Promise<void> {
    const { configuration, places, memory, endpoints, tls } = plan;
    if (tls !== null) this.#certificates ??= new Certificates(certificateOptions(tls));
    const bans = bansOf(configuration, memory);
    const generation = makeGates(configuration, {
      memory,
      places,
      thread: this.#thread,
      wire: this.#wire,
      certificates: this.#certificates,
      bans,
      clock: systemClock,
      sessions: this.#sessions,
      observer: this.#observer,
      former: this.#generation,
    });
    const prepared = await this.#doors.prepare(generation.gates, endpoints);
    if (!prepared.ok) {
      const { listener, message } = prepared;
      return this.#post({ type: "unbound", number, listener, message });
    }
    this.#next = { configuration, bans, generation };
    this.#post({ type: "prepared", number, endpoints: prepared.endpoints, wire: this.#wire.name });
  }

  #commit(): void {
    if (this.#next === null) return;
    const { configuration, bans, generation } = this.#next;
    const { log, hostname, crowdsec } = configuration;
    this.#next = null;
    this.#doors.commit();
    if (this.#generation !== null) relieve(this.#generation, generation);
    this.#generation = generation;
    this.#post({ type: "open", descriptors: this.#doors.descriptors });
    this.#bans = bans;
    this.#log.level = log.level;
    this.#stock?.flush();
    const send = (lines: string) => this.#post({ type: "stock", lines });
    this.#stock =
      log.stockLines && new StockLog({ ...this.#batch, send, kind: log.stockLines.kind, hostname });
    this.#signals = crowdsec?.alerts == null ? null : (this.#signals ?? new Signals());
  }

  #sweep(): void {
    this.#sessions.sweep();
    if (this.#bans.concernSessions()) this.#sessions.recheckAll(this.#bans);
  }

  #signal(): void {
    const signals = this.#signals?.take(systemClock.seconds()) ?? [];
    if (signals.length > 0) this.#post({ type: "signals", signals });
  }

  #drain(): void {
    this.#doors.close();
    this.#sessions.drainAll();
    this.#sessions.whenEmpty(() => {
      this.#log.flush();
      this.#stock?.flush();
      this.#post({ type: "drained" });
    });
  }

  #makeObserver(): Observer {
    return {
      accepted: (gate) => this.#counters.accepted(gate.index),
      connected: (gate, milliseconds) => this.#counters.connected(gate.poolIndex, milliseconds),
      unparked: (gate, outcome) => this.#counters.unparked(gate.poolIndex, outcome),
      limited: (gate, client, { excess, count, limit, refused }) => {
        if (excess === null) return;
        if (!refused) this.#counters.dryRun(gate.index, excess);
        const event = { service: gate.options.name, client, reason: excess, count, limit, dryRun: !refused };
        this.#log.limit(event);
        this.#signals?.limited(event);
      },
      withheld: (gate, event) => this.#counters.refused(gate.index, event),
      delivered: (gate) => this.#counters.delivered(gate.index),
      login: (gate, login) => {
        this.#counters.login(gate.index, login.ok);
        this.#log.login(gate.options.name, login);
        this.#stock?.login(gate.options, login);
      },
      ended: (gate, record) => {
        this.#counters.ended(gate.index, record);
        this.#log.session(gate.options, record);
        this.#stock?.session(gate.options, record);
        this.#signals?.ended(gate.options.name, record);
      },
    };
  }
}

/** A message between threads makes mere bytes of a Buffer. */
function certificateOptions({ ticketKeys, ...same }: TlsMaterial): CertificateOptions {
  return { ...same, ticketKeys: Buffer.from(ticketKeys) };
}

if (parentPort !== null) {
  const port = parentPort;
  const data: ThreadData = workerData;
  const thread = new DataThread(data, (message) => port.postMessage(message));
  // One after the other: an address may be bound in a later turn.
  let done = thread.begin(data.plan);
  port.on("message", (message: ToData) => {
    done = done.then(() => thread.obey(message));
  });
}

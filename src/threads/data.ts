/**
 * A data thread: its own event loop, its own listening sockets on the ports that all of them share, its own sessions.
 * This file is where such a thread starts. It touches no file and waits for nobody; what it has to say goes to the control
 * thread in messages.
 */
import { parentPort, workerData } from "node:worker_threads";
import { systemClock } from "../clock.ts";
import type { EnforcedBans } from "../crowdsec/bans.ts";
import { Signals } from "../crowdsec/signals.ts";
import { ThreadCounters } from "../observe/counters.ts";
import { StockLog } from "../observe/stocklog.ts";
import { ThreadLog } from "../observe/threadlog.ts";
import type { Gate, Observer } from "../proxy/gate.ts";
import { Session } from "../proxy/session.ts";
import { Sessions, SWEEP_MS } from "../proxy/sessions.ts";
import type { TlsMaterial } from "../tls/keeper.ts";
import { type CertificateOptions, Certificates } from "../wire/certificates.ts";
import { chooseWire } from "../wire/choose.ts";
import { ListenError, type Listening } from "../wire/wire.ts";
import { makeGates } from "./gates.ts";
import type { Endpoints, ThreadData, ToControl, ToData } from "./messages.ts";
import { bansOf, counterShape } from "./shared.ts";

/** How often the control thread is told what was seen of misbehaving clients. */
const SIGNAL_MS = 1000;

class DataThread {
  readonly #post: (message: ToControl) => void;
  readonly #log: ThreadLog;
  /** Null: nobody wants its lines. */
  readonly #stock: StockLog | null;
  readonly #counters: ThreadCounters;
  readonly #bans: EnforcedBans;
  /** Null: nobody wants to know. */
  readonly #signals: Signals | null;
  readonly #sessions = new Sessions(systemClock);
  readonly #wire = chooseWire(process.env);
  readonly #certificates: Certificates | null;
  readonly #gates: readonly Gate[];
  #listening: Listening[] = [];
  #isDraining = false;

  constructor(data: ThreadData, post: (message: ToControl) => void) {
    const { configuration, thread, memory, tls, backlog } = data;
    this.#post = post;
    this.#counters = new ThreadCounters(memory.counters, counterShape(configuration), thread);
    const { log, hostname } = configuration;
    const batch = { backlog, dropped: () => this.#counters.lineDropped() };
    const sendLog = (lines: string) => post({ type: "log", lines });
    this.#log = new ThreadLog({ ...batch, send: sendLog, level: log.level });
    const sendStock = (lines: string) => post({ type: "stock", lines });
    this.#stock =
      log.stockLines && new StockLog({ ...batch, send: sendStock, kind: log.stockLines.kind, hostname });
    this.#bans = bansOf(configuration, memory);
    this.#signals = configuration.crowdsec?.alerts == null ? null : new Signals();
    this.#certificates = tls && new Certificates(certificateOptions(tls));
    this.#gates = makeGates(configuration, {
      memory,
      thread,
      wire: this.#wire,
      certificates: this.#certificates,
      bans: this.#bans,
      clock: systemClock,
      sessions: this.#sessions,
      observer: this.#observer(),
    });
    setInterval(() => this.#sweep(), SWEEP_MS);
    if (this.#signals !== null) setInterval(() => this.#signal(this.#signals!), SIGNAL_MS);
  }

  obey(message: ToData): void {
    switch (message.type) {
      case "listen":
        void this.#listen(message.endpoints);
        return;
      case "tls":
        this.#certificates?.replace(certificateOptions(message.material));
        return;
      case "drain":
        return this.#drain();
      case "cut":
        return this.#sessions.cutAll();
      default:
        return message satisfies never;
    }
  }

  #sweep(): void {
    this.#sessions.sweep();
    if (this.#bans.concernSessions()) this.#sessions.recheckAll();
  }

  #signal(signals: Signals): void {
    const taken = signals.take(systemClock.seconds());
    if (taken.length > 0) this.#post({ type: "signals", signals: taken });
  }

  /** All or nothing. */
  async #listen(endpoints: Endpoints): Promise<void> {
    for (const gate of this.#gates) {
      for (const endpoint of endpoints[gate.index]!) {
        try {
          const listening = await this.#wire.listen({
            endpoint,
            reusePort: true,
            onConnection: (connection) => new Session(gate, connection).accept(),
            onAcceptError: (code) => this.#log.event("warn", "accept", { listener: gate.options.name, code }),
          });
          this.#listening.push(listening);
          // Told to drain while an address was being bound.
          if (this.#isDraining) return this.#stopListening();
        } catch (error) {
          if (!(error instanceof ListenError)) throw error;
          this.#stopListening();
          return this.#post({ type: "unbound", listener: gate.options.name, message: error.message });
        }
      }
    }
    this.#post({ type: "listening", endpoints: this.#bound(endpoints), wire: this.#wire.name });
  }

  #bound(endpoints: Endpoints): Endpoints {
    const bound = this.#listening.values();
    return endpoints.map((asked) => asked.map(() => bound.next().value!.endpoint));
  }

  #drain(): void {
    this.#isDraining = true;
    this.#stopListening();
    this.#sessions.drainAll();
    this.#sessions.whenEmpty(() => {
      this.#log.flush();
      this.#stock?.flush();
      this.#post({ type: "drained" });
    });
  }

  #stopListening(): void {
    for (const listening of this.#listening) listening.close();
    this.#listening = [];
  }

  #observer(): Observer {
    const counters = this.#counters;
    const log = this.#log;
    const stock = this.#stock;
    const signals = this.#signals;
    return {
      accepted: (gate) => counters.accepted(gate.index),
      connected: (gate, milliseconds) => counters.connected(gate.poolIndex, milliseconds),
      limited: (gate, client, { excess, count, limit, refused }) => {
        if (excess === null) return;
        if (!refused) counters.dryRun(gate.index, excess);
        const event = { service: gate.options.name, client, reason: excess, count, limit, dryRun: !refused };
        log.limit(event);
        signals?.limited(event);
      },
      withheld: (gate, event) => counters.refused(gate.index, event),
      delivered: (gate) => counters.delivered(gate.index),
      login: (gate, login) => {
        counters.login(gate.index, login.ok);
        log.login(gate.options.name, login);
        stock?.login(gate.options, login);
      },
      ended: (gate, record) => {
        counters.ended(gate.index, record);
        log.session(gate.options, record);
        stock?.session(gate.options, record);
        signals?.ended(gate.options.name, record);
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
  port.on("message", (message: ToData) => thread.obey(message));
}

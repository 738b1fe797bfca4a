/**
 * The thread that speaks with CrowdSec's local API: it keeps the ban list up to date, and tells LAPI what came of it. This
 * file is where it starts. It carries no mail and answers no page, and gives way to the threads that do, so that half a
 * million decisions hold nobody up.
 */
import { setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { type Address, Networks } from "../address.ts";
import { systemClock } from "../clock.ts";
import { Alerts } from "../crowdsec/alerts.ts";
import { BanList } from "../crowdsec/banlist.ts";
import { Cache } from "../crowdsec/cache.ts";
import { readDecision, readKey } from "../crowdsec/decision.ts";
import type { Tell } from "../crowdsec/exchange.ts";
import { Lapi } from "../crowdsec/lapi.ts";
import { LiveList } from "../crowdsec/live.ts";
import { Shelf } from "../crowdsec/shelf.ts";
import { DecisionStream } from "../crowdsec/stream.ts";
import { operatingSystem, type Usage, UsageMetrics } from "../crowdsec/usage.ts";
import { Counters } from "../observe/counters.ts";
import type { FromLapi, LapiData, ToLapi } from "./messages.ts";

/** How often it is looked whether something is due to be told. */
const TICK_MS = 1000;

/**
 * How much this thread gives way (nice(2)). Where it has to share a core with a busy thread that carries mail, it gets a
 * tenth: of half a million decisions it then makes a list within half a minute, and of an update within seconds.
 */
const NICENESS = 10;

/** What everything here is timed by. */
const times = { clock: systemClock, wallMs: Date.now, random: Math.random };

class LapiThread {
  readonly #post: (message: FromLapi) => void;
  readonly #log: Tell;
  readonly #lapi: Lapi;
  readonly #live: LiveList;
  readonly #stream: DecisionStream;
  readonly #counters: Counters;
  readonly #usage: UsageMetrics;
  /** Null: none are pushed. */
  readonly #alerts: Alerts | null;
  /** Null: the list is not kept. */
  readonly #cache: Cache | null;
  #isEnding = false;

  constructor(data: LapiData, post: (message: FromLapi) => void) {
    const { options, version, spared } = data;
    const { origins, otherTypes, cache, alerts, usageMetricsIntervalMs } = options;
    const log: Tell = (level, event, fields) => post({ type: "event", level, event, fields });
    const networks = new Networks(spared);
    const isProtected = (client: Address) => networks.contains(client);
    const lapi = new Lapi(options, version);
    const common = { ...times, lapi, log };
    this.#post = post;
    this.#log = log;
    this.#lapi = lapi;
    this.#live = new LiveList({ shelf: new Shelf(data.shelf), clock: systemClock, byId: origins.length > 0 });
    this.#stream = new DecisionStream({
      ...times,
      options,
      log,
      fetch: (path, take) => lapi.stream(path, take),
      live: this.#live,
      reader: {
        decision: (raw, nowSeconds) => readDecision(raw, { nowSeconds, otherTypes }),
        key: readKey,
      },
      isProtected: (network) => networks.overlaps(network),
    });
    this.#counters = new Counters(data.counters, data.shape);
    this.#usage = new UsageMetrics({
      ...common,
      intervalMs: usageMetricsIntervalMs,
      version,
      os: operatingSystem(),
      read: () => this.#usageNow(),
      told: data.told,
      accepted: (told) => post({ type: "told", told }),
    });
    // A machine logs in with its password: LAPI would judge a bouncer's certificate first.
    const { url, ca } = options;
    const asMachine = new Lapi({ url, ca, credentials: null }, version);
    this.#alerts = alerts && new Alerts({ ...times, lapi: asMachine, log, options: alerts, isProtected });
    const made = JSON.stringify([[...origins].sort(), otherTypes]);
    this.#cache = cache === null ? null : new Cache({ ...times, path: cache, made, log });
  }

  start(): void {
    if (!this.#live.isReceived) this.#restore();
    this.#post({ type: "restored" });
    setInterval(() => this.#tick(), TICK_MS);
    void this.#update();
  }

  obey(message: ToLapi): void {
    switch (message.type) {
      case "signals":
        return this.#alerts?.note(message.signals);
      case "doubt":
        return this.#stream.doubt();
      case "stop":
        return void this.#end();
      default:
        return message satisfies never;
    }
  }

  /** Keeps the list once there is one: an empty one of our own would pass for LAPI's after the next start. */
  get #keeper(): Cache | null {
    return this.#live.isReceived ? this.#cache : null;
  }

  #restore(): void {
    const kept = this.#cache?.restore((memory) => BanList.isSound(memory));
    if (kept == null) return;
    this.#live.restore(new BanList(kept.memory), kept.shiftSeconds);
    if (!this.#live.isReceived) return;
    this.#log("info", "decisions-restored", { decisions: this.#live.size });
  }

  /** LAPI is asked nothing new. Whoever wants the end has a deadline for it. */
  async #end(): Promise<void> {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#keeper?.finish(this.#live.list.bytes);
    await this.#usage.end();
    this.#lapi.close();
    process.exit();
  }

  async #update(): Promise<void> {
    if (this.#isEnding) return;
    const waitMs = await this.#stream.poll();
    this.#post({ type: "status", status: this.#stream.status });
    this.#keeper?.keep(this.#live.list.bytes);
    setTimeout(() => void this.#update(), waitMs);
  }

  #tick(): void {
    void this.#usage.tick();
    void this.#alerts?.tick();
  }

  #usageNow(): Usage {
    const counters = this.#counters;
    const { list } = this.#live;
    return {
      processed: { ipv4: counters.clients(4), ipv6: counters.clients(6) },
      dropped: list.origins.map((origin, index) => {
        return { origin, ipv4: counters.banned(index, 4), ipv6: counters.banned(index, 6) };
      }),
      active: list.counts(systemClock.seconds()),
    };
  }
}

/** On Linux it is a thread that has a priority, here the one that asks; elsewhere all of the process would be meant. */
function giveWay(): void {
  if (process.platform !== "linux") return;
  try {
    setPriority(NICENESS);
  } catch {
    // Where it is forbidden, time is shared evenly, which does no harm but while a list is made.
  }
}

if (parentPort !== null) {
  giveWay();
  const port = parentPort;
  const data: LapiData = workerData;
  const thread = new LapiThread(data, (message) => port.postMessage(message));
  port.on("message", (message: ToLapi) => thread.obey(message));
  thread.start();
}

/**
 * Usage metrics, pushed to LAPI: how many connections were judged, how many were refused and by whose decisions, and how
 * many decisions hold.
 *
 * The counters are somebody else's and only grow. What is owned here is what LAPI has accepted of them: the next push says
 * the difference, so that nothing is told twice and nothing is lost while LAPI is away. Whoever comes next goes on with that.
 * It is driven by `tick`, and told of its end.
 */
import { readFileSync } from "node:fs";
import { release } from "node:os";
import type { Clock } from "../clock.ts";
import { type Exchange, hasStatus, json, type Tell, Trouble } from "./exchange.ts";

/** A LAPI older than 1.6.3 has no usage metrics. It is updated some day. */
const UNSUPPORTED_MS = 24 * 60 * 60 * 1000;

/** Replicas that started together do not push together. */
const JITTER = 0.1;

/** The schema's bound on every text. */
const TEXT_MAX = 255;

interface ByFamily {
  readonly ipv4: number;
  readonly ipv6: number;
}

interface ByOrigin extends ByFamily {
  /** `lists:NAME` for one of the lists. */
  readonly origin: string;
}

/** The numbers as they stand. */
export interface Usage {
  /** Connections judged since the start, those refused included. */
  readonly processed: ByFamily;
  /** Connections refused since the start. */
  readonly dropped: readonly ByOrigin[];
  /** Decisions that hold now. */
  readonly active: readonly ByOrigin[];
}

export interface OperatingSystem {
  readonly name: string;
  readonly family: string;
  readonly version: string;
}

export interface UsageTerms {
  /** 0: nothing is pushed. */
  readonly intervalMs: number;
  /** Postern's. */
  readonly version: string;
  readonly os: OperatingSystem;
  readonly clock: Clock;
  /** The time of day. */
  wallMs(): number;
  /** From 0 to 1. */
  random(): number;
  read(): Usage;
  /** Null: nothing was accepted since the counters began. */
  readonly told: Told | null;
  /** LAPI has accepted more. */
  accepted(told: Told): void;
  readonly lapi: Pick<Exchange, "post">;
  readonly log: Tell;
}

/** One number, named as LAPI has it. */
interface Reading {
  readonly name: "processed" | "dropped" | "active_decisions";
  readonly unit: "request" | "ip";
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Numbers by what tells them apart. */
type Readings = ReadonlyMap<string, Reading>;

/** What LAPI has accepted, and when by the clock: plain data, for whoever goes on with it. */
export interface Told {
  readonly readings: Readings;
  readonly ms: number;
}

export class UsageMetrics {
  readonly #terms: UsageTerms;
  readonly #trouble: Trouble;
  readonly #startedWallMs: number;
  #told: Told;
  #dueMs: number;
  #isUnsupported = false;
  #isBusy = false;

  constructor(terms: UsageTerms) {
    this.#terms = terms;
    this.#trouble = new Trouble("usage-metrics", terms.log);
    this.#startedWallMs = terms.wallMs();
    const nowMs = terms.clock.milliseconds();
    this.#told = terms.told ?? { readings: new Map(), ms: nowMs };
    this.#dueMs = nowMs + this.#intervalMs();
  }

  /** To be called once a second. Pushes when it is time. */
  async tick(): Promise<void> {
    const nowMs = this.#terms.clock.milliseconds();
    if (this.#terms.intervalMs === 0 || this.#isBusy || nowMs < this.#dueMs) return;
    await this.#pushAt(nowMs);
  }

  /** What has not been told yet is told at once, where it can be. */
  async end(): Promise<void> {
    if (this.#terms.intervalMs === 0 || this.#isBusy || this.#isUnsupported) return;
    await this.#pushAt(this.#terms.clock.milliseconds());
  }

  async #pushAt(nowMs: number): Promise<void> {
    this.#isBusy = true;
    this.#dueMs = nowMs + this.#intervalMs();
    await this.#push(nowMs);
    this.#isBusy = false;
  }

  async #push(nowMs: number): Promise<void> {
    const readings = readingsOf(this.#terms.read());
    const body = JSON.stringify(this.#report(readings, nowMs));
    const answer = await this.#terms.lapi.post("/v1/usage-metrics", body, json);
    if (hasStatus(answer, 404)) return this.#wait(nowMs);
    if (!hasStatus(answer, 201)) return this.#trouble.met(answer);
    this.#told = { readings, ms: nowMs };
    this.#terms.accepted(this.#told);
    this.#isUnsupported = false;
    this.#trouble.over();
  }

  /** The numbers go on meanwhile: whoever updates LAPI does not lose them. */
  #wait(nowMs: number): void {
    this.#dueMs = nowMs + UNSUPPORTED_MS;
    if (!this.#isUnsupported) this.#terms.log("info", "usage-metrics-unsupported", {});
    this.#isUnsupported = true;
  }

  /** LAPI's form. It takes exactly one component, and `metrics` as an array, whatever its documentation shows. */
  #report(readings: Readings, nowMs: number): object {
    const { version, os } = this.#terms;
    const meta = {
      window_size_seconds: Math.round((nowMs - this.#told.ms) / 1000),
      utc_now_timestamp: Math.floor(this.#terms.wallMs() / 1000),
    };
    const component = {
      name: "postern",
      type: "crowdsec-postern-bouncer",
      version: `v${version}`,
      feature_flags: [],
      utc_startup_timestamp: Math.floor(this.#startedWallMs / 1000),
      os: { name: cut(os.name), family: cut(os.family), version: cut(os.version) },
      metrics: [{ meta, items: itemsOf(readings, this.#told.readings) }],
    };
    return { remediation_components: [component] };
  }

  #intervalMs(): number {
    return this.#terms.intervalMs * (1 + JITTER * (2 * this.#terms.random() - 1));
  }
}

/** What this system calls itself; where it does not, what its kernel is. */
export function operatingSystem(): OperatingSystem {
  const kernel = { name: process.platform, version: release() };
  try {
    return osOf(readFileSync("/etc/os-release", "utf8"), kernel);
  } catch {
    return osOf("", kernel);
  }
}

/** The same from os-release(5): `KEY=value` lines, the value perhaps in quotes. A rolling distribution has no version. */
export function osOf(osRelease: string, kernel: { name: string; version: string }): OperatingSystem {
  const field = (key: string) => new RegExp(`^${key}=(["']?)([^"'].*)\\1$`, "m").exec(osRelease)?.[2];
  return {
    name: field("NAME") ?? kernel.name,
    family: kernel.name,
    version: field("VERSION_ID") ?? kernel.version,
  };
}

function readingsOf({ processed, dropped, active }: Usage): Readings {
  const readings = [
    ...bothOf({ name: "processed", unit: "request", labels: {} }, processed),
    ...dropped.flatMap((by) => {
      const labels = { origin: cut(by.origin), remediation: "ban" };
      return bothOf({ name: "dropped", unit: "request", labels }, by);
    }),
    ...active.flatMap((by) =>
      bothOf({ name: "active_decisions", unit: "ip", labels: { origin: cut(by.origin) } }, by),
    ),
  ];
  return new Map(
    readings.map((reading) => [JSON.stringify([reading.name, reading.labels]), reading] as const),
  );
}

function bothOf(kind: Omit<Reading, "value">, { ipv4, ipv6 }: ByFamily): Reading[] {
  const of = (family: string, value: number) => ({
    ...kind,
    labels: { ...kind.labels, ip_type: family },
    value,
  });
  return [of("ipv4", ipv4), of("ipv6", ipv6)];
}

/**
 * What there is to say beyond what LAPI has accepted. Nothing need be said of zeros, but for two: that none of an origin's
 * decisions hold any more, and that no connection came, so that there always is something.
 */
function itemsOf(readings: Readings, accepted: Readings): Reading[] {
  const items = [...readings].flatMap(([key, reading]) => {
    const before = accepted.get(key)?.value ?? 0;
    if (reading.name === "active_decisions") return reading.value + before > 0 ? [reading] : [];
    // A counter that is behind was begun anew.
    const value = reading.value < before ? reading.value : reading.value - before;
    return value > 0 || reading.name === "processed" ? [{ ...reading, value }] : [];
  });
  const gone = [...accepted].filter(
    ([key, { name, value }]) => name === "active_decisions" && value > 0 && !readings.has(key),
  );
  return [...items, ...gone.map(([, reading]) => ({ ...reading, value: 0 }))];
}

/** Without half a character at its end. */
function cut(text: string): string {
  return text.slice(0, TEXT_MAX).toWellFormed();
}

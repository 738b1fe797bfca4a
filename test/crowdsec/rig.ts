/** A decision stream as it stands in postern: a LAPI on loopback, a list, a log; the time is the test's. */
import type { Test } from "tap";
import { Network } from "../../src/address.ts";
import type { Decision, DecisionKey } from "../../src/crowdsec/decision.ts";
import type { Changes, Reader } from "../../src/crowdsec/intake.ts";
import { Lapi } from "../../src/crowdsec/lapi.ts";
import { DecisionStream, type Live, type StreamTerms } from "../../src/crowdsec/stream.ts";
import { type FakeLapi, startLapi, type WireDecision } from "../servers/lapi.ts";

/** One line: level, event, and what it says. */
type Line = readonly [string, string, Readonly<Record<string, unknown>>];

export interface Rig {
  readonly server: FakeLapi;
  readonly stream: DecisionStream;
  readonly list: ModelList;
  readonly time: MovedTime;
  /** What the log has got since it was asked last. */
  lines(): Line[];
  /** Waits as long as the last poll said, then polls; gives the seconds that it waited. */
  poll(): Promise<number>;
  /** The queries of the polls since it was asked last: `full` or `delta`. */
  asked(): string[];
}

/** What the model holds at most. */
const SIZE_MAX = 1000;

/** The list's meaning, in a map: what is enforced, by scope, network and type. */
class ModelList implements Live {
  readonly #time: MovedTime;
  #decisions = new Map<string, Decision>();
  applied = 0;
  /** How many removals it was asked for. */
  removed = 0;

  constructor(time: MovedTime) {
    this.#time = time;
  }

  /** In the order of their texts. */
  get values(): string[] {
    return [...this.#decisions.values()].map(({ network }) => text(network)).sort();
  }

  get size(): number {
    const now = this.#time.seconds();
    return [...this.#decisions.values()].filter(({ endsSeconds }) => endsSeconds > now).length;
  }

  changes(isFull: boolean): ModelChanges {
    return new ModelChanges(isFull);
  }

  apply({ added, removed, isFull }: ModelChanges): boolean {
    const size = added.length + (isFull ? 0 : this.#decisions.size - removed.length);
    if (size > SIZE_MAX) return false;
    this.applied++;
    this.removed += removed.length;
    if (isFull) this.#decisions.clear();
    for (const key of removed) this.#decisions.delete(keyOf(key));
    for (const decision of added) this.#decisions.set(keyOf(decision), decision);
    return true;
  }
}

class ModelChanges implements Changes {
  readonly added: Decision[] = [];
  readonly removed: DecisionKey[] = [];
  readonly isFull: boolean;

  constructor(isFull: boolean) {
    this.isFull = isFull;
  }

  add(decision: Decision): boolean {
    return this.added.length < SIZE_MAX && this.added.push(decision) > 0;
  }

  remove(key: DecisionKey): void {
    this.removed.push(key);
  }
}

/** The monotonic clock and the time of day, which go together unless the test moves one of them. */
class MovedTime {
  nowMs = 5_000_000;
  wallMs = Date.UTC(2026, 10, 22);

  milliseconds(): number {
    return this.nowMs;
  }

  seconds(): number {
    return Math.floor(this.nowMs / 1000);
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.wallMs += ms;
  }
}

const text = ({ address, length }: Network) =>
  length === (address.family === 4 ? 32 : 128) ? address.text : `${address.text}/${length}`;

const keyOf = ({ scope, network, type }: DecisionKey) => `${scope} ${text(network)} ${type}`;

/** As much of a reader as the tests' decisions need. */
const reader: Reader = {
  decision(raw, nowSeconds) {
    const key = keyIn(raw);
    if (typeof key === "string") return key;
    const { origin, scenario, duration } = raw as WireDecision;
    if (duration.startsWith("-")) return "expired";
    const hours = Number.parseInt(duration, 10);
    return { ...key, origin, scenario, tarpits: false, endsSeconds: nowSeconds + hours * 3600 };
  },
  key: keyIn,
};

function keyIn(raw: unknown): DecisionKey | string {
  if (typeof raw !== "object" || raw === null || !("scope" in raw)) return "malformed";
  const { scope, value, type, id } = raw as WireDecision;
  const name = scope.toLowerCase();
  if (name !== "ip" && name !== "range") return `scope-${name}`;
  const network = Network.parse(value);
  return network === null ? "value" : { scope: name, network, type, id };
}

/** `silenceMs` is how long a LAPI may say nothing: short only where it never will. */
export async function startRig(t: Test, others: Partial<StreamTerms> = {}, silenceMs = 20_000): Promise<Rig> {
  const server = await startLapi(t);
  const time = new MovedTime();
  const list = new ModelList(time);
  const lapi = new Lapi({ url: server.url, credentials: { kind: "key", apiKey: "k" }, ca: null }, "0.0.0", {
    connectMs: 20_000,
    firstByteMs: silenceMs,
    silenceMs,
    answerMs: 20_000,
  });
  t.teardown(() => lapi.close());
  const lines: Line[] = [];
  const stream = new DecisionStream({
    options: { updateFrequencyMs: 10_000, origins: [] },
    fetch: (path, take) => lapi.stream(path, take),
    live: list,
    clock: time,
    wallMs: () => time.wallMs,
    // The middle of the jitter, so that waits are what they are without it.
    random: () => 0.5,
    log: (level, event, fields) => void lines.push([level, event, fields]),
    reader,
    isProtected: () => false,
    ...others,
  });
  let waitMs = 0;
  let askedBefore = 0;
  return {
    server,
    stream,
    list,
    time,
    lines: () => lines.splice(0),
    poll: async () => {
      const waited = waitMs;
      time.pass(waited);
      waitMs = await stream.poll();
      return waited / 1000;
    },
    asked: () => {
      const fresh = server.asked.slice(askedBefore);
      askedBefore = server.asked.length;
      return fresh.map(({ path }) => (path.includes("startup=true") ? "full" : "delta"));
    },
  };
}

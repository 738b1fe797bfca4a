/** What the tests of what is pushed to LAPI share: time that is moved, a log that remembers, answers as they are told. */
import type { Test } from "tap";
import type { Clock } from "../../src/clock.ts";
import type { Exchange, Tell } from "../../src/crowdsec/exchange.ts";
import { type Answer, type Headers, Lapi } from "../../src/crowdsec/lapi.ts";

/** The wall clock's time at the monotonic clock's zero. */
export const EPOCH_MS = Date.parse("2026-11-22T10:00:00Z");

export interface Time extends Clock {
  pass(seconds: number): void;
  wallMs(): number;
}

/** Time that passes when it is told to. */
export function madeTime(): Time {
  let nowMs = 1_000_000;
  return {
    pass: (seconds) => {
      nowMs += seconds * 1000;
    },
    milliseconds: () => nowMs,
    seconds: () => Math.floor(nowMs / 1000),
    wallMs: () => EPOCH_MS + nowMs,
  };
}

export function isoAt(seconds: number): string {
  return new Date(EPOCH_MS + seconds * 1000).toISOString();
}

interface Told {
  readonly level: string;
  readonly event: string;
  readonly fields: unknown;
}

export interface Log {
  readonly told: Told[];
  readonly tell: Tell;
  readonly events: string[];
}

export function memory(): Log {
  const told: Told[] = [];
  return {
    told,
    tell: (level, event, fields) => void told.push({ level, event, fields }),
    get events() {
      return told.map(({ event }) => event);
    },
  };
}

export interface Request {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
}

/** Remembers what it is asked; `answer` decides what is said to it. */
export class Asked implements Exchange {
  readonly requests: Request[] = [];
  answer: (request: Request) => Answer | Promise<Answer>;

  constructor(answer: (request: Request) => Answer | Promise<Answer>) {
    this.answer = answer;
  }

  async post(path: string, body: string, headers: Headers): Promise<Answer> {
    return this.#ask({ method: "POST", path, headers, body });
  }

  async get(path: string, headers: Headers): Promise<Answer> {
    return this.#ask({ method: "GET", path, headers, body: "" });
  }

  get paths(): string[] {
    return this.requests.map(({ path }) => path);
  }

  forget(): void {
    this.requests.length = 0;
  }

  #ask(request: Request): Answer | Promise<Answer> {
    this.requests.push(request);
    return this.answer(request);
  }
}

/** A real one, until the test ends. */
export function lapiAt(t: Test, url: string): Lapi {
  const lapi = new Lapi({ url, credentials: { kind: "key", apiKey: "key" }, ca: null }, "1.2.3");
  t.teardown(() => lapi.close());
  return lapi;
}

/** Whole mail sessions, many at a time, and the back end that takes them. The first one that fails ends the bench. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Connection } from "../../src/wire/wire.ts";
import { Pace, type Sample } from "./pace.ts";
import { mail, openings, type Script, Talk } from "./talk.ts";
import { type Backend, loopback, startBackend, wire } from "./wire.ts";

/** No measurement takes so long: a proxy that lets a session hang shall not hang the bench. */
const runMsMax = 120_000;

const POLL_MS = 20;

let started = 0;

/** Begins a session; `over` hears of its end, or what went wrong. */
export type Begin = (over: (fault: string | null) => void) => void;

/** Plays the mail server: PROXY v2 header, then its side of the script, then it closes. */
export function startMailServer(script: Script = mail): Promise<Backend> {
  return startBackend((connection) => {
    const talk = new Talk({ steps: script.server, finished: () => connection.end(), over: () => {} });
    connection.owner = talk;
    talk.onConnect(connection);
  });
}

/** The next client's PROXY header. */
export function nextOpening(): Buffer {
  return openings[started++ % openings.length]!;
}

/** Sessions of one client after the other, in the clear. */
export function sessionsTo(port: number, script: Script = mail): Begin {
  return (over) =>
    wire.connect(
      loopback(port),
      new Talk({ steps: script.client, opening: nextOpening(), finished: () => {}, over }),
    );
}

/** A closed loop: `parallel` sessions at a time until `count` are done. Resolves with the seconds that it took. */
export function runSessions(begin: Begin, count: number, parallel: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const timer = setTimeout(() => reject(new Error(`${count} sessions took too long`)), runMsMax);
    let begun = 0;
    let done = 0;
    const next = () => {
      begun++;
      begin(over);
    };
    const over = (fault: string | null) => {
      done++;
      if (fault !== null) reject(new Error(`session ${done} of ${count}: ${fault}`));
      else if (begun < count) next();
      if (done < count && fault === null) return;
      clearTimeout(timer);
      resolve((performance.now() - began) / 1000);
    };
    while (begun < Math.min(parallel, count)) next();
  });
}

/** One mail, and a word when the greeting comes: the server says nothing before it. */
class Greeted extends Talk {
  readonly #greeted: () => void;
  #isGreeted = false;

  constructor(greeted: () => void, ended: () => void) {
    const over = (fault: string | null) => {
      if (fault !== null) throw new Error(`a session failed: ${fault}`);
      ended();
    };
    super({ steps: mail.client, opening: nextOpening(), finished: () => {}, over });
    this.#greeted = greeted;
  }

  override onData(connection: Connection, bytes: Uint8Array): void {
    if (!this.#isGreeted) this.#greeted();
    this.#isGreeted = true;
    super.onData(connection, bytes);
  }
}

/** An open loop: so many sessions are begun in a second, each timed until it is greeted. Begins with its making. */
export class SteadySessions {
  readonly #pace: Pace;
  #underWay = 0;

  constructor(port: number, perSecond: number) {
    this.#pace = new Pace(perSecond, (greeted) => {
      this.#underWay++;
      wire.connect(loopback(port), new Greeted(greeted, () => this.#underWay--));
    });
  }

  /** Those that were meant to begin in this time. */
  between(fromMs: number, toMs: number): Sample[] {
    return this.#pace.between(fromMs, toMs);
  }

  /** Begins no more, and lets those that are under way end: a proxy would end them when it is stopped. */
  async stop(): Promise<void> {
    this.#pace.stop();
    const endMs = performance.now() + runMsMax;
    while (this.#underWay > 0) {
      if (performance.now() > endMs) throw new Error(`${this.#underWay} sessions took too long`);
      await sleep(POLL_MS);
    }
  }
}

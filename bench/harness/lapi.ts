/**
 * A LAPI that costs next to nothing: it has its answers ready as bytes, in the form and length of the real one's, and gives
 * whichever it is told to. That everything is asked for anew it brings about as a real one does, by failing once.
 *
 * Its decisions are numbered, and each number has an address that no other has, and none of the
 * clients of a bench that are let in.
 */
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A community blocklist that replaces itself: so many decisions come, and as many go. */
export const DELTA = 15_000;

/** One in so many is on an IPv6 network. */
const IPV6_EVERY = 20;

/** Odd, so that numbers below 2^24 stay different from one another. */
const SCATTER = 0x9e3779;

const ORIGINS = ["CAPI", "crowdsec", "cscli", "lists"];

/** However busy the machine is. */
const LOAD_MS_MAX = 60_000;
const POLL_MS = 100;

/** What comes next, at the question after this one at the earliest. */
type News = "nothing" | "failure" | "delta";

/** From a question to the one after it. */
export interface Update {
  readonly askedMs: number;
  readonly nextAskedMs: number;
}

export interface StandInOptions {
  readonly decisions: number;
  /** It has none until it is told to `load`. */
  readonly startsEmpty: boolean;
}

export class StandInLapi {
  readonly #server: Server;
  readonly #full: Buffer;
  /** The first decisions go and others come; then the other way about. */
  readonly #deltas: readonly [Buffer, Buffer];
  #news: News = "nothing";
  /** The full answer is kept back; an empty one is given in its place. */
  #isEmpty: boolean;
  #changes = 0;
  #askedMs = 0;
  /** Whether the question at `#askedMs` got an answer that somebody waits for the end of. */
  #isWorking = false;
  #finished: (update: Update) => void = () => {};

  static async start(options: StandInOptions): Promise<StandInLapi> {
    const lapi = new StandInLapi(options);
    await new Promise<void>((resolve) => lapi.#server.listen(0, "127.0.0.1", resolve));
    return lapi;
  }

  private constructor({ decisions: size, startsEmpty }: StandInOptions) {
    this.#isEmpty = startsEmpty;
    const first: Run = [0, DELTA];
    const others: Run = [size, DELTA];
    this.#full = answerOf([0, size], none);
    this.#deltas = [answerOf(others, first), answerOf(first, others)];
    this.#server = createServer(({ url = "" }, response) => {
      if (url.startsWith("/v1/decisions/stream")) this.#answer(url.includes("startup=true"), response);
      else response.writeHead(404).end();
    });
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  /** The length of the answer that has everything. */
  get megabytes(): number {
    return this.#full.length / 1e6;
  }

  /** Has everything asked for; resolves when the question after it comes. */
  load(): Promise<Update> {
    this.#isEmpty = false;
    this.#changes = 0;
    return this.#bring("failure");
  }

  /** Has so many decisions come, and as many go. */
  change(): Promise<Update> {
    return this.#bring("delta");
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #bring(news: News): Promise<Update> {
    this.#news = news;
    return new Promise((resolve) => {
      this.#finished = resolve;
    });
  }

  #answer(isFull: boolean, response: ServerResponse): void {
    const nowMs = performance.now();
    if (this.#isWorking) this.#finished({ askedMs: this.#askedMs, nextAskedMs: nowMs });
    this.#askedMs = nowMs;
    const news = this.#news;
    this.#news = "nothing";
    this.#isWorking = news === "delta" || (isFull && !this.#isEmpty);
    if (news === "failure") response.writeHead(500).end();
    else response.writeHead(200, { "content-type": "application/json" }).end(this.#body(isFull, news));
  }

  #body(isFull: boolean, news: News): Buffer {
    if (isFull) return this.#isEmpty ? nothing : this.#full;
    return news === "delta" ? this.#deltas[this.#changes++ % 2]! : nothing;
  }
}

/** Waits until the gateway whose admin pages are there has so many decisions. */
export async function untilHeld(adminPort: number, decisions: number): Promise<void> {
  const end = performance.now() + LOAD_MS_MAX;
  while (performance.now() < end) {
    const answer: unknown = await (await fetch(`http://127.0.0.1:${adminPort}/api/bans`)).json();
    if (typeof answer === "object" && answer !== null && "total" in answer && answer.total === decisions)
      return;
    await sleep(POLL_MS);
  }
  throw new Error(`postern does not have ${decisions} decisions`);
}

type Run = readonly [first: number, count: number];

const none: Run = [0, 0];

const nothing = answerOf(none, none);

function answerOf(added: Run, deleted: Run): Buffer {
  const parts = [Buffer.from('{"new":['), ...list(added, "3h59m12s"), Buffer.from('],"deleted":[')];
  return Buffer.concat([...parts, ...list(deleted, "-1s"), Buffer.from("]}")]);
}

/** By the thousand, as each is small and all are large. */
function* list([first, count]: Run, duration: string): Generator<Buffer> {
  for (let from = 0; from < count; from += 1000) {
    const length = Math.min(1000, count - from);
    const texts = Array.from({ length }, (_, index) =>
      JSON.stringify(decision(first + from + index, duration)),
    );
    yield Buffer.from(`${from === 0 ? "" : ","}${texts.join()}`);
  }
}

function decision(number: number, duration: string): object {
  return {
    duration,
    id: number + 1,
    origin: ORIGINS[number % ORIGINS.length],
    scenario: `crowdsecurity/scenario-${number % 60}`,
    scope: "Ip",
    type: "ban",
    uuid: `8f2d3c1e-5b7a-4c9d-8e1f-${number.toString(16).padStart(12, "0")}`,
    value: bannedAddress(number),
  };
}

/** Whom the decision with this number is about. */
export function bannedAddress(number: number): string {
  return number % IPV6_EVERY === 0 ? ipv6(number) : ipv4(number);
}

/** From 1.0.0.0 to 202.255.255.255. */
function ipv4(number: number): string {
  const low = (number * SCATTER) % 2 ** 24;
  return [1 + (number % 202), low >>> 16, (low >>> 8) & 255, low & 255].join(".");
}

/** A /64 each. */
function ipv6(number: number): string {
  return `2a00:${(number >>> 16).toString(16)}:${(number & 0xffff).toString(16)}:1::1`;
}

/**
 * HTTP with CrowdSec's local API: who postern is, how long it waits, how much it takes.
 *
 * It owns the connections, which are kept for the next request, and nothing else: what is asked for and what the answers mean
 * is for others. Whatever goes wrong is a value; its texts are codes and numbers, so that no key can be in them. It repeats
 * no request: LAPI may have taken one whose answer never came.
 */
import { readFileSync } from "node:fs";
import { Agent, type ClientRequest, type IncomingMessage, type RequestOptions, request } from "node:http";
import { Agent as TlsAgent, request as tlsRequest } from "node:https";
import { readCertificates, readPair } from "../certificates.ts";
import { errorCode } from "../files.ts";
import type { CrowdsecOptions, LapiCredentials } from "./options.ts";

/** LAPI stands on the same machine, or in the next room. */
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * LAPI 1.4.6 begins to answer when it has the whole answer in its memory: with half a million decisions on a small machine
 * that takes it tens of seconds.
 */
const FIRST_BYTE_TIMEOUT_MS = 60_000;

/** Between two pieces of an answer that has begun. */
const SILENCE_TIMEOUT_MS = 10_000;

/** However steadily an answer trickles: the largest one passes within this at 2 MB/s. */
const ANSWER_TIMEOUT_MS = 300_000;

/** Longer than the longest wait between two polls of those who have not chosen a longer one. */
const IDLE_TIMEOUT_MS = 120_000;

/** Six times what half a million decisions come to. */
const STREAM_BYTES_MAX = 512 * 1024 * 1024;

/** A token, or the numbers of some alerts. */
const REPLY_BYTES_MAX = 64 * 1024;

/**
 * - `unreachable`: no connection came about, or LAPI is not who it should be.
 * - `timeout`: it is, but says nothing, or too little.
 * - `forbidden`: it does not know us.
 * - `status`: another status than the one for success.
 * - `truncated`: the connection ended before the answer.
 * - `malformed`: the answer cannot be read.
 * - `too-large`: there is too much of it.
 */
export const faultKinds = [
  "unreachable",
  "timeout",
  "forbidden",
  "status",
  "truncated",
  "malformed",
  "too-large",
] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface Fault {
  readonly failed: FaultKind;
  /** A code or a number; never what LAPI wrote. */
  readonly detail: string;
}

/** What LAPI said, whatever its status, or why that is not known. */
export type Answer = { readonly status: number; readonly body: string } | Fault;

export type Headers = Readonly<Record<string, string>>;

export interface Timeouts {
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly silenceMs: number;
  readonly answerMs: number;
}

/** Of an answer that has begun, `answerMs` bounds the whole, from the request on. */
const patience: Timeouts = {
  connectMs: CONNECT_TIMEOUT_MS,
  firstByteMs: FIRST_BYTE_TIMEOUT_MS,
  silenceMs: SILENCE_TIMEOUT_MS,
  answerMs: ANSWER_TIMEOUT_MS,
};

export interface LapiOptions extends Pick<CrowdsecOptions, "url" | "ca"> {
  /** Null: whoever asks shows who it is by itself. */
  readonly credentials: LapiCredentials | null;
}

/** What one exchange is made of. */
interface Question {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
  readonly answerBytesMax: number;
  /** Takes a piece of the answer. False: what follows is not wanted, and the connection is ended. */
  take(status: number, chunk: Uint8Array): boolean;
}

/** What postern shows of itself, and whom it believes. */
type Identity = RequestOptions & { readonly headers: Headers };

export class Lapi {
  readonly #options: LapiOptions;
  readonly #userAgent: string;
  readonly #timeouts: Timeouts;
  readonly #agent: Agent;
  readonly #underWay = new Set<Exchange>();
  #isClosed = false;

  /** `version` is postern's own, without a `v`. */
  constructor(options: LapiOptions, version: string, timeouts: Timeouts = patience) {
    this.#options = options;
    // LAPI splits it at its slash and wants two parts.
    this.#userAgent = `crowdsec-postern-bouncer/v${version}`;
    this.#timeouts = timeouts;
    const keeping = { keepAlive: true, timeout: IDLE_TIMEOUT_MS };
    this.#agent = options.url.startsWith("https:") ? new TlsAgent(keeping) : new Agent(keeping);
  }

  /**
   * Hands the body of an answer with status 200 to `take`, piece by piece; null when that was all of it. `take` says false
   * when it can make no sense of what it has got.
   */
  async stream(path: string, take: (chunk: Uint8Array) => boolean): Promise<Fault | null> {
    let isRead = true;
    const status = await this.#exchange({
      method: "GET",
      path,
      headers: {},
      body: "",
      answerBytesMax: STREAM_BYTES_MAX,
      take: (status, chunk) => {
        isRead = status === 200 && take(chunk);
        return isRead;
      },
    });
    if (typeof status !== "number") return status;
    if (status === 401 || status === 403) return { failed: "forbidden", detail: `${status}` };
    if (status !== 200) return { failed: "status", detail: `${status}` };
    return isRead ? null : { failed: "malformed", detail: "body" };
  }

  get(path: string, headers: Headers): Promise<Answer> {
    return this.#ask({ method: "GET", path, headers, body: "" });
  }

  post(path: string, body: string, headers: Headers): Promise<Answer> {
    return this.#ask({ method: "POST", path, headers, body });
  }

  /** Gives up what is under way, and ends the connections. */
  close(): void {
    this.#isClosed = true;
    for (const exchange of this.#underWay) exchange.abort();
    this.#agent.destroy();
  }

  async #ask(asked: Pick<Question, "method" | "path" | "headers" | "body">): Promise<Answer> {
    const parts: Uint8Array[] = [];
    const take = (_: number, chunk: Uint8Array) => parts.push(chunk) > 0;
    const status = await this.#exchange({ ...asked, answerBytesMax: REPLY_BYTES_MAX, take });
    return typeof status === "number" ? { status, body: Buffer.concat(parts).toString() } : status;
  }

  /** The status of an answer that has come to its end, or as far as it was wanted. */
  async #exchange(question: Question): Promise<number | Fault> {
    if (this.#isClosed) return closed;
    const identity = this.#identity();
    if ("failed" in identity) return identity;
    const exchange = this.#begin(question, identity);
    if ("failed" in exchange) return exchange;
    this.#underWay.add(exchange);
    const result = await exchange.result;
    this.#underWay.delete(exchange);
    return result;
  }

  #begin(question: Question, identity: Identity): Exchange | Fault {
    const { method, path, headers, body } = question;
    const url = `${this.#options.url}${path}`;
    try {
      const options = {
        ...identity,
        method,
        agent: this.#agent,
        headers: { "user-agent": this.#userAgent, ...identity.headers, ...headers },
      };
      const asked = url.startsWith("https:") ? tlsRequest(url, options) : request(url, options);
      asked.end(body);
      return new Exchange(asked, question, this.#timeouts);
    } catch (error) {
      // Node takes no header or path with line ends in it.
      return unreachable(errorCode(error));
    }
  }

  /**
   * The files are read for each request: a connection is used again only for what it was made with, so that a new
   * certificate gets a new one.
   */
  #identity(): Identity | Fault {
    const { credentials, ca } = this.#options;
    const authorities = ca === null ? null : readCertificates(ca, readFile);
    if (authorities !== null && !authorities.ok) return unreachable(`ca: ${authorities.message}`);
    const trust = authorities === null ? {} : { ca: authorities.text };
    if (credentials === null) return { ...trust, headers: {} };
    if (credentials.kind === "key") return { ...trust, headers: { "x-api-key": credentials.apiKey } };
    const read = readPair(credentials.files, readFile);
    if (read.ok) return { ...trust, ...read.pair, headers: {} };
    const { part, message } = read.flaws[0]!;
    return unreachable(`${part}: ${message}`);
  }
}

const readFile = (path: string) => readFileSync(path, "utf8");

const unreachable = (detail: string): Fault => ({ failed: "unreachable", detail });

const closed = unreachable("closed");

/** Watches over one request that is under way: its deadlines, its bound, its end. */
class Exchange {
  readonly result: Promise<number | Fault>;
  readonly #asked: ClientRequest;
  readonly #question: Question;
  readonly #timeouts: Timeouts;
  readonly #deadlineMs: number;
  #resolve: (result: number | Fault) => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #isConnected = false;
  #answerBytes = 0;

  constructor(asked: ClientRequest, question: Question, timeouts: Timeouts) {
    this.#asked = asked;
    this.#question = question;
    this.#timeouts = timeouts;
    this.#deadlineMs = performance.now() + timeouts.answerMs;
    this.result = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#wait(timeouts.connectMs, "connect");
    asked.on("error", (error) => this.#fail(error));
    asked.once("socket", (socket) => {
      if (asked.reusedSocket) this.#connected();
      else socket.once(asked.protocol === "https:" ? "secureConnect" : "connect", () => this.#connected());
    });
    asked.once("response", (answer) => this.#follow(answer));
  }

  abort(): void {
    this.#end(closed);
  }

  #connected(): void {
    this.#isConnected = true;
    this.#wait(this.#timeouts.firstByteMs, "first byte");
  }

  #follow(answer: IncomingMessage): void {
    const { statusCode: status = 0 } = answer;
    this.#wait(this.#timeouts.silenceMs, "silence");
    answer.on("data", (chunk: Buffer) => this.#take(status, chunk));
    answer.once("end", () => this.#end(status));
    answer.on("error", (error) => this.#fail(error));
  }

  #take(status: number, chunk: Buffer): void {
    this.#answerBytes += chunk.length;
    if (this.#answerBytes > this.#question.answerBytesMax) {
      this.#end({ failed: "too-large", detail: `${this.#answerBytes} bytes` });
    } else if (performance.now() > this.#deadlineMs) {
      this.#end({ failed: "timeout", detail: "answer" });
    } else if (this.#question.take(status, chunk)) {
      this.#timer?.refresh();
    } else {
      this.#end(status);
    }
  }

  #wait(timeoutMs: number, detail: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end({ failed: "timeout", detail }), timeoutMs);
  }

  #fail(error: Error): void {
    this.#end(faultOf(errorCode(error), this.#isConnected));
  }

  /** Whatever comes first is the result. */
  #end(result: number | Fault): void {
    clearTimeout(this.#timer);
    this.#resolve(result);
    // Where the answer has come to its end the connection is kept all the same: it is no more this request's.
    this.#asked.destroy();
  }
}

/** `HPE_…` are the codes of Node's HTTP parser. */
function faultOf(code: string, isConnected: boolean): Fault {
  if (code.startsWith("HPE_")) return { failed: "malformed", detail: code };
  return { failed: isConnected ? "truncated" : "unreachable", detail: code };
}

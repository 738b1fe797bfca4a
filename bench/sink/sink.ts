/**
 * A back end that is not the bottleneck: SMTP or IMAP on as many threads as asked, with exact counts, and with what the
 * first sessions announced. Whoever starts it stops it; it never ends by itself.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import type { CertificateFiles } from "../harness/certificate.ts";
import type { Spent } from "../harness/proc.ts";
import type { Protocol } from "../load/plan.ts";
import { type Identity, type SinkCounts, sumOf } from "./counts.ts";
import type { HeaderKind } from "./header.ts";
import type { Question, Report, Said, ThreadData } from "./thread.ts";

export interface SinkOptions {
  readonly protocol: Protocol;
  /** One by default. */
  readonly threads?: number;
  /** Which PROXY header is awaited; `auto`, the default: the one that comes, or none. */
  readonly proxy?: HeaderKind;
  /** With it there is STARTTLS, or TLS from the first byte. */
  readonly certificate?: Pick<CertificateFiles, "certFile" | "keyFile">;
  readonly isImplicit?: boolean;
  /** What IMAP's messages have; 3 KB by default. */
  readonly messageBytes?: number;
  /** Of so many sessions it keeps what they announced; none by default. */
  readonly record?: number;
  readonly host?: string;
  readonly port?: number;
}

export interface Sink {
  readonly port: number;
  counts(): Promise<SinkCounts>;
  identities(): Promise<readonly Identity[]>;
  /** By each thread. */
  spent(): Promise<readonly Spent[]>;
  /** Ends all sessions at once, and listens no more. */
  stop(): Promise<void>;
}

/** Node needs a fraction of a second for a thread, and several where the machine is busy. */
const START_MS_MAX = 10_000;

/** A question waits for what the thread has at hand: milliseconds. */
const ANSWER_MS_MAX = 10_000;

/** What RFC 5077 tickets are sealed with in Node: name, HMAC key and AES key. */
const TICKET_KEY_BYTES = 48;

const MESSAGE_BYTES = 3072;

/** Rejects where the address cannot be bound. */
export async function startSink(options: SinkOptions): Promise<Sink> {
  const data = dataOf(options);
  const members: Member[] = [];
  const stop = async () => {
    await Promise.all(members.map((member) => member.stop()));
  };
  const ask = (wantsIdentities: boolean) => Promise.all(members.map((member) => member.ask(wantsIdentities)));
  let port = data.port;
  const start = async (thread: number) => {
    const member = new Member({ ...data, port, thread });
    members.push(member);
    return member.listening();
  };
  try {
    // The others join the first one on the port that it got.
    port = await start(0);
    await Promise.all(Array.from({ length: data.threads - 1 }, (_, index) => start(index + 1)));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    port,
    counts: async () => sumOf((await ask(false)).map(({ counts }) => counts)),
    identities: async () => (await ask(true)).flatMap(({ identities }) => identities).slice(0, data.record),
    spent: async () => (await ask(false)).map(({ spent }) => spent),
    stop,
  };
}

function dataOf(options: SinkOptions): Omit<ThreadData, "thread"> {
  const { certificate } = options;
  return {
    protocol: options.protocol,
    proxy: options.proxy ?? "auto",
    host: options.host ?? "127.0.0.1",
    port: options.port ?? 0,
    messageBytes: options.messageBytes ?? MESSAGE_BYTES,
    record: options.record ?? 0,
    isImplicit: options.isImplicit ?? false,
    tls:
      certificate === undefined
        ? null
        : {
            cert: readFileSync(certificate.certFile, "latin1"),
            key: readFileSync(certificate.keyFile, "latin1"),
            ticketKeys: randomBytes(TICKET_KEY_BYTES),
          },
    threads: options.threads ?? 1,
  };
}

/** A thread as the one that asks it sees it. When it dies, whatever waits for it fails. */
class Member {
  readonly #worker: Worker;
  readonly #listening = Promise.withResolvers<number>();
  readonly #asked = new Map<number, PromiseWithResolvers<Report>>();
  #number = 0;
  /** Why it is no more. */
  #death: Error | null = null;

  constructor(data: ThreadData) {
    this.#worker = new Worker(new URL("./thread.ts", import.meta.url), { workerData: data });
    this.#worker.on("message", (said: Said) => this.#hear(said));
    this.#worker.once("error", (error) => this.#fail(error));
    this.#worker.once("exit", () => this.#fail(new Error("a thread of the sink has ended")));
  }

  /** The port, once it listens. */
  listening(): Promise<number> {
    return within(START_MS_MAX, this.#listening);
  }

  ask(wantsIdentities: boolean): Promise<Report> {
    if (this.#death !== null) return Promise.reject(this.#death);
    const number = this.#number++;
    const asked = Promise.withResolvers<Report>();
    this.#asked.set(number, asked);
    this.#worker.postMessage({ number, wantsIdentities } satisfies Question);
    return within(ANSWER_MS_MAX, asked).finally(() => this.#asked.delete(number));
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }

  #hear(said: Said): void {
    switch (said.type) {
      case "listening":
        return this.#listening.resolve(said.port);
      case "failed":
        return this.#listening.reject(new Error(said.message));
      case "report":
        return this.#asked.get(said.report.number)?.resolve(said.report);
      default:
        return said satisfies never;
    }
  }

  #fail(error: Error): void {
    this.#death ??= error;
    this.#listening.reject(error);
    for (const asked of this.#asked.values()) asked.reject(error);
  }
}

async function within<T>(ms: number, { promise, reject }: PromiseWithResolvers<T>): Promise<T> {
  const timer = setTimeout(() => reject(new Error(`the sink says nothing for ${ms} ms`)), ms);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * One data thread as the control thread speaks with it: a worker that is asked one question at a time, each with a
 * deadline, and that says things unasked. It is over when the worker has ended; then whoever waits is told so.
 */
import { Worker } from "node:worker_threads";
import type { TlsMaterial } from "../tls/keeper.ts";
import type { Answer, Endpoints, Plan, ThreadData, ToControl, ToData } from "./messages.ts";

/** Binding takes milliseconds; a thread that is busy with many sessions answers within its turn of the event loop. */
const ANSWER_MS = 10_000;

/** On a busy machine a thread takes seconds to load its code. */
const START_MS = 60_000;

/**
 * So much V8 may give to a data thread's young objects. By itself it lets them grow to 48 MiB before it collects the dead
 * among them: 2 KiB for each of 9,000 idle sessions. With a sixth of that a session costs no more CPU.
 */
const YOUNG_MIB = 8;

/** What a thread says that nobody has asked for. */
export type Remark = Exclude<ToControl, Answer>;

export interface MemberOwner {
  heard(member: Member, remark: Remark): void;
  /** An exception that nobody has caught; the end follows. */
  broke(member: Member, error: unknown): void;
  ended(member: Member): void;
}

interface Question {
  readonly number: number;
  answer(answer: Answer): void;
  fail(why: string): void;
}

export class Member {
  readonly thread: number;
  readonly backlog: Int32Array;
  readonly startedMs = performance.now();
  isListening = false;
  isDrained = false;
  /** What it listens with, as it said last. */
  descriptors: readonly number[] = [];
  /** What it listens on, once it does. @throws Error where it came to nothing. */
  readonly born: Promise<Endpoints>;
  /** Which way the bytes go: see `wire/`. */
  wire = "";
  readonly #worker: Worker;
  #numbers = 0;
  #question: Question | null = null;

  constructor(data: ThreadData, owner: MemberOwner) {
    this.thread = data.thread;
    this.backlog = data.backlog;
    this.#worker = new Worker(new URL("./data.ts", import.meta.url), {
      workerData: data,
      name: `data-${data.thread}`,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
    });
    this.#worker.on("message", (message: ToControl) => this.#heard(message, owner));
    this.#worker.on("error", (error) => owner.broke(this, error));
    this.#worker.on("exit", () => {
      this.#question?.fail("ended");
      owner.ended(this);
    });
    this.born = this.#bound(this.#answerTo(0, START_MS));
  }

  /** @throws Error that says which address it could not bind, or that it ended or does not answer. */
  prepare(plan: Plan): Promise<Endpoints> {
    const number = ++this.#numbers;
    const answer = this.#answerTo(number, ANSWER_MS);
    this.#send({ type: "prepare", number, plan });
    return this.#bound(answer);
  }

  /** Resolves when it is done. That cannot fail: a thread which ends over it is replaced by one that is born so. */
  async commit(): Promise<void> {
    const number = ++this.#numbers;
    const answer = this.#answerTo(number, ANSWER_MS);
    this.#send({ type: "commit", number });
    await answer.catch(() => {});
  }

  abort(): void {
    this.#send({ type: "abort" });
  }

  equip(material: TlsMaterial): void {
    this.#send({ type: "tls", material });
  }

  drain(): void {
    this.#send({ type: "drain" });
  }

  cut(): void {
    this.#send({ type: "cut" });
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #send(message: ToData): void {
    this.#worker.postMessage(message);
  }

  async #bound(answer: Promise<Answer>): Promise<Endpoints> {
    const said = await answer;
    if (said.type === "unbound") throw new Error(`listeners.${said.listener}.listen: ${said.message}`);
    if (said.type !== "prepared") throw new Error(`data thread ${this.thread} answered ${said.type}`);
    this.wire = said.wire;
    this.isListening = true;
    return said.endpoints;
  }

  #answerTo(number: number, timeoutMs: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer);
        this.#question = null;
      };
      const fail = (why: string) => {
        done();
        reject(new Error(`data thread ${this.thread} ${why}`));
      };
      const timer = setTimeout(() => fail("does not answer"), timeoutMs);
      const answer = (said: Answer) => {
        done();
        resolve(said);
      };
      this.#question = { number, answer, fail };
    });
  }

  #heard(message: ToControl, owner: MemberOwner): void {
    if (!("number" in message)) return owner.heard(this, message);
    // One that comes too late is no answer to what was asked since.
    if (message.number === this.#question?.number) this.#question.answer(message);
  }
}

/**
 * LAPI's book of decisions: the fake LAPI answers from it as the real one does, everything at first and then what has
 * changed since it was last asked. What is taken back within one poll is said as taken back, too.
 */
import type { Test } from "tap";
import { changes, decision, type FakeLapi, json, startLapi, text, type WireDecision } from "./lapi.ts";
import { until } from "./process.ts";

export class Book {
  /** Called for everything that is not the stream. */
  other: FakeLapi["answer"] = json({ message: "not found" }, 404);
  readonly #decisions = new Map<number, WireDecision>();
  #added: WireDecision[] = [];
  #deleted: WireDecision[] = [];
  #lastId = 0;
  #polls = 0;

  /** By hand, for four hours, unless `others` says something else. */
  ban(value: string, others: Partial<WireDecision> = {}): WireDecision {
    const made = decision(++this.#lastId, value, others);
    this.#decisions.set(made.id, made);
    this.#added.push(made);
    return made;
  }

  lift(...lifted: readonly WireDecision[]): void {
    for (const each of lifted) {
      this.#decisions.delete(each.id);
      this.#added = this.#added.filter(({ id }) => id !== each.id);
      this.#deleted.push({ ...each, duration: "-1s" });
    }
  }

  /** As if they had never been: no answer says that they are taken back. */
  lose(...lost: readonly WireDecision[]): void {
    for (const { id } of lost) this.#decisions.delete(id);
  }

  /** Resolves when all that was done until now has been asked for, and the answer has been dealt with: the next poll came. */
  async settled(): Promise<void> {
    const enough = this.#polls + 2;
    await until("two polls", () => this.#polls >= enough);
  }

  readonly answer: FakeLapi["answer"] = (response, asked) => {
    if (!asked.path.startsWith("/v1/decisions/stream?")) return this.other(response, asked);
    this.#polls++;
    const isFull = asked.path.includes("startup=true");
    const added = isFull ? [...this.#decisions.values()] : this.#added;
    text(changes(added, isFull ? [] : this.#deleted))(response, asked);
    this.#added = [];
    this.#deleted = [];
  };
}

export interface Library {
  readonly lapi: FakeLapi;
  readonly book: Book;
}

/** A fake LAPI that answers from a book, on any port unless it is said on which. */
export async function startBook(t: Test, port: number | null = null, book = new Book()): Promise<Library> {
  const lapi = await startLapi(t, port);
  lapi.answer = book.answer;
  return { lapi, book };
}

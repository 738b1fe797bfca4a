/**
 * One answer of the stream while it is read: what it would change, and what of it cannot be obeyed.
 *
 * It owns what it collects and applies nothing. A decision is an object only until it is added to the changes; of those that
 * are left out one example of a kind is kept, of those that somebody protected is free of a bounded number.
 */
import type { Network } from "../address.ts";
import type { Decision, DecisionKey } from "./decision.ts";
import type { ListName } from "./scan.ts";

/** As many lines of the log as an operator reads; the others are counted. */
const OVERRULED_MAX = 100;

/** An IPv6 network is shorter, and so is the name of nearly every scenario. */
const SHOWN_LENGTH_MAX = 64;

/** What answers are turned into: all that is removed counts as removed before anything is added. */
export interface Changes {
  /** False: there are more than a list can hold. */
  add(decision: Decision): boolean;
  remove(key: DecisionKey): void;
}

/** What an element means; a text says why it means nothing. */
export interface Reader {
  decision(raw: unknown, nowSeconds: number): Decision | string;
  key(raw: unknown): DecisionKey | string;
}

/** Decisions that were left out for one reason. */
export interface Ignored {
  count: number;
  /** The first one's value. */
  readonly example: string;
}

export interface IntakeTerms {
  readonly reader: Reader;
  /** Whether it has an address in it that is never banned. */
  isProtected(network: Network): boolean;
  /** The decisions that have been told of as overruled. */
  readonly told: ReadonlySet<number>;
}

export class Intake {
  readonly changes: Changes;
  /** By the reader's words for it. */
  readonly ignored = new Map<string, Ignored>();
  /** Of those not told of before, the first ones. */
  readonly overruled: Decision[] = [];
  /** How many there were besides. */
  overruledMore = 0;
  added = 0;
  removed = 0;
  /** There are more than a list can hold. */
  isTooLarge = false;
  readonly #terms: IntakeTerms;
  readonly #isFull: boolean;

  constructor(terms: IntakeTerms, changes: Changes, isFull: boolean) {
    this.#terms = terms;
    this.changes = changes;
    this.#isFull = isFull;
  }

  take(list: ListName, raw: unknown, nowSeconds: number): void {
    if (list === "new") this.#add(raw, nowSeconds);
    // A full answer begins with nothing, and has all that ever expired for its deleted ones.
    else if (!this.#isFull) this.#remove(raw);
  }

  #add(raw: unknown, nowSeconds: number): void {
    const decision = this.#terms.reader.decision(raw, nowSeconds);
    if (typeof decision === "string") return this.#ignore(decision, raw);
    if (!this.changes.add(decision)) this.isTooLarge = true;
    this.added++;
    if (!this.#terms.isProtected(decision.network) || this.#terms.told.has(decision.id)) return;
    if (this.overruled.length < OVERRULED_MAX) this.overruled.push(decision);
    else this.overruledMore++;
  }

  /** What cannot be read here could not be when it was new, either. */
  #remove(raw: unknown): void {
    const key = this.#terms.reader.key(raw);
    if (typeof key === "string") return;
    this.changes.remove(key);
    this.removed++;
  }

  #ignore(kind: string, raw: unknown): void {
    const ignored = this.ignored.get(kind);
    if (ignored === undefined) this.ignored.set(kind, { count: 1, example: exampleOf(raw) });
    else ignored.count++;
  }
}

function exampleOf(raw: unknown): string {
  const isObject = typeof raw === "object" && raw !== null;
  return isObject && "value" in raw && typeof raw.value === "string" ? shown(raw.value) : "";
}

/** Text of LAPI's in a line of the log: without the spaces that all of the stock parsers' patterns need, and not too long. */
export function shown(text: string): string {
  return text.slice(0, SHOWN_LENGTH_MAX).replace(/[^\w.:/@+-]/g, "?");
}

/**
 * Figures while they are taken, and what they come to: medians, ranges, ratios. A ratio is the median of the rounds' own
 * ratios, as only figures of the same round can be held against one another. Pure.
 */
import { median } from "../harness/report.ts";
import type { Result } from "../load/result.ts";
import type { Case, Figure } from "../report/comparison.ts";
import type { Measure } from "./trials.ts";

/** A run, and how quiet the machine was meanwhile. */
export interface Observed {
  readonly result: Result;
  /** What processes had that have no part in it, in cores. */
  readonly othersCores: number;
}

/** What a machine does beside, when nothing else is to be done: less than a fifth of a core. */
const OTHERS_CORES_MIN = 0.2;

/** The figures of one measure. */
export class Score {
  readonly #measure: Measure;
  readonly #words: string;
  readonly #isClients: boolean;
  /** Of each peer, by round; a round may be missing. */
  readonly #values = new Map<string, Map<number, number>>();
  /** What others had of the machine in each run, in cores. */
  readonly #others: number[] = [];
  /** Runs through a proxy, and of these those in which the load was at its own limit. */
  #through = 0;
  #limited = 0;

  /** Where the clients measure, and not a process, what they could not do is said. */
  constructor(measure: Measure, words: string, isClients: boolean) {
    this.#measure = measure;
    this.#words = words;
    this.#isClients = isClients;
  }

  note(peer: string, round: number, { result, othersCores }: Observed): void {
    const value = this.#measure.of(result);
    if (value === null) return;
    this.#others.push(othersCores);
    if (peer !== "direct") this.#through++;
    if (peer !== "direct" && result.harness.isBottleneck) this.#limited++;
    const values = this.#values.get(peer) ?? new Map<number, number>();
    this.#values.set(peer, values.set(round, value));
  }

  /** Null where nobody has a figure; `peers` says the order. */
  case(peers: readonly string[], reference: string): Case | null {
    const figures = peers.flatMap((peer) => this.#figure(peer, reference) ?? []);
    if (figures.length === 0) return null;
    const { name, question, unit, better } = this.#measure;
    const plan = [this.#words, ...this.#doubts()].join("; ");
    return { name, question, unit, better, plan, figures };
  }

  /** What makes the figures less than they seem. */
  #doubts(): string[] {
    const others = median(this.#others);
    const busy = `something else had ${others.toFixed(1)} cores meanwhile`;
    const limit = `in ${this.#limited} of ${this.#through} runs through a proxy the load itself was at its limit`;
    return [
      ...(others >= OTHERS_CORES_MIN ? [busy] : []),
      ...(this.#isClients && this.#limited > 0 ? [limit] : []),
    ];
  }

  #figure(peer: string, reference: string): Figure | null {
    const byRound = this.#values.get(peer);
    if (byRound === undefined) return null;
    const values = [...byRound.values()];
    return {
      peer,
      values,
      median: median(values),
      min: Math.min(...values),
      max: Math.max(...values),
      ratio: ratioOf(byRound, this.#values.get(reference)),
    };
  }
}

function ratioOf(
  values: ReadonlyMap<number, number>,
  references: ReadonlyMap<number, number> | undefined,
): number | null {
  const ratios = [...values].flatMap(([round, value]) => {
    const reference = references?.get(round);
    return reference === undefined || reference === 0 ? [] : [value / reference];
  });
  return ratios.length === 0 ? null : median(ratios);
}

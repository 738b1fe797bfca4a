/**
 * Figures while they are taken, and what they come to: medians, ranges, ratios. A ratio is the median of the rounds' own
 * ratios, as only figures of the same round can be held against one another. Pure.
 */
import { median } from "../harness/report.ts";
import type { Result } from "../load/result.ts";
import type { Case, Figure } from "../report/comparison.ts";
import type { Measure } from "./trials.ts";

/** The figures of one measure. */
export class Score {
  readonly #measure: Measure;
  readonly #words: string;
  readonly #isClients: boolean;
  /** Of each peer, by round; a round may be missing. */
  readonly #values = new Map<string, Map<number, number>>();
  #runs = 0;
  /** Of these, those in which the load was at its own limit. */
  #limited = 0;

  /** Where the clients measure, and not a process, what they could not do is said. */
  constructor(measure: Measure, words: string, isClients: boolean) {
    this.#measure = measure;
    this.#words = words;
    this.#isClients = isClients;
  }

  note(peer: string, round: number, result: Result): void {
    const value = this.#measure.of(result);
    if (value === null) return;
    this.#runs++;
    if (this.#isClients && result.harness.isBottleneck) this.#limited++;
    const values = this.#values.get(peer) ?? new Map<number, number>();
    this.#values.set(peer, values.set(round, value));
  }

  /** Null where nobody has a figure; `peers` says the order. */
  case(peers: readonly string[], reference: string): Case | null {
    const figures = peers.flatMap((peer) => this.#figure(peer, reference) ?? []);
    if (figures.length === 0) return null;
    const { name, question, unit, better } = this.#measure;
    const limit =
      this.#limited > 0 ? `; in ${this.#limited} of ${this.#runs} runs the load itself was at its limit` : "";
    return { name, question, unit, better, plan: `${this.#words}${limit}`, figures };
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

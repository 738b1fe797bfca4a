/**
 * A metric that holds nothing: its values are read from somewhere else at each scrape.
 *
 * prom-client's own classes keep a copy of every value and are brought up to date by adding; what postern counts is
 * already counted, in shared memory. So one class stands for counters, gauges and histograms alike, and formats nothing:
 * the registry does.
 */
import { Gauge, type Registry } from "prom-client";
import type { Distribution } from "./counters.ts";

export type Labels = Readonly<Record<string, string | number>>;

/** One line of the exposition. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
  /** Set where the line's name is not the metric's own: a histogram's parts. */
  readonly metricName?: string;
}

export interface SeriesOptions {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** The values, at this moment. The registry asks every metric in the same turn, so that they fit together. */
  read(): Iterable<Sample>;
}

export class Series extends Gauge {
  readonly #read: () => Iterable<Sample>;

  constructor(registry: Registry, options: SeriesOptions) {
    super({ name: options.name, help: options.help, registers: [registry] });
    this.#read = options.read;
    // The word that the base class gives out as the metric's type.
    Object.assign(this, { type: options.type });
  }

  override async get(): ReturnType<Gauge["get"]> {
    const values = [...this.#read()];
    return { ...(await super.get()), values };
  }
}

/** The lines of one histogram. */
export function* histogram(
  name: string,
  labels: Labels,
  bounds: readonly number[],
  { counts, sum }: Distribution,
): Iterable<Sample> {
  let count = 0;
  for (const [bucket, inBucket] of counts.entries()) {
    count += inBucket;
    yield { metricName: `${name}_bucket`, labels: { ...labels, le: bounds[bucket] ?? "+Inf" }, value: count };
  }
  yield { metricName: `${name}_sum`, labels, value: sum };
  yield { metricName: `${name}_count`, labels, value: count };
}

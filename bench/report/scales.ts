/**
 * From values to places in a plot: each scale takes its values to 0 (left, or below) … 1, and says where its ticks are.
 * Pure; every list of ticks is short whatever the values are.
 */

export interface Tick {
  readonly value: number;
  readonly text: string;
}

export interface Scale {
  /** What lies outside stays at the edge. */
  readonly at: (value: number) => number;
  readonly ticks: readonly Tick[];
  /** Whoever reads a plot has to be told. */
  readonly isLogarithmic: boolean;
}

/** Among so many eyes still find their way, and their texts have room on a phone. */
const TICKS_MAX = 6;

/** Along a scale of logarithms, which only ever stands upright or has short texts. */
const RUNGS_MAX = 8;

/** Up to six nines: more than a billion sessions would fill. */
const NINES_MAX = 6;

/** The round values of each decade, in equal steps on a scale of logarithms, or nearly. */
const RUNGS = [1, 2, 5] as const;

/** What differs in the last bits only is the same. */
const CLOSE = 1 + 1e-9;

/** From nothing to a round value at or above `max`. */
export function linearScale(max: number): Scale {
  const bound = max > 0 && Number.isFinite(max) ? max : 1;
  const step = roundStep(bound / (TICKS_MAX - 1));
  const intervals = Math.ceil(bound / step / CLOSE);
  const ticks = Array.from({ length: intervals + 1 }, (_, index) => tick(index * step));
  return { at: (value) => inside(value / (intervals * step)), ticks, isLogarithmic: false };
}

/** From a round value at or below `min` to one at or above `max`; both are above nothing. */
export function logScale(min: number, max: number): Scale {
  const near = RUNGS.length * Math.floor(Math.log10(min));
  const low = near + RUNGS.findLastIndex((_, index) => rung(near + index) <= min * CLOSE);
  let high = low + 1;
  while (rung(high) * CLOSE < max) high++;
  const rungs = Array.from({ length: high - low + 1 }, (_, index) => low + index);
  const decades = rungs.filter((index) => index % RUNGS.length === 0);
  const every = Math.ceil(decades.length / TICKS_MAX);
  const shown = rungs.length <= RUNGS_MAX ? rungs : decades.filter((_, index) => index % every === 0);
  const [from, to] = [Math.log10(rung(low)), Math.log10(rung(high))];
  return {
    at: (value) => inside((Math.log10(Math.max(value, Number.MIN_VALUE)) - from) / (to - from)),
    ticks: shown.map((index) => tick(rung(index))),
    isLogarithmic: true,
  };
}

/** Each further nine takes as much room as the one before: 0, 90, 99, 99.9, up to `max`, with all above it at the edge. */
export function percentileScale(max: number): Scale {
  const nines = (percentile: number) => -Math.log10(Math.max(1 - percentile / 100, 10 ** -NINES_MAX));
  const most = Math.max(nines(max), 2);
  const ticks = [
    50,
    ...Array.from({ length: NINES_MAX }, (_, index) => Number((100 - 10 ** (1 - index)).toFixed(NINES_MAX))),
  ];
  return {
    at: (percentile) => inside(nines(percentile) / most),
    ticks: ticks.filter((each) => nines(each) <= most * CLOSE).map(tick),
    // It is, but its ticks say so better than any word.
    isLogarithmic: false,
  };
}

/** Moves what is closer than `gap` apart, as little as it takes, all within 0 … `max` as far as there is room. */
export function spread(places: readonly number[], gap: number, max: number): readonly number[] {
  const order = places.map((place, index) => ({ place, index })).sort((a, b) => a.place - b.place);
  let least = 0;
  const down = order.map(({ place }) => {
    const at = Math.max(place, least);
    least = at + gap;
    return at;
  });
  let most = max;
  const moved: number[] = [];
  for (let rank = order.length - 1; rank >= 0; rank--) {
    const at = Math.min(down[rank]!, most);
    most = at - gap;
    moved[order[rank]!.index] = at;
  }
  return moved;
}

/** Beside a bar that is so many times as long, others are a line, and their differences nothing. */
const FAR = 5;

/**
 * How long bars can be drawn to their length: up to the longest of them, or without those that are far longer than all the
 * others, as long as these are the fewer.
 */
export function barsEnd(lengths: readonly number[]): number {
  const order = lengths.toSorted((a, b) => a - b);
  for (let rank = Math.floor(order.length / 2) + 1; rank < order.length; rank++)
    if (order[rank - 1]! > 0 && order[rank]! > FAR * order[rank - 1]!) return order[rank - 1]!;
  return Math.max(order.at(-1) ?? 0, Number.MIN_VALUE);
}

/** At most `most` of a list, evenly, with its first and its last. */
export function thinned<Item>(list: readonly Item[], most: number): readonly Item[] {
  if (list.length <= most) return list;
  const step = (list.length - 1) / (most - 1);
  return Array.from({ length: most }, (_, index) => list[Math.round(index * step)]!);
}

function tick(value: number): Tick {
  const text = String(Number(value.toPrecision(8)));
  return {
    value,
    text: text.includes(".") || text.includes("e") ? text : text.replace(/\B(?=(\d{3})+$)/g, ","),
  };
}

function inside(part: number): number {
  return Math.min(1, Math.max(0, part));
}

/** The smallest round value that is no less. */
function roundStep(least: number): number {
  let index = RUNGS.length * Math.floor(Math.log10(least));
  while (rung(index) * CLOSE < least) index++;
  return rung(index);
}

/** All round values in their order; that of 0 is 1. */
function rung(index: number): number {
  const decade = Math.floor(index / RUNGS.length);
  return Number(`${RUNGS[index - decade * RUNGS.length]}e${decade}`);
}

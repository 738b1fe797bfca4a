/**
 * Plots as SVG: lines along two axes, and bars. Each is drawn to a size in pixels, so that its texts are as large on a
 * phone as on a screen, and names its lines where they end: colour alone tells nobody anything.
 *
 * Colours and dashes are the style sheet's, by class. Pure.
 */
import { type Html, html, nothing } from "./html.ts";
import { barsEnd, type Scale, spread, type Tick, thinned } from "./scales.ts";
import { figureText, ratioText } from "./units.ts";

export interface Axis {
  /** What is counted, or in what. */
  readonly title: string;
  readonly scale: Scale;
}

export interface Line {
  readonly name: string;
  /** Which of the style sheet's; the same one for the same name throughout a page. */
  readonly style: number;
  /** From left to right. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** What a plot is to those who cannot see it. `id` is unique in its page. */
interface Words {
  readonly id: string;
  readonly title: string;
  readonly description: string;
}

export interface LinePlot extends Words {
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
}

interface Bar {
  readonly name: string;
  readonly style: number;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly ratio: number | null;
}

export interface BarPlot extends Words {
  readonly unit: string;
  readonly bars: readonly Bar[];
}

/** `wide` is half of a page on a screen, `narrow` a phone's width. */
export type Size = "wide" | "narrow";

const widths: Readonly<Record<Size, number>> = { wide: 540, narrow: 330 };
const heights: Readonly<Record<Size, number>> = { wide: 300, narrow: 270 };

/** How much of a name stands beside its line, or its bar. */
const nameLengths: Readonly<Record<Size, number>> = { wide: 18, narrow: 13 };

/** Of the style sheet's 12 pixels, in the widest of the usual fonts. */
const CHAR_WIDTH = 7.4;
const LINE_HEIGHT = 15;

/** Above the plot stands the y axis's title, below it the ticks' texts and the x axis's title. */
const TOP = 34;
const BOTTOM = 46;
const LEFT = 56;

/** Of a name's piece of line, and of the way that leads to it. */
const SWATCH = 18;
const LEADER = 10;

/** Half of the last tick's text. */
const ALONE_RIGHT = 26;

/** So many points of a line can be pointed at. */
const SPOTS_MAX = 24;

export function linePlot({ id, title, description, x, y, lines }: LinePlot, size: Size): Html {
  const [width, height] = [widths[size], heights[size]];
  // A line that is alone needs no name: it is the page's.
  const names = lines.length > 1 ? lines.map(({ name }) => cut(name, nameLengths[size])) : [];
  const right = names.length > 0 ? width - textWidth(names) - SWATCH - LEADER - 6 : width - ALONE_RIGHT;
  const bottom = height - BOTTOM;
  const place: Place = {
    x: (value) => px(LEFT + x.scale.at(value) * (right - LEFT)),
    y: (value) => px(bottom - y.scale.at(value) * (bottom - TOP)),
  };
  const grid = y.scale.ticks.map(({ value, text }) => {
    const at = place.y(value);
    return html`<path class="grid-line" d="M${LEFT} ${at}H${right}"/><text class="tick end" x="${LEFT - 8}" y="${px(at + 4)}">${text}</text>`;
  });
  const ticks = apart(x.scale.ticks, place).map(({ value, text }) => {
    const at = place.x(value);
    return html`<path class="axis" d="M${at} ${bottom}v5"/><text class="tick middle" x="${at}" y="${bottom + 19}">${text}</text>`;
  });
  const content = html`<text class="unit" x="0" y="13">${titleOf(y)}</text>
<text class="unit end" x="${right}" y="${height - 5}">${titleOf(x)}</text>
${grid}${ticks}<path class="axis" d="M${LEFT} ${bottom}H${right}"/>
${lines.map((line) => lineOf(line, place))}${names.length > 0 ? endNames(lines, { names, place, right, bottom }) : nothing}
${size === "wide" ? lines.map((line) => spotsOf(line, { x, y }, place)) : nothing}`;
  return drawing({ id: `${id}-${size}`, title, description }, { width, height, content });
}

/** Without those whose text would touch the one before. */
function apart(ticks: readonly Tick[], place: Place): readonly Tick[] {
  let end = Number.NEGATIVE_INFINITY;
  return ticks.filter(({ value, text }) => {
    const [middle, half] = [place.x(value), textWidth([text]) / 2];
    if (middle - half < end) return false;
    end = middle + half;
    return true;
  });
}

interface Place {
  x(value: number): number;
  y(value: number): number;
}

function lineOf({ style, points }: Line, place: Place): Html {
  const path = points.map(([x, y], at) => `${at === 0 ? "M" : "L"}${place.x(x)} ${place.y(y)}`).join("");
  return html`<path class="line s${style}" d="${path}"/>`;
}

/** Beside the end of each line its name, led to where another's is in the way. */
function endNames(
  lines: readonly Line[],
  at: {
    readonly names: readonly string[];
    readonly place: Place;
    readonly right: number;
    readonly bottom: number;
  },
): readonly Html[] {
  const { names, place, right, bottom } = at;
  const ends = lines.map(({ points }) => points.at(-1) ?? [0, 0]);
  const wanted = ends.map(([, y]) => place.y(y) - TOP);
  const places = spread(wanted, LINE_HEIGHT, bottom - TOP);
  return lines.map(({ style }, index) => {
    const y = px(places[index]! + TOP);
    const [x0, y0] = [place.x(ends[index]![0]), place.y(ends[index]![1])];
    const from = right + LEADER;
    return html`<path class="leader" d="M${x0} ${y0}L${from} ${y}"/><path class="line s${style}" d="M${from} ${y}h${SWATCH}"/><text class="name" x="${from + SWATCH + 4}" y="${px(y + 4)}">${names[index]!}</text>`;
  });
}

/** Places that say their figures when they are pointed at; nothing has to run for that. */
function spotsOf(
  { name, style, points }: Line,
  axes: { readonly x: Axis; readonly y: Axis },
  place: Place,
): readonly Html[] {
  return thinned(points, SPOTS_MAX).map(
    ([x, y]) =>
      html`<circle class="spot s${style}" cx="${place.x(x)}" cy="${place.y(y)}" r="6"><title>${name}: ${figureText(y)} ${axes.y.title}, ${axes.x.title} ${String(Number(x.toFixed(4)))}</title></circle>`,
  );
}

const BAR_HEIGHT = 18;
const BAR_STEP = 36;

/** As much of the room is for those that are drawn to their length where one is broken, and so far its gap is from its end. */
const WHOLE_SHARE = 0.75;
const GAP = 24;

/** Whether one of them is too long to be drawn to its length; whoever reads the plot has to be told. */
export function isBroken(bars: readonly Pick<Bar, "max">[]): boolean {
  const end = barsEnd(bars.map(({ max }) => max));
  return bars.some(({ max }) => max > end);
}

export function barPlot({ id, title, description, unit, bars }: BarPlot, size: Size): Html {
  const width = widths[size];
  const names = bars.map(({ name }) => cut(name, nameLengths[size]));
  const figures = bars.map(({ value }) => figureText(value));
  const ratios = bars.map(({ ratio }) => (ratio === null ? "" : ratioText(ratio)));
  const left = textWidth(names) + 10;
  // Ratios are set in bold, which is wider by a tenth.
  const end = width - textWidth(ratios) * 1.1;
  const right = end - 14 - textWidth(figures) - 10;
  const most = barsEnd(bars.map(({ max }) => max));
  const room = (right - left) * (isBroken(bars) ? WHOLE_SHARE : 1);
  const at = (value: number) => px(left + Math.max(0, Math.min(1, value / most)) * room);
  const height = TOP - 10 + bars.length * BAR_STEP;
  const rows = bars.map(({ name, style, value, min, max }, index) => {
    const y = TOP - 4 + index * BAR_STEP;
    const middle = y + BAR_HEIGHT / 2;
    const isLong = max > most;
    const barEnd = isLong ? px(right) : at(value);
    const gap = `M${px(right - GAP - 4)} ${y + BAR_HEIGHT + 2}l8 ${-BAR_HEIGHT - 4}`;
    const range = `M${at(min)} ${middle}H${at(max)}M${at(min)} ${middle - 4}v8M${at(max)} ${middle - 4}v8`;
    return html`<text class="name" x="0" y="${middle + 4}">${names[index]!}</text>
<path class="bar s${style}" d="M${left} ${y}H${barEnd}v${BAR_HEIGHT}H${left}z"><title>${name}: ${figureText(value)} (${figureText(min)} – ${figureText(max)}) ${unit}</title></path>
${isLong ? html`<path class="halo" d="${gap}"/>` : nothing}${max > min && !isLong ? html`<path class="halo" d="${range}"/><path class="range" d="${range}"/>` : nothing}
<text class="figure end" x="${px(end - 14)}" y="${middle + 4}">${figures[index]!}</text><text class="ratio end" x="${width}" y="${middle + 4}">${ratios[index]!}</text>`;
  });
  const content = html`<text class="unit" x="0" y="13">${unit}</text><path class="axis" d="M${left} ${TOP - 10}V${height - 4}"/>${rows}`;
  return drawing({ id: `${id}-${size}`, title, description }, { width, height, content });
}

function drawing(
  words: Words,
  drawn: { readonly width: number; readonly height: number; readonly content: Html },
): Html {
  const { id, title, description } = words;
  const { width, height, content } = drawn;
  return html`<svg class="plot" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="${id}-title ${id}-text">
<title id="${id}-title">${title}</title><desc id="${id}-text">${description}</desc>
${content}</svg>`;
}

function titleOf({ title, scale }: Axis): string {
  return scale.isLogarithmic ? `${title}, logarithmic` : title;
}

function textWidth(texts: readonly string[]): number {
  return Math.ceil(Math.max(0, ...texts.map(({ length }) => length)) * CHAR_WIDTH);
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

/** A tenth of a pixel is as exact as anybody sees. */
function px(value: number): number {
  return Math.round(value * 10) / 10;
}

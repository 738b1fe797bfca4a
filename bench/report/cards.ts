/**
 * The plots of a page: what each shows of a group of runs, and the table behind it. One that would show nothing is not
 * there. Pure.
 */
import type { Result } from "../load/result.ts";
import type { Case, Comparison } from "./comparison.ts";
import { type Html, html, nothing } from "./html.ts";
import { type Axis, barPlot, isBroken, type Line, linePlot, type Size } from "./plots.ts";
import { linearScale, logScale, percentileScale, thinned } from "./scales.ts";
import {
  concurrencyLines,
  cpuLine,
  type Group,
  headLatency,
  latencyLine,
  memoryLine,
  rateLine,
  type Series,
} from "./series.ts";
import { STYLES } from "./style.ts";
import { row, type Table, table } from "./tables.ts";
import { figureText, ratioText } from "./units.ts";

/** Beyond that a logarithmic scale shows more: on a linear one the lesser values would all lie on the ground. */
const LINEAR_SPAN_MAX = 25;

/** A line over time that has more corners than that only looks restless; the table behind it is read row by row. */
const POINTS_MAX = 120;
const ROWS_MAX = 12;

interface Card {
  readonly id: string;
  readonly title: string;
  readonly text: string;
  readonly svg: (size: Size) => Html;
  readonly table: Table;
}

interface LineCard {
  readonly id: string;
  readonly title: string;
  readonly text: string;
  readonly x: string;
  readonly y: string;
  readonly lines: readonly Line[];
  /** Whether what stands along x may differ by orders of magnitude. */
  readonly isWide?: boolean;
}

/** `id` is the group's own in its page. */
export function groupCards(group: Group, reference: string, id: string): readonly Html[] {
  const series = group.series.slice(0, STYLES);
  const cards = [
    group.case === null ? null : caseCard(group.case, group.series, { reference, id: `${id}-case` }),
    latencyCard(series, `${id}-latency`),
    ...timeCards(series, id),
    lineCard({
      id: `${id}-memory`,
      title: "Memory against open sessions",
      text: "Resident memory of the target while sessions became more.",
      x: "open sessions",
      y: "MiB",
      lines: series.filter(({ result }) => result.plan.scenario === "idle").map(memoryLine),
    }),
  ];
  return cards.flatMap((card) => (card === null ? [] : [cardHtml(card)]));
}

export function concurrencyCard(results: readonly Result[], comparison: Comparison | null): Html {
  const lines = concurrencyLines(results, comparison);
  const text = "Sessions done in a second, by how many were under way at a time.";
  const left = undrawnText(lines);
  const card = lineCard({
    id: "concurrency",
    title: "Throughput against concurrency",
    text: left === "" ? text : `${text} ${left}`,
    x: "sessions at a time",
    y: "sessions/s",
    lines: lines.slice(0, STYLES),
    isWide: true,
  });
  return card === null ? nothing : cardHtml(card);
}

/** Who has no line, as too many cannot be told apart; nothing where all have one. */
export function undrawnText(series: readonly { readonly name: string }[]): string {
  if (series.length <= STYLES) return "";
  const names = series.slice(STYLES).map(({ name }) => name);
  return `Lines are drawn for the first ${STYLES} of ${series.length}: without ${names.join(", ")}.`;
}

function timeCards(series: readonly Series[], id: string): readonly (Card | null)[] {
  const overTime = (part: string, words: Pick<LineCard, "title" | "text" | "y">, lines: readonly Line[]) =>
    lineCard({ id: `${id}-${part}`, x: "seconds", ...words, lines });
  return [
    overTime(
      "throughput",
      { title: "Throughput over time", text: "Sessions done in each second.", y: "sessions/s" },
      series.map((each) => rateLine(each, ({ done }) => done)),
    ),
    overTime(
      "refusals",
      {
        title: "Refusals over time",
        text: "Sessions turned away or failed in each second.",
        y: "sessions/s",
      },
      series.map((each) => rateLine(each, ({ turnedAway, failed }) => turnedAway + failed)),
    ),
    overTime(
      "cpu",
      { title: "The target's CPU over time", text: "Seconds of CPU for each second.", y: "cores" },
      series.map(cpuLine),
    ),
  ];
}

function latencyCard(series: readonly Series[], id: string): Card | null {
  const lines = series.map(latencyLine).filter(({ points }) => points.length > 1);
  if (lines.length === 0) return null;
  const isHeld = series.some(({ result }) => result.plan.scenario === "idle");
  const all = lines.flatMap(({ points }) => points);
  const counts = series.map(({ result }) => headLatency(result)?.count ?? 0);
  const title = isHeld ? "Latency of greetings" : "Latency of sessions";
  const y = valueAxis(
    "ms",
    all.map(([, ms]) => ms),
  );
  const x = { title: "percentile", scale: percentileScale(100 - 100 / Math.max(1, ...counts)) };
  const text =
    "How long it took, by the share of sessions that took no longer. Each step to the right is one nine more.";
  const steps = [50, 90, 99, 99.9];
  const rows = lines.map(({ name, points }) =>
    row([name, ...steps.map((step) => figureText(valueAt(points, step))), figureText(points.at(-1)![1])]),
  );
  const titles = ["ms", ...steps.map((step) => `p${step}`), "max"];
  const drawn = { id, title, description: described(lines, "ms"), x, y, lines: lines.map(thinnedLine) };
  return { id, title, text, svg: (size) => linePlot(drawn, size), table: table(title, titles, 1, rows) };
}

function thinnedLine(line: Line): Line {
  return { ...line, points: thinned(line.points, POINTS_MAX) };
}

/** The first value that is at or above a percentile. */
function valueAt(points: Line["points"], percentile: number): number {
  return points.find(([at]) => at >= percentile)?.[1] ?? Number.NaN;
}

/** Lines of which none ever leaves the ground are no plot. */
function lineCard({ id, title, text, x, y, lines, isWide = false }: LineCard): Card | null {
  const drawn = lines.filter(({ points }) => points.length > 1).map(thinnedLine);
  const all = drawn.flatMap(({ points }) => points);
  if (all.every(([, value]) => value <= 0)) return null;
  const plot = {
    id,
    title,
    description: described(drawn, y),
    x: isWide
      ? valueAxis(
          x,
          all.map(([at]) => at),
        )
      : { title: x, scale: linearScale(Math.max(...all.map(([at]) => at))) },
    y: { title: y, scale: linearScale(Math.max(...all.map(([, value]) => value))) },
    lines: drawn,
  };
  const rows = drawn.flatMap(({ name, points }) =>
    thinned(points, ROWS_MAX).map(([at, value]) => row([name, figureText(at), figureText(value)])),
  );
  return { id, title, text, svg: (size) => linePlot(plot, size), table: table(title, ["", x, y], 1, rows) };
}

function caseCard(
  each: Case,
  series: readonly Series[],
  { reference, id }: { readonly reference: string; readonly id: string },
): Card {
  const { unit, better, plan, figures } = each;
  const styleOf = (peer: string, at: number) =>
    series.find(({ name }) => name === peer)?.style ?? at % STYLES;
  const bars = figures.map(({ peer, median, min, max, ratio }, at) => ({
    name: peer,
    style: styleOf(peer, at),
    value: median,
    min,
    max,
    ratio,
  }));
  const rounds = Math.max(0, ...figures.map(({ values }) => values.length));
  const how =
    rounds > 1
      ? `Median of ${rounds} rounds with their range; ${better} is better.`
      : `${better === "less" ? "Less" : "More"} is better.`;
  const ratios = figures.some(({ ratio }) => ratio !== null) ? ` Ratios are to ${reference}.` : "";
  const broken = isBroken(figures) ? " A bar with a gap in it is far longer than it is drawn." : "";
  const said = figures.map(
    ({ peer, median, ratio }) => `${peer} ${figureText(median)} (${ratioText(ratio)})`,
  );
  const description = `${unit}: ${said.join(", ")}.`;
  const rows = figures.map(({ peer, values, median, min, max, ratio }) =>
    row([peer, ...[median, min, max].map(figureText), String(values.length), ratioText(ratio)]),
  );
  const titles = ["", "median", "least", "most", "rounds", "ratio"];
  return {
    id,
    title: "Side by side",
    text: `${how}${ratios}${broken}${plan === "" ? "" : ` ${plan}.`}`,
    svg: (size) => barPlot({ id, title: unit, description, unit, bars }, size),
    table: table(unit, titles, 1, rows),
  };
}

function valueAxis(unit: string, values: readonly number[]): Axis {
  const [min, max] = [Math.min(...values), Math.max(...values)];
  if (min <= 0 || max / min <= LINEAR_SPAN_MAX) return { title: unit, scale: linearScale(max) };
  return { title: unit, scale: logScale(min, max) };
}

/** For those who cannot see the lines: where each begins and ends, and its highest. */
function described(lines: readonly Line[], unit: string): string {
  const said = lines.map(({ name, points }) => {
    const values = points.map(([, value]) => value);
    const [first, last, most] = [values[0]!, values.at(-1)!, Math.max(...values)].map(figureText);
    return `${name} from ${first} to ${last}, at most ${most} ${unit}`;
  });
  return `${said.join("; ")}.`;
}

function cardHtml({ title, text, svg, table }: Card): Html {
  return html`<figure class="card"><figcaption><h3>${title}</h3><p>${text}</p></figcaption>
<div class="wide">${svg("wide")}</div><div class="narrow">${svg("narrow")}</div>
<details><summary>As a table</summary>${tableHtml(table)}</details></figure>
`;
}

export function tableHtml({ title, columns, rows }: Table): Html {
  const side = (at: number) => (columns[at]?.align === "right" ? html` class="right"` : nothing);
  // A head without a word is none to those who hear the page.
  const head = columns.map(({ title }, at) =>
    title === "" ? html`<td></td>` : html`<th scope="col"${side(at)}>${title}</th>`,
  );
  const isHeaded = columns.some(({ title }) => title !== "");
  const body = rows.map(
    ({ cells, tone }) =>
      html`<tr${tone === "plain" ? nothing : html` class="${tone}"`}>${cells.map((cell, at) => html`<td${side(at)}>${cell}</td>`)}</tr>
`,
  );
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${title}"><table>${isHeaded ? html`<thead><tr>${head}</tr></thead>` : nothing}
<tbody>${body}</tbody></table></div>`;
}

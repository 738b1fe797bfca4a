/**
 * Reports for a terminal or a file, of one run and of a comparison: 100 columns wide at most, and in colour only where
 * a terminal shows them. What a target said stands here without anything that would steer that terminal. Pure.
 */
import { styleText } from "node:util";
import { printable } from "../../src/commands/whytext.ts";
import type { Result } from "../load/result.ts";
import type { Case, Comparison } from "./comparison.ts";
import { planRows, planTitle } from "./plantext.ts";
import {
  type Column,
  type Row,
  row,
  STOPPED,
  type Table,
  type Tone,
  table,
  tablesOf,
  warningsOf,
} from "./tables.ts";
import { dateText, figureText, ratioText } from "./units.ts";

/** Half a wide screen, a mail, and a page of a terminal's font on paper. */
const COLUMNS_MAX = 100;

/** Between two columns. */
const GAP = "  ";

/** Of a cell that others stand behind, so that half a line is left to these. */
const CELL_MAX = 50;

type Style = "bold" | "dim" | "red" | "yellow" | "green";
type Paint = (style: Style, text: string) => string;

const paints: Readonly<Record<"terminal" | "plain", Paint>> = {
  // Whether colours are wanted is the caller's question: the stream that this text goes to is known there.
  terminal: (style, text) => styleText(style, text, { validateStream: false }),
  plain: (_style, text) => text,
};

const styles: Readonly<Record<Exclude<Tone, "plain">, Style>> = {
  well: "green",
  warning: "yellow",
  bad: "red",
};

export function resultText(result: Result, to: "terminal" | "plain"): string {
  const paint = paints[to];
  const when = `${dateText(result.startedAt)}, ${figureText(result.seconds)} s`;
  return paragraphs([
    [paint("bold", fitted(planTitle(result.plan))), paint("dim", fitted(when))],
    rowLines(
      [],
      planRows(result.plan).map((cells) => row(cells)),
      paint,
    ),
    warningsOf(result).flatMap(({ cells, tone }) =>
      wrapped(cells[0]!).map((line) => toned(line, tone, paint)),
    ),
    ...tablesOf(result).map((each) => tableLines(each, paint)),
  ]);
}

export function comparisonText(comparison: Comparison, to: "terminal" | "plain"): string {
  const paint = paints[to];
  const { startedAt, seconds, machine, peers, absentees, reference, cases } = comparison;
  const names = peers.map(({ name, version }) => `${name} ${version}`.trim()).join(", ");
  const about = [
    ["machine", `${machine.cpus} × ${machine.model}, ${machine.kernel}, Node ${machine.node}`],
    ["peers", names],
    ...peers.flatMap(({ name, differs = "" }) =>
      differs === "" ? [] : [["differs", `${name}: ${differs}`]],
    ),
    ...absentees.map(({ name, reason }) => ["not there", `${name}: ${reason}`]),
    ...(cases.length > 0 ? [["ratios", `against ${reference}, the median of the rounds' own`]] : []),
  ];
  return paragraphs([
    [paint("bold", "Side by side"), paint("dim", `${dateText(startedAt)}, ${figureText(seconds)} s`)],
    rowLines(
      [],
      about.map((cells) => row(cells)),
      paint,
    ),
    comparison.wasStopped ? [paint("yellow", STOPPED)] : [],
    ...cases.map((each) => caseLines(each, comparison, paint)),
  ]);
}

function caseLines(each: Case, { reference }: Comparison, paint: Paint): readonly string[] {
  const rows = each.figures.map(({ peer, values, median, min, max, ratio }) =>
    row([
      peer,
      figureText(median),
      `${figureText(min)} – ${figureText(max)}`,
      String(values.length),
      ratioText(ratio),
    ]),
  );
  const titles = ["", "median", "range", "rounds", `to ${reference}`];
  return [
    paint("bold", fitted(`${each.name}: ${each.question}`)),
    ...wrapped(`${each.plan} (${each.better} is better)`).map((line) => paint("dim", line)),
    ...tableLines(table(each.unit, titles, 1, rows), paint),
  ];
}

function paragraphs(parts: readonly (readonly string[])[]): string {
  const said = parts.filter((lines) => lines.length > 0).map((lines) => lines.join("\n"));
  return `${said.join("\n\n")}\n`;
}

function tableLines({ title, columns, rows }: Table, paint: Paint): readonly string[] {
  const titles = [title, ...columns.slice(1).map((column) => column.title)];
  const [head, ...body] = rowLines(columns, [row(titles), ...rows], paint);
  return [paint("dim", head!), ...body];
}

/** Rows below one another; without `columns` all stand at the left. What is wider than a line loses its end. */
function rowLines(columns: readonly Column[], rows: readonly Row[], paint: Paint): readonly string[] {
  const clean = rows.map(({ cells, tone }) => ({
    cells: cells.map((cell, at) => fitted(cell, at < cells.length - 1 ? CELL_MAX : COLUMNS_MAX)),
    tone,
  }));
  const widths: number[] = [];
  for (const { cells } of clean) {
    for (const [at, cell] of cells.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  }
  return clean.map(({ cells, tone }) => {
    const padded = cells.map((cell, at) =>
      columns[at]?.align === "right" ? cell.padStart(widths[at]!) : cell.padEnd(widths[at]!),
    );
    return toned(fitted(padded.join(GAP).trimEnd()), tone, paint);
  });
}

function toned(line: string, tone: Tone, paint: Paint): string {
  return tone === "plain" ? line : paint(styles[tone], line);
}

function fitted(text: string, lengthMax = COLUMNS_MAX): string {
  const clean = printable(text);
  return clean.length <= lengthMax ? clean : `${clean.slice(0, lengthMax - 1)}…`;
}

/** A sentence over as many lines as it takes. */
function wrapped(text: string): readonly string[] {
  const lines = [""];
  for (const word of printable(text).split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trimStart();
    if (longer.length > COLUMNS_MAX) lines.push(fitted(word));
    else lines[lines.length - 1] = longer;
  }
  return lines;
}

/**
 * Reports for a terminal or a file, of one run and of a comparison: 100 columns wide at most on a terminal, and in colour only
 * where that shows them. In a file nothing is cut off, as it may be searched. What a target said stands here without anything
 * that would steer a terminal. Pure.
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

const CELL_MAX = 50;

type Style = "bold" | "dim" | "red" | "yellow" | "green";
type Paint = (style: Style, text: string) => string;

/** - `terminal`: with colours. `plain`: a terminal without. */
export type Medium = "terminal" | "plain" | "file";

interface Look {
  readonly paint: Paint;
  readonly columnsMax: number;
  /** Of a cell that others stand behind, so that half a line is left to these. */
  readonly cellMax: number;
}

const bare: Look = { paint: (_style, text) => text, columnsMax: COLUMNS_MAX, cellMax: CELL_MAX };

const looks: Readonly<Record<Medium, Look>> = {
  // Whether colours are wanted is the caller's question: the stream that this text goes to is known there.
  terminal: { ...bare, paint: (style, text) => styleText(style, text, { validateStream: false }) },
  plain: bare,
  file: { ...bare, columnsMax: Number.POSITIVE_INFINITY, cellMax: Number.POSITIVE_INFINITY },
};

const styles: Readonly<Record<Exclude<Tone, "plain">, Style>> = {
  well: "green",
  warning: "yellow",
  bad: "red",
};

export function resultText(result: Result, to: Medium): string {
  const look = looks[to];
  const { paint } = look;
  const when = `${dateText(result.startedAt)}, ${figureText(result.seconds)} s`;
  return paragraphs([
    [paint("bold", fitted(planTitle(result.plan), look.columnsMax)), paint("dim", when)],
    rowLines(
      [],
      planRows(result.plan).map((cells) => row(cells)),
      look,
    ),
    warningsOf(result).flatMap(({ cells, tone }) =>
      wrapped(cells[0]!).map((line) => toned(line, tone, paint)),
    ),
    ...tablesOf(result).map((each) => tableLines(each, look)),
  ]);
}

export function comparisonText(comparison: Comparison, to: Medium): string {
  const look = looks[to];
  const { paint } = look;
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
      look,
    ),
    comparison.wasStopped ? [paint("yellow", STOPPED)] : [],
    ...cases.map((each) => caseLines(each, comparison, look)),
  ]);
}

function caseLines(each: Case, { reference }: Comparison, look: Look): readonly string[] {
  const { paint } = look;
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
    paint("bold", fitted(`${each.name}: ${each.question}`, look.columnsMax)),
    ...wrapped(`${each.plan} (${each.better} is better)`).map((line) => paint("dim", line)),
    ...tableLines(table(each.unit, titles, 1, rows), look),
  ];
}

function paragraphs(parts: readonly (readonly string[])[]): string {
  const said = parts.filter((lines) => lines.length > 0).map((lines) => lines.join("\n"));
  return `${said.join("\n\n")}\n`;
}

function tableLines({ title, columns, rows }: Table, look: Look): readonly string[] {
  const titles = [title, ...columns.slice(1).map((column) => column.title)];
  const [head, ...body] = rowLines(columns, [row(titles), ...rows], look);
  return [look.paint("dim", head!), ...body];
}

/** Rows below one another; without `columns` all stand at the left. What is wider than a line loses its end. */
function rowLines(columns: readonly Column[], rows: readonly Row[], look: Look): readonly string[] {
  const { paint, columnsMax, cellMax } = look;
  const clean = rows.map(({ cells, tone }) => ({
    cells: cells.map((cell, at) => fitted(cell, at < cells.length - 1 ? cellMax : columnsMax)),
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
    return toned(fitted(padded.join(GAP).trimEnd(), columnsMax), tone, paint);
  });
}

function toned(line: string, tone: Tone, paint: Paint): string {
  return tone === "plain" ? line : paint(styles[tone], line);
}

function fitted(text: string, lengthMax: number): string {
  const clean = printable(text);
  return clean.length <= lengthMax ? clean : `${clean.slice(0, lengthMax - 1)}…`;
}

/** A sentence over as many lines as it takes. */
function wrapped(text: string): readonly string[] {
  const lines = [""];
  for (const word of printable(text).split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trimStart();
    if (longer.length > COLUMNS_MAX) lines.push(fitted(word, COLUMNS_MAX));
    else lines[lines.length - 1] = longer;
  }
  return lines;
}

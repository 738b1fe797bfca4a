/**
 * A configuration file as text: its tree of plain values, and where in the text each of them stands.
 *
 * Owns the YAML document (YAML 1.2, core schema), the replacing of environment variables, and the form of every message:
 * `postern.yaml:12:5: listeners.smtp.pool: …`. Knows no setting.
 */
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type Scalar,
  visit,
} from "yaml";
import { type Environment, substitute } from "./environment.ts";

/** The keys and indices that lead to a value. */
export type Path = readonly PropertyKey[];

/** Something that is wrong with one value, or worth saying about it. */
export interface Fault {
  readonly path: Path;
  readonly message: string;
  /** It is the key, not what stands behind it. */
  readonly atKey?: boolean;
}

interface Placed {
  readonly path: Path;
  readonly message: string;
  readonly line: number;
  readonly column: number;
}

/** A file of a thousand listeners is far below; whatever is larger was not meant to be a configuration. */
export const TEXT_LENGTH_MAX = 1024 * 1024;

export class Source {
  /** The settings as they stand in the text; null where it holds no tree of settings, and `report` says why. */
  readonly value: Readonly<Record<string, unknown>> | null;
  readonly #lines = new LineCounter();
  readonly #document: Document.Parsed;
  readonly #found: Placed[] = [];

  constructor(text: string, environment: Environment) {
    const tooLong = text.length > TEXT_LENGTH_MAX;
    this.#document = parseDocument(tooLong ? "" : text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      // Sets, dates and binaries are no settings.
      resolveKnownTags: false,
    });
    if (tooLong) this.#find([], 0, "the file is larger than 1 MiB");
    this.value = !tooLong && this.#isTree() && this.#isPlain() ? this.#read(environment) : null;
  }

  /** Whether the text itself has faults; they are part of every report. */
  get faulty(): boolean {
    return this.#found.length > 0;
  }

  /**
   * One line for each fault, those of the text itself among them, in the text's order. The first word on a value is
   * enough: what follows is its consequence.
   */
  report(name: string, faults: readonly Fault[]): string[] {
    const placed = [...this.#found, ...faults.map((fault) => this.#place(fault))];
    placed.sort((one, other) => one.line - other.line || one.column - other.column);
    const lines = new Map<string, string>();
    for (const { line, column, path, message } of placed) {
      const where = `${name}:${line}:${column}: ${path.length === 0 ? "" : `${pathText(path)}: `}`;
      if (!lines.has(where)) lines.set(where, `${where}${message}`);
    }
    return [...lines.values()];
  }

  /** Whether the text is YAML at all, and a mapping. */
  #isTree(): boolean {
    const { errors, warnings, contents } = this.#document;
    for (const { pos, message } of [...errors, ...warnings]) this.#find([], pos[0], message);
    if (this.#found.length > 0) return false;
    if (isMap(contents)) return true;
    const empty = contents === null || (isScalar(contents) && contents.value === null);
    this.#find([], 0, empty ? "the file is empty" : "must be a mapping of settings");
    return false;
  }

  /** Whether each key is a word and each alias has its anchor: what a tree of plain values cannot do without. */
  #isPlain(): boolean {
    const document = this.#document;
    visit(document, {
      Pair: (_, pair: Pair, parents) => {
        // A key that is no scalar would have to be made up; `__proto__` would vanish on the way through an object.
        if (isScalar(pair.key) && pair.key.value !== "__proto__") return undefined;
        this.#find(pathOf(parents, pair), offsetOf(pair.key), "this cannot be a key");
        return visit.SKIP;
      },
      Alias: (_, alias: Alias, parents) => {
        if (alias.resolve(document) !== undefined) return;
        this.#find(pathOf(parents, alias), offsetOf(alias), `no anchor is named ${alias.source}`);
      },
    });
    return this.#found.length === 0;
  }

  #read(environment: Environment): Readonly<Record<string, unknown>> | null {
    visit(this.#document, {
      Scalar: (key, scalar: Scalar, parents) => {
        if (key === "key" || typeof scalar.value !== "string") return;
        const { text, problem } = substitute(scalar.value, environment);
        scalar.value = text;
        if (problem !== null) this.#find(pathOf(parents, scalar), offsetOf(scalar), problem);
      },
    });
    try {
      return this.#document.toJS();
    } catch (error) {
      // The library refuses aliases that multiply without end.
      this.#find([], 0, error instanceof Error ? error.message : String(error));
      return null;
    }
  }

  #find(path: Path, offset: number, message: string): void {
    this.#found.push({ path, message: message.replace(/\s+/g, " "), ...this.#positionOf(offset) });
  }

  /** Where the fault's value stands, or the mapping that lacks it. */
  #place({ path, message, atKey }: Fault): Placed {
    let node: unknown = this.#document.contents;
    let offset = offsetOf(node);
    for (const [index, segment] of path.entries()) {
      if (isAlias(node)) node = node.resolve(this.#document);
      const pair = isMap(node) ? node.items.find(({ key }) => keyText(key) === String(segment)) : undefined;
      if (pair === undefined && !(isSeq(node) && Number(segment) < node.items.length)) break;
      if (pair !== undefined) node = atKey === true && index === path.length - 1 ? pair.key : pair.value;
      else if (isSeq(node)) node = node.items[Number(segment)];
      offset = offsetOf(node);
    }
    return { path, message, ...this.#positionOf(offset) };
  }

  #positionOf(offset: number): { line: number; column: number } {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }
}

function offsetOf(node: unknown): number {
  return isNode(node) ? (node.range?.[0] ?? 0) : 0;
}

function keyText(key: unknown): string {
  return isScalar(key) ? String(key.value) : "";
}

/** The path of `node` below its `parents`, the document being the first of them. */
function pathOf(parents: readonly (Document | Node | Pair)[], node: Node | Pair): Path {
  const path: PropertyKey[] = [];
  for (const [index, parent] of parents.entries()) {
    if (isPair(parent)) path.push(keyText(parent.key));
    else if (isSeq(parent)) path.push(parent.items.indexOf(parents[index + 1] ?? node));
  }
  return path;
}

/** `listeners.smtp.listen[0]`; what a dot or a line break would blur is quoted. */
function pathText(path: Path): string {
  let text = "";
  for (const segment of path) {
    if (typeof segment === "number") text += `[${segment}]`;
    else {
      const key = String(segment);
      text += `${text === "" ? "" : "."}${/^[\w.-]+$/.test(key) ? key : JSON.stringify(key)}`;
    }
  }
  return text;
}

/**
 * The rules of writing that neither the compiler nor the linter holds: lengths, headers, and what never stands in a file.
 *
 * It reads lines and their indentation, which the formatter keeps reliable; it parses nothing.
 */
import t from "tap";
import { type SourceFile, sourceFiles } from "./sources.ts";

/** A file is read in one sitting. */
const fileLinesMax = 400;

/** A function fits a screen. */
const functionLinesMax = 70;

const files = sourceFiles("src", "test", "bench", "build");

interface Rule {
  readonly says: string;
  readonly pattern: RegExp;
  /** Comments and texts may say such words. */
  readonly codeOnly: boolean;
}

const forbidden: readonly Rule[] = [
  {
    says: "an enum: Node cannot strip it",
    pattern: /^\s*(?:export |declare |const )*enum\s/,
    codeOnly: true,
  },
  {
    says: "a namespace: Node cannot strip it",
    pattern: /^\s*(?:export |declare )*namespace\s/,
    codeOnly: true,
  },
  { says: "any", pattern: /(?::|<|\||\bas|=>)\s*any\b(?!\s*[(:])/, codeOnly: true },
  { says: "a default export", pattern: /^\s*export default\b|^export \{.*\bas default\b/, codeOnly: true },
  {
    says: "a relative import without .ts",
    pattern: /(?:^|\s|\()(?:from|import)[ (]"\.[^"]*(?<!\.ts|\.json)"/,
    codeOnly: true,
  },
  { says: "a test alone or left out", pattern: /\.(?:only|skip|todo)\(/, codeOnly: true },
  { says: "a silenced compiler", pattern: /@ts-(?:ignore|nocheck|expect-error)/, codeOnly: false },
  { says: "unfinished work", pattern: /\b(?:TODO|FIXME|XXX)\b/, codeOnly: false },
];

/** What `text` breaks, by line. */
function faultsOf(text: string): string[] {
  const lines = text.split("\n");
  return lines.flatMap((line, index) => {
    const code = /^\s*(?:\*|\/\/|\/\*)/.test(line) ? "" : withoutTexts(line);
    const broken = forbidden.filter(({ pattern, codeOnly }) => pattern.test(codeOnly ? code : line));
    return broken.map(({ says }) => `line ${index + 1}: ${says}`);
  });
}

/** The line with its texts emptied; only an import's specifier stays. */
function withoutTexts(line: string): string {
  const code = line.replace(/'[^']*'/g, "''");
  return /\b(?:from|import)[ (]"/.test(code)
    ? code
    : code.replace(/"(?:\\.|[^"\\])*"|`[^`]*`|\/\/ .*$/g, '""');
}

/** The functions in `text` that are longer than `linesMax`, by their first line. */
function longFunctions(text: string, linesMax: number): string[] {
  const lines = text.split("\n");
  return lines.flatMap((line, start) => {
    if (!opensFunction(line)) return [];
    const indent = /^\s*/.exec(line)![0];
    const length =
      lines.slice(start).findIndex((end) => end.startsWith(`${indent}}`) && !opensFunction(end)) + 1;
    return length > linesMax ? [`line ${start + 1}: ${line.trim()} (${length} lines)`] : [];
  });
}

/** Whether the body of a declaration, a method or an arrow function begins at the end of this line. */
function opensFunction(line: string): boolean {
  if (!line.endsWith("{")) return false;
  if (line.endsWith("=> {") || /^\s*\)/.test(line)) return true;
  if (/^\s*(?:if|for|while|switch|catch)\b/.test(line)) return false;
  return /^\s*(?:(?:export|async|static|private|get|set|override) |\*)*(?:function\b.*|#?\w+(?:<.*>)?)\(/.test(
    line,
  );
}

function check(title: string, faults: (file: SourceFile) => readonly string[]): void {
  t.test(title, async (t) => {
    t.strictSame(
      files.flatMap((file) => faults(file).map((fault) => `${file.path}: ${fault}`)),
      [],
    );
  });
}

check(`a file has at most ${fileLinesMax} lines when it is counted`, ({ text }) => {
  const length = text.split("\n").length - 1;
  return length > fileLinesMax ? [`${length} lines`] : [];
});

check(`a function has at most ${functionLinesMax} lines when it is counted`, ({ text }) =>
  longFunctions(text, functionLinesMax),
);

check("a file says its purpose when it is opened", ({ text }) =>
  /^(?:#!.*\n)?\/\*\*\s/.test(text) ? [] : ["no doc comment at its head"],
);

check("a file holds nothing forbidden when it is read line by line", ({ path, text }) =>
  // This one has to spell out what it forbids.
  path === "test/tidy.test.ts" ? [] : faultsOf(text),
);

t.test("faultsOf finds what is forbidden when it stands in code", async (t) => {
  const lines = [
    "export enum A {",
    "  namespace B {",
    "const c: any = 1;",
    "const d = e as any;",
    "export default f;",
    'import { g } from "./g";',
    'const h = await import("./h");',
    't.only("i", async () => {});',
    "// @ts-expect-error",
    "// TODO",
  ];
  for (const line of lines) t.equal(faultsOf(line).length, 1, line);
  const fine = [
    "// an enum, any namespace",
    'const text = "export default any";',
    'import { g } from "./g.ts";',
    "const any = 1;",
    'import manifest from "../package.json" with { type: "json" };',
  ];
  for (const line of fine) t.strictSame(faultsOf(line), [], line);
});

t.test("longFunctions finds every kind when its body is too long", async (t) => {
  const heads = [
    "export async function a(b: string): Promise<void> {",
    "  static async b(): Promise<void> {",
    "  #c(d: number): void {",
    "  get d() {",
    "  *e() {",
    "const f = () => {",
    't.test("g", async (t) => {',
    "  constructor(h: string) {",
  ];
  for (const head of heads) {
    const indent = /^\s*/.exec(head)![0];
    const body = [head, `${indent}  i();`, `${indent}  if (j) {`, `${indent}  }`, `${indent}}`].join("\n");
    t.equal(longFunctions(body, 4).length, 1, head);
    t.equal(longFunctions(body, 5).length, 0, head);
  }
  const split = ["function k(", "  l: string,", "): void {", "  m();", "  m();", "}"].join("\n");
  t.equal(longFunctions(split, 3).length, 1, "parameters on lines of their own");
  t.equal(longFunctions("  if (a) {\n\n\n\n\n  }", 3).length, 0, "no function");
});

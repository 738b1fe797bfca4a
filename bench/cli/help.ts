/** What the help says, made from the table of options: nothing here knows any of them. Pure. */
import { COMMANDS, type CommandName, GROUPS, type Option, QUESTIONS } from "../options.ts";
import { optionsOf } from "./given.ts";

/** Fits a terminal beside something else. */
export const COLUMNS_MAX = 100;

/** Where sentences begin. */
const INDENT = 28;

export function usage(): string {
  return [
    "usage: postern-bench COMMAND [OPTION…]",
    "",
    "How much does a mail edge hold that speaks PROXY, and does it do what it should meanwhile?",
    "",
    ...COMMANDS.flatMap((name) => beside(`  ${name}`, QUESTIONS[name], 12)),
    "",
    ...beside("  help", "what a command does and takes: help COMMAND", 12),
    ...beside("  version", "which postern it belongs to", 12),
    "",
    "Exit codes: 0 well; 1 something is not, as the report says; 2 wrong usage; 3 it could not run.",
    "",
  ].join("\n");
}

export function usageOf(command: CommandName): string {
  const options = [...optionsOf(command)];
  const groups = GROUPS.map((group) => options.filter(([, option]) => option.group === group));
  return [
    `usage: postern-bench ${command} [OPTION…]`,
    "",
    ...beside("", QUESTIONS[command], 0),
    ...groups.flatMap((group, index) =>
      group.length === 0 ? [] : ["", `${GROUPS[index]}:`, ...group.flatMap((each) => told(command, each))],
    ),
    "",
  ].join("\n");
}

function told(command: CommandName, [name, option]: readonly [string, Option<unknown>]): string[] {
  const { kind, initial, initials, says } = option;
  const usual = initials?.[command] ?? initial;
  const range = kind.range === undefined ? "" : ` ${kind.range}.`;
  const words = [`  --${name}`, ...(kind.argument === null ? [] : [kind.argument])].join(" ");
  return beside(words, `${says}${range}${usual === null ? "" : ` [${usual}]`}`, INDENT);
}

/** `text` beside `left`, from column `indent` on; below it where it does not fit. */
function beside(left: string, text: string, indent: number): string[] {
  const lines = wrapped(text, COLUMNS_MAX - indent);
  const blank = " ".repeat(indent);
  if (left.length + 1 > indent && left !== "") return [left, ...lines.map((line) => blank + line)];
  return lines.map((line, index) => (index === 0 ? left.padEnd(indent) : blank) + line);
}

function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = "";
    }
    line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

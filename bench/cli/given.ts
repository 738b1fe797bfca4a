/**
 * The words of a command line, held against the table of options: what was given, and what holds where nothing was. Pure.
 *
 * Every word is understood or refused here, so that whoever asks for a value gets one that is right.
 */
import { type CommandName, OPTIONS, type Option, type Settled } from "../options.ts";
import { UsageError } from "./command.ts";
import { meant } from "./meant.ts";

export class Given {
  readonly command: CommandName;
  readonly #texts: ReadonlyMap<Option<unknown>, string>;

  /** @throws UsageError, in one line, where a word is not understood. */
  constructor(command: CommandName, words: readonly string[]) {
    this.command = command;
    this.#texts = read(command, words);
  }

  has(option: Option<unknown>): boolean {
    return this.#texts.has(option);
  }

  /** The option's value, or its default; null where it has neither. */
  find<T>(option: Option<T>): T | null {
    const text = this.#texts.get(option) ?? option.initials?.[this.command] ?? option.initial;
    return text === null ? null : option.kind.parse(text);
  }

  get<T>(option: Settled<T>): T {
    const value = this.find(option);
    if (value === null) throw new Error(`a default is wrong: ${option.initial}`);
    return value;
  }
}

/** The options that `command` has, by name. */
export function optionsOf(command: CommandName): ReadonlyMap<string, Option<unknown>> {
  const all: readonly (readonly [string, Option<unknown>])[] = Object.entries(OPTIONS);
  return new Map(all.filter(([, option]) => option.of.includes(command)));
}

function read(command: CommandName, words: readonly string[]): Map<Option<unknown>, string> {
  const known = optionsOf(command);
  const texts = new Map<Option<unknown>, string>();
  for (let index = 0; index < words.length; index++) {
    const { name, value } = split(command, words[index]!, known.keys());
    const option = known.get(name);
    if (option === undefined) throw unknownOption(command, name, known.keys());
    const refuse = (trouble: string) => new UsageError(`${command}: --${name} ${trouble}`);
    let text = value ?? "";
    if (option.kind.argument === null) {
      if (value !== null) throw refuse("takes no value");
    } else if (value === null) {
      const next = words[index + 1];
      const isThere = next !== undefined && !next.startsWith("--");
      if (isThere) index++;
      else if (option.kind.mayBeMissing !== true)
        throw refuse(`${option.kind.argument} is missing its value`);
      text = isThere ? next : "";
    }
    const before = texts.get(option);
    if (before !== undefined && option.kind.isList !== true) throw refuse("is given twice");
    const whole = before === undefined ? text : `${before},${text}`;
    if (option.kind.parse(whole) === null) throw refuse(wrongValue(option, whole));
    texts.set(option, whole);
  }
  return texts;
}

/** `--name`, or `--name=value`. */
function split(
  command: string,
  word: string,
  known: Iterable<string>,
): { readonly name: string; readonly value: string | null } {
  const [, name, value] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
  if (name === undefined) {
    const bare = word.replace(/^-/, "");
    throw new UsageError(`${command}: ${JSON.stringify(word)} is no option${meant(bare, known, "--")}`);
  }
  return { name, value: value ?? null };
}

/** An option of another command is no mistake in writing: that is said instead. */
function unknownOption(command: CommandName, name: string, known: Iterable<string>): UsageError {
  const quoted = /^[\w-]+$/.test(name) ? `--${name}` : JSON.stringify(`--${name}`);
  const elsewhere = Object.entries<Option<unknown>>(OPTIONS).find(([other]) => other === name);
  if (elsewhere === undefined)
    return new UsageError(`${command}: unknown option ${quoted}${meant(name, known, "--")}`);
  return new UsageError(`${command}: has no ${quoted}: that is for ${elsewhere[1].of.join(", ")}`);
}

function wrongValue({ kind }: Option<unknown>, text: string): string {
  const value = kind.isSecret === true ? "" : `, not ${JSON.stringify(text)}`;
  return `must be ${kind.form}${value}${kind.hint?.(text) ?? ""}`;
}

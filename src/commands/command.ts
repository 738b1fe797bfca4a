/**
 * What all commands share: exit codes, their arguments, and how a command comes by its configuration.
 *
 * A wrong command line is a `UsageError`, which `main.ts` prints as one line; everything else that can go wrong outside is
 * a value.
 */
import { createReadStream, readFileSync } from "node:fs";
import { type ParseArgsConfig, type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { type LoadedFile, loadConfiguration } from "../config/load.ts";
import { suggestion } from "../config/nearest.ts";
import { TEXT_LENGTH_MAX } from "../config/source.ts";
import { errorCode } from "../files.ts";

/** What a command tells the shell. */
export const exitCodes = { well: 0, failed: 1, wrong: 2 } as const;

/** What every command is: it takes the words behind its name and ends with an exit code. */
export type Command = (args: string[]) => Promise<number>;

/** The command line is not one that postern understands. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** No command is called `word`. */
export function unknownCommand(word: string, known: Iterable<string>): UsageError {
  return new UsageError(`unknown command ${JSON.stringify(word)}${suggestion(word, known)}`);
}

/** `-c FILE`, for the commands that read a configuration. */
export const fileOption = { config: { type: "string", short: "c" } } as const;

/** The options in `args`, which may hold nothing else. */
export function parseOptions<const T extends ParseArgsOptionsConfig>(
  command: string,
  args: string[],
  options: T,
) {
  return parse(command, { args, options, allowPositionals: false }).values;
}

/** The options in `args`, and the words beside them. */
export function parseArguments<const T extends ParseArgsOptionsConfig>(
  command: string,
  args: string[],
  options: T,
) {
  return parse(command, { args, options, allowPositionals: true });
}

function parse<const T extends ParseArgsConfig>(command: string, config: T) {
  try {
    return parseArgs({ ...config, strict: true });
  } catch (error) {
    if (!errorCode(error).startsWith("ERR_PARSE_ARGS") || !(error instanceof Error)) throw error;
    // Node's second sentence is advice for programmers.
    throw new UsageError(`${command}: ${error.message.split(". ")[0]}`);
  }
}

/** The configuration in `file`, `-` being standard input. */
export async function readConfiguration(command: string, file: string | undefined): Promise<LoadedFile> {
  if (file === undefined) throw new UsageError(`${command}: -c FILE is missing (-c - reads standard input)`);
  const name = file === "-" ? "<stdin>" : file;
  let text = "";
  try {
    const chunks: AsyncIterable<string> = (file === "-" ? process.stdin : createReadStream(file)).setEncoding(
      "utf8",
    );
    for await (const chunk of chunks) {
      text += chunk;
      // Enough to be told that it is too large; a device or a pipe might go on for ever.
      if (text.length > TEXT_LENGTH_MAX) break;
    }
  } catch (error) {
    return { ok: false, errors: [`${name}: cannot be read (${errorCode(error)})`] };
  }
  return loadConfiguration(text, {
    name,
    environment: process.env,
    readFile: (path) => readFileSync(path, "utf8"),
    nowMs: Date.now(),
  });
}

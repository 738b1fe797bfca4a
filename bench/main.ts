/**
 * The load harness's command line: picks a command, nothing else.
 *
 * Each command is loaded when it is called for. The exit code is set and the process left to end by itself: output that is
 * still on its way to a pipe would be lost otherwise. The first signal asks the command to end, the second ends everything.
 */
import { constants } from "node:os";
import manifest from "../package.json" with { type: "json" };
import { suggestion } from "../src/config/nearest.ts";
import { type Command, exitCodes, Unable, UsageError } from "./cli/command.ts";
import { Given } from "./cli/given.ts";
import { usage, usageOf } from "./cli/help.ts";
import { COMMANDS, type CommandName } from "./options.ts";

/** npm and timeout(1) pass on what a terminal or they themselves have told the whole group: that is one wish, heard twice. */
const ECHO_MS = 500;

async function load(name: CommandName): Promise<Command> {
  switch (name) {
    case "compare":
      return (await import("./cli/compare.ts")).compare;
    case "goals":
      return (await import("./cli/goals.ts")).goals;
    case "sink":
      return (await import("./cli/sink.ts")).sink;
    default:
      return (await import("./cli/scenario.ts")).scenario(name);
  }
}

async function main([word, ...rest]: readonly string[]): Promise<number> {
  if (word === undefined) {
    process.stderr.write(usage());
    return exitCodes.wrong;
  }
  if (word === "help" || word === "--help" || word === "-h") return help(rest);
  if (word === "version" || word === "--version") return print(`${manifest.version}\n`);
  const name = commandIn(word);
  if (rest.includes("--help") || rest.includes("-h")) return help([word]);
  const given = new Given(name, rest);
  const command = await load(name);
  return command(given, untilSignal());
}

function help([word]: readonly string[]): number {
  return print(word === undefined ? usage() : usageOf(commandIn(word)));
}

function print(text: string): number {
  process.stdout.write(text);
  return exitCodes.well;
}

function commandIn(word: string): CommandName {
  const name = COMMANDS.find((known) => known === word);
  if (name !== undefined) return name;
  const meant = suggestion(word, [...COMMANDS, "help", "version"]);
  throw new UsageError(`unknown command ${JSON.stringify(word)}${meant}`);
}

function untilSignal(): AbortSignal {
  const controller = new AbortController();
  let firstMs = 0;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      const nowMs = performance.now();
      if (!controller.signal.aborted) firstMs = nowMs;
      // What a shell says of a process that a signal has ended.
      else if (nowMs - firstMs > ECHO_MS) process.exit(128 + constants.signals[signal]);
      controller.abort();
    });
  }
  return controller.signal;
}

/** The exit code for what went wrong on the user's side; what went wrong on ours is thrown on. */
function told(error: unknown): number {
  if (!(error instanceof UsageError) && !(error instanceof Unable)) throw error;
  process.stderr.write(`postern-bench: ${error.message}\n`);
  return error instanceof Unable ? exitCodes.unable : exitCodes.wrong;
}

// Whoever reads our output may stop early, as `head` does; that is no fault of ours.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

process.exitCode = await main(process.argv.slice(2)).catch(told);

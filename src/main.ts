/**
 * The command line: picks a command, nothing else.
 *
 * Each command is loaded when it is called for, so that `postern schema` does not start what `postern serve` needs. The exit
 * code is set and the process left to end by itself: output that is still on its way to a pipe would be lost otherwise.
 */
import manifest from "../package.json" with { type: "json" };
import { type Command, exitCodes, UsageError, unknownCommand } from "./commands/command.ts";

interface Entry {
  readonly usage: string;
  readonly says: string;
  load(): Promise<Command>;
}

const commands: Readonly<Record<string, Entry>> = {
  serve: {
    usage: "serve -c FILE",
    says: "run the gateway in the foreground",
    load: async () => (await import("./commands/serve.ts")).serve,
  },
  check: {
    usage: "check -c FILE [--json]",
    says: "validate the file and say what it will do; touches no network",
    load: async () => (await import("./commands/check.ts")).check,
  },
  why: {
    usage: "why ADDRESS -c FILE",
    says: "why this address is or is not refused, now; or --admin HOST:PORT, and --json",
    load: async () => (await import("./commands/why.ts")).why,
  },
  schema: {
    usage: "schema",
    says: "print the configuration's JSON Schema",
    load: async () => (await import("./commands/schema.ts")).schema,
  },
  demo: {
    usage: "demo [--keep]",
    says: "embedded upstream, gateway and a little traffic, with no configuration at all",
    load: async () => (await import("./commands/demo.ts")).demo,
  },
};

function usage(): string {
  const lines = Object.values(commands).map(({ usage, says }) => `  ${usage.padEnd(24)}${says}`);
  return [
    "usage: postern COMMAND",
    "",
    ...lines,
    "",
    "  -c - reads standard input; --help and --version do what they say.",
    "  Exit codes: 0 well, 1 failed, 2 wrong usage or configuration.",
    "",
  ].join("\n");
}

async function main(args: string[]): Promise<number> {
  const [word, ...rest] = args;
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(usage());
    return exitCodes.well;
  }
  if (word === "--version") {
    process.stdout.write(`${manifest.version}\n`);
    return exitCodes.well;
  }
  if (word === undefined) {
    process.stderr.write(usage());
    return exitCodes.wrong;
  }
  try {
    const entry = Object.hasOwn(commands, word) ? commands[word] : undefined;
    if (entry === undefined) throw unknownCommand(word, Object.keys(commands));
    const command = await entry.load();
    return await command(rest);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`postern: ${error.message}\n`);
    return exitCodes.wrong;
  }
}

// Whoever reads our output may stop early, as `head` does; that is no fault of ours.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

process.exitCode = await main(process.argv.slice(2));

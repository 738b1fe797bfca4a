/**
 * `postern serve -c FILE`: runs the gateway in the foreground until a signal ends it.
 *
 * Where one with the same file runs already, it takes its place: see `threads/succession.ts`.
 * SIGTERM and SIGINT drain, a second one ends at once; SIGHUP reads the file again, opens the log's files anew and looks at
 * the certificates.
 */
import manifest from "../../package.json" with { type: "json" };
import { changesBetween } from "../config/changes.ts";
import { Gateway } from "../threads/gateway.ts";
import type { Origin } from "../threads/reloads.ts";
import { type Command, exitCodes, fileOption, parseOptions, readConfiguration } from "./command.ts";
import { predecessorAt } from "./predecessor.ts";

export const serve: Command = async (args) => {
  const { config } = parseOptions("serve", args, fileOption);
  const loaded = await readConfiguration("serve", config);
  if (!loaded.ok) {
    for (const error of loaded.errors) console.error(error);
    return exitCodes.wrong;
  }
  for (const warning of loaded.warnings) console.error(`warning: ${warning}`);
  let gateway: Gateway | null = null;
  process.on("SIGHUP", () => void gateway?.refresh());
  // Heard from here on: a gateway that is told to end while it starts ends once it has started.
  const ending = new Ending();
  try {
    gateway = await Gateway.start(loaded.configuration, manifest.version, {
      origin: originOf(config),
      findPredecessor: () => predecessorAt(loaded.configuration.admin),
      end: () => ending.begin(),
    });
  } catch (error) {
    console.error(`postern: ${error instanceof Error ? error.message : String(error)}`);
    return exitCodes.failed;
  }
  await ending.begun;
  await gateway.drain();
  return exitCodes.well;
};

/** Where the configuration can be had again; null for standard input, which is read once. */
function originOf(file: string | undefined): Origin | null {
  if (file === "-") return null;
  return { read: () => readConfiguration("serve", file), changes: changesBetween };
}

/**
 * The end that a signal asks for, or the gateway that takes our place. A signal behind a signal ends the process at once;
 * the first one behind a take-over does not: it comes from a supervisor that was not told of that.
 */
class Ending {
  readonly begun: Promise<void>;
  readonly #resolve: () => void;
  #isSignalled = false;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.begun = promise;
    this.#resolve = resolve;
    process.on("SIGTERM", () => this.#signal());
    process.on("SIGINT", () => this.#signal());
  }

  begin(): void {
    this.#resolve();
  }

  #signal(): void {
    if (this.#isSignalled) process.exit(exitCodes.well);
    this.#isSignalled = true;
    this.begin();
  }
}

/**
 * `postern serve -c FILE`: runs the gateway in the foreground until a signal ends it.
 *
 * SIGTERM and SIGINT drain, a second one ends at once; SIGHUP reads the file again, opens the log's files anew and looks at
 * the certificates.
 */
import manifest from "../../package.json" with { type: "json" };
import { changesBetween } from "../config/changes.ts";
import { Gateway } from "../threads/gateway.ts";
import type { Origin } from "../threads/reloads.ts";
import { type Command, exitCodes, fileOption, parseOptions, readConfiguration } from "./command.ts";

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
  const end = endSignal();
  try {
    gateway = await Gateway.start(loaded.configuration, manifest.version, originOf(config));
  } catch (error) {
    console.error(`postern: ${error instanceof Error ? error.message : String(error)}`);
    return exitCodes.failed;
  }
  await end;
  await gateway.drain();
  return exitCodes.well;
};

/** Where the configuration can be had again; null for standard input, which is read once. */
function originOf(file: string | undefined): Origin | null {
  if (file === "-") return null;
  return { read: () => readConfiguration("serve", file), changes: changesBetween };
}

/** Resolves at the first signal that asks for the end; a second one ends the process at once. */
function endSignal(): Promise<void> {
  return new Promise((resolve) => {
    let isEnding = false;
    const end = () => {
      if (isEnding) process.exit(exitCodes.well);
      isEnding = true;
      resolve();
    };
    process.on("SIGTERM", end);
    process.on("SIGINT", end);
  });
}

/**
 * `postern serve -c FILE`: runs the gateway in the foreground until a signal ends it.
 *
 * SIGTERM and SIGINT drain, a second one ends at once; SIGHUP opens the log file anew.
 */
import manifest from "../../package.json" with { type: "json" };
import { Gateway } from "../threads/gateway.ts";
import { type Command, exitCodes, fileOption, parseOptions, readConfiguration } from "./command.ts";

export const serve: Command = async (args) => {
  const { config } = parseOptions("serve", args, fileOption);
  const loaded = await readConfiguration("serve", config);
  if (!loaded.ok) {
    for (const error of loaded.errors) console.error(error);
    return exitCodes.wrong;
  }
  for (const warning of loaded.warnings) console.error(`warning: ${warning}`);
  let gateway: Gateway;
  try {
    gateway = await Gateway.start(loaded.configuration, manifest.version);
  } catch (error) {
    console.error(`postern: ${error instanceof Error ? error.message : String(error)}`);
    return exitCodes.failed;
  }
  return untilEnded(gateway);
};

function untilEnded(gateway: Gateway): Promise<number> {
  return new Promise((resolve) => {
    let draining = false;
    const end = () => {
      if (draining) process.exit(exitCodes.well);
      draining = true;
      void gateway.drain().then(() => resolve(exitCodes.well));
    };
    process.on("SIGTERM", end);
    process.on("SIGINT", end);
    process.on("SIGHUP", () => gateway.reopenLog());
  });
}

/**
 * `postern check -c FILE`: says whether the file is right, what the gateway will do with it, and what a TLS mode makes
 * impossible. Reads files only; it opens no socket.
 */
import type { LoadedFile } from "../config/load.ts";
import type { Configuration } from "../config/options.ts";
import { exitCodes, fileOption, parseOptions, readConfiguration } from "./command.ts";
import { summary } from "./summary.ts";

export async function check(args: string[]): Promise<number> {
  const { config, json } = parseOptions("check", args, { ...fileOption, json: { type: "boolean" } });
  const loaded = await readConfiguration("check", config);
  if (json === true) process.stdout.write(`${JSON.stringify(withoutSecrets(loaded), null, 2)}\n`);
  else if (loaded.ok) process.stdout.write(summary(loaded.configuration));
  if (json !== true) {
    const lines = loaded.ok ? loaded.warnings.map((warning) => `warning: ${warning}`) : loaded.errors;
    for (const line of lines) process.stderr.write(`${line}\n`);
  }
  return loaded.ok ? exitCodes.well : exitCodes.wrong;
}

function withoutSecrets(loaded: LoadedFile): LoadedFile {
  if (!loaded.ok) return loaded;
  const { admin } = loaded.configuration;
  const hidden: Configuration["admin"] = { ...admin, token: admin.token === null ? null : "hidden" };
  return { ...loaded, configuration: { ...loaded.configuration, admin: hidden } };
}

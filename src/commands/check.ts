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

const HIDDEN = "hidden";

function withoutSecrets(loaded: LoadedFile): LoadedFile {
  if (!loaded.ok) return loaded;
  const { admin, crowdsec } = loaded.configuration;
  const hidden: Pick<Configuration, "admin" | "crowdsec"> = {
    admin: { ...admin, token: admin.token && HIDDEN },
    crowdsec: crowdsec && {
      ...crowdsec,
      credentials:
        crowdsec.credentials.kind === "key" ? { kind: "key", apiKey: HIDDEN } : crowdsec.credentials,
      alerts: crowdsec.alerts && { ...crowdsec.alerts, password: HIDDEN },
    },
  };
  return { ...loaded, configuration: { ...loaded.configuration, ...hidden } };
}

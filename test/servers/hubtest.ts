/** CrowdSec's own way to test what its hub holds, for deploy/crowdsec: `cscli hubtest`, in a hub made for the purpose. */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Test } from "tap";
import { configuration, hub, ours, profiles, simulation } from "./crowdsec.ts";
import { freePort } from "./ports.ts";
import { makeDirectory } from "./process.ts";

const run = promisify(execFile);

/** Runs them all; gives what cscli says, whose exit code says whether each has passed. */
export async function runHubTests(t: Test): Promise<{ readonly passed: boolean; readonly says: string }> {
  const directory = makeDirectory(t, "hub");
  const at = (path: string) => join(directory, path);
  // In a hub an author stands in every path; the stages before and behind ours are Debian's.
  cpSync(join(ours, "parsers/s01-parse"), at("parsers/s01-parse/postern"), { recursive: true });
  cpSync(join(ours, "scenarios"), at("scenarios/postern"), { recursive: true });
  cpSync(join(ours, ".tests"), at(".tests"), { recursive: true });
  for (const name of [".index.json", "parsers/s00-raw", "parsers/s02-enrich"])
    symlinkSync(join(hub, name), at(name));
  // Each test runs in a directory of its own, and cscli fills these in there.
  const runtime = (name: string) => `./runtime/${name}`;
  const host = `127.0.0.1:${await freePort()}`;
  const config = configuration({ at: runtime, hubDirectory: "./runtime/hub", host });
  config.api.client.credentials_path = runtime("local_api_credentials.yaml");
  for (const [name, content] of Object.entries({ config, profiles, simulation }))
    writeFileSync(at(`.tests/template_${name}.yaml`), JSON.stringify(content));
  // cscli reads a configuration of its own too, and must not take the system's.
  mkdirSync(at("cscli"));
  const own = configuration({ at: (name) => at(join("cscli", name)), hubDirectory: directory, host });
  writeFileSync(at("cscli/config.yaml"), JSON.stringify(own));
  writeFileSync(at("cscli/simulation.yaml"), JSON.stringify(simulation));
  const parameters = [
    "-c",
    at("cscli/config.yaml"),
    "hubtest",
    "run",
    "--all",
    "--clean",
    "--hub",
    directory,
  ];
  return run("cscli", parameters).then(
    ({ stdout, stderr }) => ({ passed: true, says: stdout + stderr }),
    ({ stdout, stderr }) => ({ passed: false, says: `${stdout}${stderr}` }),
  );
}

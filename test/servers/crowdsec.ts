/**
 * A real CrowdSec (Debian's 1.4.6) in a directory of its own: its local API on a free loopback port, and the agent beside it
 * where a test gives it logs to read.
 *
 * It has a database, machines, bouncers and hub items of its own, no central API, no metrics. What it installs comes from
 * the hub that Debian ships offline, and from deploy/crowdsec. Private and loopback addresses count as any other: the hub's
 * whitelist for them is not installed. It never touches the network, nor the system's own CrowdSec.
 */
import { execFile } from "node:child_process";
import { appendFileSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Test } from "tap";
import { parse } from "yaml";
import { type Explained, explained } from "./explained.ts";
import { freePort } from "./ports.ts";
import { type Child, makeDirectory, startChild, until } from "./process.ts";

const run = promisify(execFile);

/** Debian's offline hub. */
export const hub = "/usr/share/crowdsec/hub";
/** Our own items, laid out as they are in CrowdSec's configuration directory. */
export const ours = join(import.meta.dirname, "../../deploy/crowdsec");

/** What every installation has: syslog's frame or none around a line, and its time. */
const basics = [
  "parsers/s00-raw/crowdsecurity/syslog-logs",
  "parsers/s02-enrich/crowdsecurity/dateparse-enrich",
];

/** A log and the labels that say what it is: a file, read from its end on and made where it is missing, or a port for syslog. */
type Acquisition = ({ readonly file: string } | { readonly udpPort: number }) & {
  readonly labels: Readonly<Record<string, string>>;
};

export interface CrowdsecOptions {
  /** Without any there is no agent: decisions come from `cscli` and from machines only. */
  readonly acquisition?: readonly Acquisition[];
  /** Collections by name: `postern/postern` is ours, `crowdsecurity/postfix` and its like the hub's. */
  readonly collections?: readonly string[];
  /** Further items of the hub, such as `parsers/s00-raw/crowdsecurity/cri-logs`. */
  readonly items?: readonly string[];
}

/** A decision or an alert, as far as tests look at it. */
interface Decision {
  readonly id: number;
  readonly origin: string;
  readonly scenario: string;
  readonly scope: string;
  readonly type: string;
  readonly value: string;
  readonly duration: string;
}
interface Alert {
  readonly id: number;
  readonly scenario: string;
  readonly message: string;
  readonly events_count: number;
  readonly source: { readonly scope: string; readonly value: string };
  readonly decisions: readonly Decision[] | null;
}

export interface Crowdsec {
  /** Of the local API, without a slash at the end. */
  readonly url: string;
  /** All that it has said since it was started. */
  log(): string;
  /** Gives the bouncer's key. */
  addBouncer(name: string): Promise<string>;
  addMachine(name: string, password: string): Promise<void>;
  /** Bans an address, or a network, for four hours unless `further` arguments of `cscli decisions add` say otherwise. */
  ban(value: string, ...further: readonly string[]): Promise<void>;
  /** Ends all decisions about it. */
  unban(value: string): Promise<void>;
  /** The decisions that are active. */
  decisions(): Promise<Decision[]>;
  alerts(): Promise<Alert[]>;
  /** Runs `cscli` and gives what it prints. */
  cscli(...parameters: readonly string[]): Promise<string>;
  /** What it makes of whole lines, read at once under these labels; scenarios that overflow give alerts as ever. */
  explain(lines: readonly string[], labels: Readonly<Record<string, string>>): Promise<Explained[]>;
  stop(): Promise<number | null>;
  /** Starts it again, once it was stopped. */
  start(): Promise<void>;
}

export async function startCrowdsec(t: Test, options: CrowdsecOptions = {}): Promise<Crowdsec> {
  const directory = makeDirectory(t, "crowdsec");
  const url = `http://127.0.0.1:${await freePort()}`;
  const config = join(directory, "config.yaml");
  const { acquisition = [], collections = [], items = [] } = options;
  writeConfiguration(directory, url);
  install(directory, new Set([...basics, ...collections.flatMap(itemsOf), ...items]));
  for (const source of acquisition) if ("file" in source) appendFileSync(source.file, "");
  writeFileSync(join(directory, "acquis.yaml"), acquisition.map(sourceOf).join("\n---\n"));

  const cscli = async (...parameters: readonly string[]) =>
    (await run("cscli", ["-c", config, "--error", ...parameters])).stdout;
  const list = async (kind: "alerts" | "decisions"): Promise<Alert[]> =>
    JSON.parse(await cscli(kind, "list", "-a", "-o", "json")) ?? [];
  await cscli("machines", "add", "agent", "--password", "agent", "-u", url, "-f", credentialsFile(directory));
  const hasAgent = acquisition.length > 0;
  const launch = () => startDaemon(t, { config, url, hasAgent });
  let child = await launch();
  return {
    url,
    log: () => child.stderr(),
    addBouncer: (name) => cscli("bouncers", "add", name, "-o", "raw"),
    addMachine: async (name, password) => {
      await cscli("machines", "add", name, "--password", password, "-f", join(directory, `${name}.yaml`));
    },
    ban: async (value, ...further) => {
      await cscli("decisions", "add", scopeOf(value), value, ...further);
    },
    unban: async (value) => {
      await cscli("decisions", "delete", scopeOf(value), value);
    },
    decisions: async () => (await list("decisions")).flatMap((alert) => alert.decisions ?? []),
    alerts: () => list("alerts"),
    cscli,
    explain: (lines, labels) => explain(directory, lines, labels),
    stop: () => child.stop(),
    start: async () => {
      child = await launch();
    },
  };
}

interface Daemon {
  readonly config: string;
  readonly url: string;
  readonly hasAgent: boolean;
}

async function startDaemon(t: Test, { config, url, hasAgent }: Daemon): Promise<Child> {
  const child = startChild(t, ["crowdsec", "-c", config, ...(hasAgent ? [] : ["-no-cs"])]);
  const ready = hasAgent ? "Starting processing data" : "Local API listening";
  let over = false;
  child.ended.finally(() => {
    over = true;
  });
  await until("CrowdSec's start", async () => {
    if (over) throw new Error(`CrowdSec ended: ${child.stderr()}`);
    return child.stderr().includes(ready) && (await isUp(url));
  });
  return child;
}

function credentialsFile(directory: string): string {
  return join(directory, "credentials.yaml");
}

/** A source as CrowdSec's configuration has it. */
function sourceOf(source: Acquisition): string {
  const { labels } = source;
  if ("file" in source) return JSON.stringify({ filenames: [source.file], labels });
  return JSON.stringify({ source: "syslog", listen_addr: "127.0.0.1", listen_port: source.udpPort, labels });
}

function scopeOf(value: string): string {
  return value.includes("/") ? "--range" : "--ip";
}

function writeConfiguration(directory: string, url: string): void {
  const at = (name: string) => join(directory, name);
  for (const name of ["data", "notifications", "plugins"]) mkdirSync(at(name));
  symlinkSync("/etc/crowdsec/patterns", at("patterns"));
  const config = configuration({ at, hubDirectory: hub, host: new URL(url).host });
  const crowdsec_service = { ...config.crowdsec_service, acquisition_path: at("acquis.yaml") };
  const files = { config: { ...config, crowdsec_service }, simulation, profiles, credentials: {} };
  for (const [name, content] of Object.entries(files))
    writeFileSync(at(`${name}.yaml`), JSON.stringify(content));
}

/** Of Debian's profiles and settings, what stands in files of their own. */
export const simulation = { simulation: false };
export const profiles = {
  name: "default_ip_remediation",
  filters: ['Alert.Remediation == true && Alert.GetScope() == "Ip"'],
  decisions: [{ type: "ban", duration: "4h" }],
  on_success: "break",
};

interface Places {
  at(name: string): string;
  readonly hubDirectory: string;
  /** Where the local API listens. */
  readonly host: string;
}

/** Debian's configuration, less the central API and the metrics. */
export function configuration({ at, hubDirectory, host }: Places) {
  return {
    common: { daemonize: false, log_media: "stdout", log_level: "info", working_dir: at(".") },
    config_paths: {
      config_dir: at("."),
      data_dir: at("data"),
      simulation_path: at("simulation.yaml"),
      hub_dir: hubDirectory,
      index_path: `${hubDirectory}/.index.json`,
      notification_dir: at("notifications"),
      plugin_dir: at("plugins"),
    },
    crowdsec_service: { parser_routines: 1 },
    cscli: { output: "human" },
    db_config: { type: "sqlite", db_path: at("data/crowdsec.db"), use_wal: true },
    api: {
      client: { credentials_path: credentialsFile(at(".")) },
      server: {
        log_level: "info",
        listen_uri: host,
        profiles_path: at("profiles.yaml"),
        console_path: at("console.yaml"),
      },
    },
    prometheus: { enabled: false },
  };
}

/** What a collection of ours or of the hub's is made of. Of the parsers that mail collections name, only enrichers are of a later stage. */
function itemsOf(collection: string): string[] {
  const [author = "", name = ""] = collection.split("/");
  const file = author === "postern" ? join(ours, "collections", name) : join(hub, "collections", collection);
  const content: Readonly<Record<string, readonly string[]>> = parse(readFileSync(`${file}.yaml`, "utf8"));
  const { parsers = [], scenarios = [], collections = [] } = content;
  return [
    ...parsers.map((item) => `parsers/${item.includes("enrich") ? "s02-enrich" : "s01-parse"}/${item}`),
    ...scenarios.map((item) => `scenarios/${item}`),
    ...collections.flatMap(itemsOf),
  ];
}

/** Puts the items into the configuration, where no author stands in a path: the hub's as links, which it goes by; others as copies. */
function install(directory: string, items: ReadonlySet<string>): void {
  for (const item of items) {
    const author = basename(dirname(item));
    const flat = join(dirname(dirname(item)), `${basename(item)}.yaml`);
    mkdirSync(dirname(join(directory, flat)), { recursive: true });
    if (author === "postern") copyFileSync(join(ours, flat), join(directory, flat));
    else symlinkSync(join(hub, `${item}.yaml`), join(directory, flat));
  }
}

async function isUp(url: string): Promise<boolean> {
  return fetch(`${url}/health`).then(
    (answer) => answer.ok,
    () => false,
  );
}

/** A second agent reads the lines to their end, and writes down what each step made of them. */
async function explain(
  directory: string,
  lines: readonly string[],
  { type = "", ...labels }: Readonly<Record<string, string>>,
): Promise<Explained[]> {
  const file = join(directory, "explained.log");
  const dump = join(directory, "dump");
  mkdirSync(dump, { recursive: true });
  writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
  const further = Object.entries(labels).flatMap(([name, value]) => ["-label", `${name}:${value}`]);
  const config = join(directory, "config.yaml");
  await run("crowdsec", [
    "-c",
    config,
    "-no-api",
    "-dsn",
    `file://${file}`,
    "-type",
    type,
    ...further,
    "-dump-data",
    dump,
  ]);
  return explained(lines, dump);
}

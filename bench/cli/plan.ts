/**
 * From what was given to a plan: the target by address, the bounds held against what this machine can do.
 *
 * It reads files and asks for names; it opens no socket.
 */
import { lookup } from "node:dns/promises";
import { existsSync } from "node:fs";
import { Address, type Endpoint, Networks } from "../../src/address.ts";
import { errorCode } from "../../src/files.ts";
import { openFilesLimit } from "../../src/threads/openfiles.ts";
import { Clients } from "../load/clients.ts";
import type { Login, Pace, Plan, Protocol, Scenario } from "../load/plan.ts";
import { OPTIONS } from "../options.ts";
import { say, Unable, UsageError } from "./command.ts";
import type { Given } from "./given.ts";

/** Where a plan's facts come from that the command line does not hold. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Null where the system does not tell. */
  readonly openFilesMax: number | null;
  /** The addresses of a name. */
  resolve(name: string): Promise<readonly string[]>;
  /** What the user should know before it begins. */
  say(line: string): void;
}

export const here: Surroundings = {
  environment: process.env,
  openFilesMax: openFilesLimit(),
  resolve: async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
  say,
};

/** What the process has open besides: Node's own files, those of the threads, reports, readings of the target. */
const OWN_FILES = 64;
const FILES_PER_THREAD = 32;

/** Half of what Linux has of ports for connections to one place. */
const OPEN_MAX = 14_000;

/** @throws UsageError, Unable */
export async function planOf(scenario: Scenario, given: Given, around: Surroundings): Promise<Plan> {
  const pace = paceOf(given);
  const durationMs = given.get(OPTIONS.duration);
  const banned = given.find(OPTIONS.banned) ?? [];
  if (scenario === "bans") checkBanned(given, banned);
  checkTls(scenario, given);
  const protocol = protocolOf(scenario, given);
  const login = loginOf(given, around.environment, needsLogin(scenario, protocol));
  checkProcess(scenario, given.find(OPTIONS.pid));
  if (scenario === "hammer") checkOffenders(given);
  const room = roomFor(given, around.openFilesMax);
  checkFiles(heldBy(scenario, given, pace), room);
  return {
    scenario,
    protocol,
    target: await targetOf(given, around),
    proxy: given.get(OPTIONS.proxy),
    clients: clientsOf(given),
    pace,
    openMax: Math.min(OPEN_MAX, room?.sessions ?? OPEN_MAX),
    durationMs,
    sessionsMax: given.get(OPTIONS.sessions),
    timeoutMs: given.get(OPTIONS.timeout),
    tls: given.get(OPTIONS.tls),
    threads: given.get(OPTIONS.threads),
    mail: {
      sizeBytes: given.get(OPTIONS.size),
      recipients: given.get(OPTIONS.recipients),
      messages: given.get(OPTIONS.messages),
      sender: given.get(OPTIONS.from),
      recipient: given.get(OPTIONS.to),
      pipelining: given.has(OPTIONS.pipelining),
      chunking: given.has(OPTIONS.chunking),
    },
    login,
    idleMs: given.find(OPTIONS.idle) ?? (scenario === "idle" ? durationMs : 0),
    hammer: { offenders: given.get(OPTIONS.offenders), tries: given.get(OPTIONS.tries) },
    banned,
  };
}

function missing(command: string, option: string): UsageError {
  return new UsageError(`${command}: --${option} is missing`);
}

function protocolOf(scenario: Scenario, given: Given): Protocol {
  return scenario === "smtp" || scenario === "imap" ? scenario : given.get(OPTIONS.protocol);
}

function paceOf(given: Given): Pace {
  const rampMs = given.get(OPTIONS.ramp);
  const ratePerSecond = given.find(OPTIONS.rate);
  if (ratePerSecond === null) {
    return { kind: "closed", concurrency: given.get(OPTIONS.concurrency), rampMs };
  }
  if (given.has(OPTIONS.concurrency)) {
    throw new UsageError(`${given.command}: takes --rate or --concurrency, not both`);
  }
  return { kind: "open", ratePerSecond, rampMs };
}

/** An IMAP session that does more than greet needs a login, and a target would say so a thousand times. */
function needsLogin(scenario: Scenario, protocol: Protocol): boolean {
  return protocol === "imap" && ["imap", "bulk", "idle"].includes(scenario);
}

function loginOf(given: Given, environment: Surroundings["environment"], isNeeded: boolean): Login | null {
  const { command } = given;
  const user = given.find(OPTIONS.user);
  const variable = given.find(OPTIONS["password-env"]);
  const spoken = given.find(OPTIONS.password);
  if (variable !== null && spoken !== null) {
    throw new UsageError(`${command}: takes --password or --password-env, not both`);
  }
  const password = variable === null ? spoken : environment[variable];
  if (password === undefined) throw new UsageError(`${command}: --password-env: ${variable} is not set`);
  if (user === null && password === null && !isNeeded) return null;
  if (user === null) throw missing(command, "user NAME");
  if (password === null) throw missing(command, "password WORD, or --password-env NAME,");
  if (OPTIONS.password.kind.parse(password) === null) {
    throw new UsageError(`${command}: --password-env: must be ${OPTIONS.password.kind.form}`);
  }
  return { user, password };
}

function checkProcess(command: string, pid: number | null): void {
  if (pid !== null && !existsSync(`/proc/${pid}/stat`)) {
    throw new UsageError(`${command}: --pid: there is no process ${pid}`);
  }
}

/** These end with the greeting, and a report of TLS would be one of something that was never done. */
function checkTls(scenario: Scenario, given: Given): void {
  const isShort = scenario === "churn" || scenario === "hammer" || scenario === "bans";
  if (!isShort || given.get(OPTIONS.tls) !== "starttls") return;
  throw new UsageError(
    `${scenario}: --tls starttls: its sessions end before they come to it; take --tls implicit, or another scenario`,
  );
}

/** Who is banned has to come, and to be told from the others. */
function checkBanned(given: Given, banned: readonly string[]): void {
  const { command } = given;
  if (banned.length === 0) throw missing(command, "banned LIST");
  if (given.get(OPTIONS.proxy) === "off") {
    throw new UsageError(`${command}: --proxy off: every session would come from this machine`);
  }
  const networks = new Networks(banned);
  const clients = new Clients(clientsOf(given));
  for (let index = 0; index < clients.size; index++) {
    if (networks.contains(clients.at(index, 0).address)) return;
  }
  const ranges = given.get(OPTIONS.clients).join();
  throw new UsageError(`${command}: --banned ${banned.join()}: none of --clients ${ranges} is in it`);
}

function clientsOf(given: Given): Plan["clients"] {
  return {
    ranges: given.get(OPTIONS.clients),
    distribution: given.get(OPTIONS.distribution),
    seed: given.get(OPTIONS.seed),
  };
}

/** Somebody has to be left who does not offend. */
function checkOffenders(given: Given): void {
  const offenders = given.get(OPTIONS.offenders);
  const { size } = new Clients(clientsOf(given));
  if (offenders < size) return;
  throw new UsageError(
    `${given.command}: --offenders ${offenders} takes more clients than --clients has, ${size}, as one has to be left`,
  );
}

/** What a run may have open at a time: `fixed` sessions, and of what `option` says as many as `each` to one. */
interface Held {
  readonly option: "concurrency" | "tries";
  readonly value: number;
  readonly each: number;
  readonly fixed: number;
}

/** Null in an open loop, where nobody knows. Offenders hold what they get until their last try. */
function heldBy(scenario: Scenario, given: Given, pace: Pace): Held | null {
  const concurrency = pace.kind === "closed" ? pace.concurrency : 0;
  if (scenario === "hammer") {
    const [value, each] = [given.get(OPTIONS.tries), given.get(OPTIONS.offenders)];
    return { option: "tries", value, each, fixed: concurrency };
  }
  return concurrency === 0 ? null : { option: "concurrency", value: concurrency, each: 1, fixed: 0 };
}

/** How many sessions the limit on open files has room for. */
interface Room {
  readonly openFilesMax: number;
  /** Besides sessions. */
  readonly own: number;
  /** The sink has an end of each, too. */
  readonly perSession: number;
  readonly sessions: number;
}

/** Null where the system does not tell. */
function roomFor(given: Given, openFilesMax: number | null): Room | null {
  if (openFilesMax === null) return null;
  const perSession = given.has(OPTIONS.sink) ? 2 : 1;
  const own = OWN_FILES + given.get(OPTIONS.threads) * FILES_PER_THREAD;
  const sessions = Math.floor((openFilesMax - own) / perSession);
  if (sessions > 0) return { openFilesMax, own, perSession, sessions };
  throw new Unable(`this process may have ${openFilesMax} open files, and needs more than ${own}: ulimit -n`);
}

/** A run that ends in EMFILE would measure the harness. */
function checkFiles(held: Held | null, room: Room | null): void {
  if (held === null || room === null) return;
  const { option, value, each, fixed } = held;
  const { openFilesMax, own, perSession, sessions } = room;
  const needed = (value * each + fixed) * perSession + own;
  if (needed <= openFilesMax) return;
  const fits = Math.floor((sessions - fixed) / each);
  throw new Unable(
    `--${option} ${value}${each > 1 ? ` of ${each} offenders` : ""} needs ${needed} open files, and this process may have ` +
      `${openFilesMax}: ulimit -n ${needed}, or at most --${option} ${Math.max(fits, 0)}`,
  );
}

/** Load goes to this machine, or to whom the user has named twice. */
async function targetOf(given: Given, around: Surroundings): Promise<Endpoint> {
  const { command } = given;
  const place = given.find(OPTIONS.target) ?? given.find(OPTIONS.sink);
  const option = given.has(OPTIONS.target) ? "target" : "sink";
  if (place === null) throw missing(command, "target HOST:PORT");
  const { host, port } = place;
  const address = await addressOf(host, around);
  const allowed = given.find(OPTIONS.allow) ?? [];
  if (!address.isLoopback && !allowed.includes(host) && !allowed.includes(address.text)) {
    const where = host === address.text ? host : `${host} (${address.text})`;
    throw new UsageError(
      `${command}: --${option} ${where} is not this machine: confirm it with --allow ${host}`,
    );
  }
  return { host: address.text, port };
}

/** Asked for once: a run has one target, whatever the name says later. */
async function addressOf(host: string, around: Surroundings): Promise<Address> {
  const known = Address.parse(host);
  if (known !== null) return known;
  const unknown = `${host} has no address that is known here`;
  const found = await around.resolve(host).catch((error: unknown) => {
    throw new Unable(`${unknown} (${errorCode(error)})`);
  });
  const address = Address.parse(found[0] ?? "");
  if (address === null) throw new Unable(unknown);
  around.say(`${host} is ${found.join(" and ")}: ${address.text} is taken`);
  return address;
}

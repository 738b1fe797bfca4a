/**
 * What becomes of clients while one gateway takes another's place: how many are reset, for each of the three ways in which
 * the old one's listening sockets may end.
 *
 *     node bench/upgrade.ts [UPGRADES [RATE]]
 *
 * Sessions begin at a steady rate, by default 500 a second, each with one mail, from before the first upgrade until after
 * the last. The ways are `handed` (the new one gets the sockets themselves), `moved` (it binds its own, and the kernel moves
 * there what waits in the old ones: net.ipv4.tcp_migrate_req) and `closed` (it binds its own, and nobody moves anything).
 *
 * All of it runs in a network namespace of its own, where that setting can be changed without anybody else's noticing. The
 * namespace has no name, so that it goes with the last process in it. Where none can be had, the setting stays as it is, and
 * ways that want another are left out.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Pace } from "./harness/pace.ts";
import { type Child, startChild } from "./harness/process.ts";
import { report, roundsAsked } from "./harness/report.ts";
import { sessionsTo, startMailServer } from "./harness/sessions.ts";
import { freePorts } from "./peers/start.ts";

interface Way {
  readonly way: "handed" | "moved" | "closed";
  /** It cannot where there is no directory for temporary files. */
  readonly givesSockets: boolean;
  /** What net.ipv4.tcp_migrate_req has to be. */
  readonly migrates: "0" | "1";
}

const WAYS: readonly Way[] = [
  { way: "handed", givesSockets: true, migrates: "0" },
  { way: "moved", givesSockets: false, migrates: "1" },
  { way: "closed", givesSockets: false, migrates: "0" },
];

const RATE = 500;

/** Gateways that start want a part of the machine too. */
const RATE_MAX = 2000;

const THREADS = 2;

/** The stream flows evenly again, with all of the gateway's code in use. */
const SETTLE_MS = 500;

/** Of a start or an end, on a machine that others use too. */
const PATIENCE_MS = 20_000;

/** A SYN that was dropped comes again after one second, and after three. */
const LAST_MS = 5000;

const POLL_MS = 20;

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const setting = "/proc/sys/net/ipv4/tcp_migrate_req";
const namespace = ["--map-root-user", "--net"];

/** Tells the process inside which namespace it was started from: never is the setting changed in that one. */
const OUTSIDE = "BENCH_OUTSIDE";
const here = readlinkSync("/proc/self/ns/net");
const isInside = ![undefined, here].includes(process.env[OUTSIDE]);

interface Figures {
  readonly upgrades: number;
  readonly sessions: number;
  readonly resets: number;
  readonly failedOtherwise: number;
  /** Clients that the kernel has moved from one socket to another. */
  readonly kernelMoved: number;
}

/** Sessions at a steady rate, and what became of them. */
class Stream {
  readonly #pace: Pace;
  #begun = 0;
  #served = 0;
  #resets = 0;
  readonly faults: string[] = [];

  constructor(port: number, perSecond: number) {
    const begin = sessionsTo(port);
    this.#pace = new Pace(perSecond, () => {
      this.#begun++;
      begin((fault) => {
        if (fault === null) this.#served++;
        else if (fault === "ECONNRESET") this.#resets++;
        else this.faults.push(fault);
      });
    });
  }

  get #underWay(): number {
    return this.#begun - this.#served - this.#resets - this.faults.length;
  }

  /** Waits for those that are under way; who has no end by then has failed. */
  async stop(): Promise<Pick<Figures, "sessions" | "resets" | "failedOtherwise">> {
    this.#pace.stop();
    const end = performance.now() + LAST_MS;
    while (this.#underWay > 0 && performance.now() < end) await sleep(POLL_MS);
    return {
      sessions: this.#begun,
      resets: this.#resets,
      failedOtherwise: this.#underWay + this.faults.length,
    };
  }
}

/** Gateways that take each other's place: one file, but for where each logs. */
class Succession {
  readonly #way: Way;
  readonly #directory: string;
  readonly #file: Readonly<Record<string, unknown>>;
  #current: Child | null = null;
  #started = 0;

  constructor(way: Way, directory: string, file: Readonly<Record<string, unknown>>) {
    this.#way = way;
    this.#directory = directory;
    this.#file = file;
  }

  /** Starts one more, and waits for the end of the one before. */
  async next(): Promise<void> {
    const old = this.#current;
    const name = join(this.#directory, `${this.#way.way}${this.#started++}`);
    writeFileSync(`${name}.yaml`, JSON.stringify({ ...this.#file, log: { destination: `${name}.log` } }));
    const environment = this.#way.givesSockets ? [] : ["env", "TMPDIR=/nowhere"];
    this.#current = startChild(
      [...environment, process.execPath, main, "serve", "-c", `${name}.yaml`],
      "all",
    );
    await untilLogged(`${name}.log`, "ready");
    if (old === null) return;
    const tookOver = await untilLogged(`${name}.log`, "took-over");
    const isHanded = /"sockets":0\b/.exec(tookOver) === null;
    if (isHanded !== this.#way.givesSockets) throw new Error(`not the way ${this.#way.way}: ${tookOver}`);
    const ended = old.gone.then(() => true);
    if (!(await Promise.race([ended, sleep(PATIENCE_MS, false, { ref: false })])))
      throw new Error("the gateway whose place was taken does not end");
  }

  async stop(): Promise<void> {
    await this.#current?.stop();
  }
}

/** Gives the line. */
async function untilLogged(path: string, event: string): Promise<string> {
  const end = performance.now() + PATIENCE_MS;
  while (performance.now() < end) {
    const log = existsSync(path) ? readFileSync(path, "latin1") : "";
    const line = log.split("\n").find((line) => line.includes(`"event":"${event}"`));
    if (line !== undefined) return line;
    await sleep(POLL_MS);
  }
  throw new Error(`no gateway logs ${event}`);
}

/** Whether the kernel does as the way wants it; before Linux 5.14 it never moves anybody. */
function isPossible({ migrates }: Way): boolean {
  if (!existsSync(setting)) return migrates === "0";
  if (isInside) writeFileSync(setting, migrates);
  return readFileSync(setting, "latin1").trim() === migrates;
}

/** Of this namespace: proc(5) has a line of names, and below it one of values. */
function kernelMoved(): number {
  const lines = readFileSync("/proc/net/netstat", "latin1").split("\n");
  const [names = [], values = []] = lines
    .filter((line) => line.startsWith("TcpExt:"))
    .map((line) => line.split(" "));
  return Number(values[names.indexOf("TCPMigrateReqSuccess")] ?? 0);
}

async function measure(way: Way, upgrades: number, perSecond: number): Promise<Figures> {
  const directory = mkdtempSync(join(tmpdir(), "bench-upgrade-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  const backend = await startMailServer();
  const [adminPort = 0, port = 0] = await freePorts(2);
  const gateways = new Succession(way, directory, {
    hostname: "mx.example.test",
    threads: THREADS,
    drain: "10s",
    listeners: {
      in: {
        listen: `127.0.0.1:${port}`,
        protocol: "smtp",
        proxy: { mode: "required", from: ["127.0.0.0/8"] },
        pool: "out",
      },
    },
    pools: { out: { servers: [`127.0.0.1:${backend.port}`], identity: "proxy-v2" } },
    limits: { default: { connectionCount: 0 } },
    admin: { listen: `127.0.0.1:${adminPort}` },
  });
  await gateways.next();
  const movedBefore = kernelMoved();
  const stream = new Stream(port, perSecond);
  for (let upgrade = 0; upgrade < upgrades; upgrade++) {
    await sleep(SETTLE_MS);
    await gateways.next();
  }
  await sleep(SETTLE_MS);
  const outcome = await stream.stop();
  await gateways.stop();
  backend.close();
  if (stream.faults.length > 0) console.log(`${way.way}: ${[...new Set(stream.faults)].join(", ")}`);
  return { upgrades, ...outcome, kernelMoved: kernelMoved() - movedBefore };
}

function rateAsked(): number {
  const asked = Number(process.argv[3] ?? RATE);
  if (!(asked >= 1 && asked <= RATE_MAX)) throw new Error(`rate: 1 to ${RATE_MAX} a second`);
  return asked;
}

async function run(): Promise<void> {
  const upgrades = roundsAsked(5);
  const perSecond = rateAsked();
  if (isInside) execFileSync("ip", ["link", "set", "lo", "up"]);
  const rows = [];
  for (const way of WAYS) {
    if (isPossible(way)) rows.push({ way: way.way, ...(await measure(way, upgrades, perSecond)) });
    else console.log(`${way.way}: left out, as net.ipv4.tcp_migrate_req cannot be ${way.migrates} here`);
  }
  console.table(rows);
  report("upgrade", { perSecond, rows });
}

/** This file once more, in the other namespace. */
function runInside(): void {
  const command = [...namespace, process.execPath, ...process.argv.slice(1)];
  const environment = { ...process.env, [OUTSIDE]: here };
  const { status } = spawnSync("unshare", command, { stdio: "inherit", env: environment });
  process.exitCode = status ?? 1;
}

if (!isInside && spawnSync("unshare", [...namespace, "true"]).status === 0) runInside();
else await run();

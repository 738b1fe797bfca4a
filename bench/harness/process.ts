/**
 * The processes that are measured: children on cores of their own, and what the kernel says of them (proc(5)).
 *
 * A child is ended by its pid, at the latest when the bench itself ends. Nothing here knows what a child does.
 */
import { spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

export interface Child {
  readonly pid: number;
  /** Resolves when it has ended, for whatever reason. */
  readonly gone: Promise<void>;
  /** Ends it; resolves when it is gone. */
  stop(): Promise<void>;
}

/** `all`: wherever the kernel likes; else a core's number. */
export type Cores = "all" | number;

/** The proxy has the first core for itself, and load and back end share the second; on a single core all share that. */
export const proxyCore = 0;
export const loadCore = Math.min(1, availableParallelism() - 1);

/** What a tick of the kernel's clock is worth to user space: USER_HZ, 100 on every Linux in use. */
const TICK_MS = 10;

/** A proxy that was told to end at once takes no longer than that. */
const STOP_MS = 5000;

const live = new Set<number>();

process.once("exit", () => {
  for (const pid of live) process.kill(pid, "SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

/** Starts `command`; what it says on its standard error goes to ours. */
export function startChild(command: readonly string[], cores: Cores): Child {
  const [program = "", ...parameters] =
    cores === "all" ? command : ["taskset", "--cpu-list", String(cores), ...command];
  // taskset becomes the program that it starts, so that the pid is the program's.
  const child = spawn(program, parameters, { stdio: ["ignore", "ignore", "inherit"] });
  const { pid } = child;
  if (pid === undefined) throw new Error(`cannot start ${program}`);
  live.add(pid);
  const gone = new Promise<void>((resolve) =>
    child.once("exit", () => {
      live.delete(pid);
      resolve();
    }),
  );
  const stop = () => {
    if (!live.has(pid)) return gone;
    child.kill("SIGTERM");
    const killer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    return gone.finally(() => clearTimeout(killer));
  };
  return { pid, gone, stop };
}

/** taskset gives up over a thread that ends while it looks; few end, and not one after the other. */
const PIN_ATTEMPTS = 3;

/** Puts this process, and every thread that it will have, on one core. */
export function pinSelf(core: number): void {
  const words = ["--all-tasks", "--cpu-list", "--pid", String(core), String(process.pid)];
  for (let attempt = 1; spawnSync("taskset", words).status !== 0; attempt++) {
    if (attempt === PIN_ATTEMPTS) throw new Error(`taskset ${words.join(" ")} fails`);
  }
}

/** What all threads of a process have used so far, in user and in kernel mode. */
export function cpuMs(pid: number): { readonly userMs: number; readonly systemMs: number } {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The second field is a name in parentheses, which may hold spaces; utime and stime are the 14th and 15th.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { userMs: Number(fields[11]) * TICK_MS, systemMs: Number(fields[12]) * TICK_MS };
}

/** What all threads of a process that still are have used so far, as exactly as the scheduler counts. */
export function cpuNs(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  const used = (task: string) => Number(readFileSync(`${tasks}/${task}/schedstat`, "latin1").split(" ")[0]);
  return readdirSync(tasks).reduce((sum, task) => sum + used(task), 0);
}

/** What of a process lies in memory. */
export function residentBytes(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
  if (match === null) throw new Error(`process ${pid} is gone`);
  return Number(match[1]) * 1024;
}

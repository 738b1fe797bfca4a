/**
 * The processes that are measured: children on cores of their own.
 *
 * A child is ended by its pid, at the latest when the bench itself ends. Nothing here knows what a child does.
 */
import { spawn, spawnSync } from "node:child_process";
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

/** A proxy that was told to end at once takes no longer than that. */
const STOP_MS = 5000;

const live = new Set<number>();

process.once("exit", () => {
  for (const pid of live) process.kill(pid, "SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => {
    // Whoever else listens ends it in order.
    if (process.listenerCount(signal) === 0) process.exit(1);
  });

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

/**
 * What the kernel says of a process (proc(5)): its CPU and its memory.
 *
 * It reads files and does nothing to anybody. A process that is gone, or that may not be read, is an error of the file's.
 */
import { readdirSync, readFileSync } from "node:fs";

/** What a tick of the kernel's clock is worth to user space: USER_HZ, 100 on every Linux in use. */
const TICK_MS = 10;

export interface CpuTime {
  readonly userMs: number;
  readonly systemMs: number;
  /** Of children that have ended and were waited for, theirs included. */
  readonly childrenMs: number;
}

/** What all threads of a process have used so far, in user and in kernel mode. */
export function cpuMs(pid: number): CpuTime {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The second field is a name in parentheses, which may hold spaces; utime, stime, cutime and cstime are the 14th to 17th.
  const ticks = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [user, system, childrenUser, childrenSystem] = ticks.slice(11, 15).map((field) => Number(field));
  return {
    userMs: user! * TICK_MS,
    systemMs: system! * TICK_MS,
    childrenMs: (childrenUser! + childrenSystem!) * TICK_MS,
  };
}

/** What all threads of a process that still are have used so far, as exactly as the scheduler counts. */
export function cpuNs(pid: number): number {
  const used = (task: string) => Number(readFileSync(`${task}/schedstat`, "latin1").split(" ")[0]);
  return tasksOf(pid).reduce((sum, task) => sum + used(task), 0);
}

/** Of a thread so far, in microseconds. */
export interface Spent {
  readonly cpuUs: number;
  /** So long it was ready to run, and had no core. */
  readonly waitUs: number;
}

/** What the calling thread has used so far. */
export function threadSpent(): Spent {
  const { user, system } = process.threadCpuUsage();
  return { cpuUs: user + system, waitUs: threadWaitNs() / 1000 };
}

/** Nothing where the kernel does not count it. */
function threadWaitNs(): number {
  try {
    return Number(readFileSync("/proc/thread-self/schedstat", "latin1").split(" ")[1]);
  } catch {
    return 0;
  }
}

/** What of a process lies in memory. */
export function residentBytes(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
  if (match === null) throw new Error(`process ${pid} is gone`);
  return Number(match[1]) * 1024;
}

/** The directories of a process's threads. */
export function tasksOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).map((task) => `/proc/${pid}/task/${task}`);
}

/** How many connections the process can hold: each one is two open files, the client's socket and the upstream's. */
import { readFileSync } from "node:fs";
import { OVER_CAP_MAX } from "../proxy/session.ts";

/** What a process has open besides: the log, the admin address, its scrapers, event loops, Node's own files. */
const OWN_FILES = 128;
/** An event loop, its wake-ups and its listening sockets. */
const FILES_PER_THREAD = 32;

/** How many connections fit into the limit of open files; null where the system does not tell. */
export function connectionsThatFit(threads: number): number | null {
  const limit = openFilesLimit();
  if (limit === null) return null;
  return Math.max(1, Math.floor((limit - OWN_FILES - threads * FILES_PER_THREAD - OVER_CAP_MAX) / 2));
}

/** The soft limit (RLIMIT_NOFILE), which Node has raised to the hard one when it started. */
function openFilesLimit(): number | null {
  try {
    const match = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"));
    return match === null ? null : Number(match[1]);
  } catch {
    return null;
  }
}

/** How many connections the process can hold: each one is two open files, the client's socket and the upstream's. */
import { closeSync, openSync, readFileSync } from "node:fs";
import type { EventLog } from "../observe/logger.ts";
import { UNPLACED_MAX } from "../proxy/sessions.ts";

/** What a process has open besides: the log, the admin address, its scrapers, event loops, Node's own files. */
const OWN_FILES = 128;
/** An event loop, its wake-ups and its listening sockets. */
const FILES_PER_THREAD = 32;

const LOOK_MS = 1000;

/** How many connections fit into the limit of open files; null where the system does not tell. */
export function connectionsThatFit(threads: number): number | null {
  const limit = openFilesLimit();
  if (limit === null) return null;
  return Math.max(1, Math.floor((limit - OWN_FILES - threads * (FILES_PER_THREAD + UNPLACED_MAX)) / 2));
}

/**
 * Says when no file can be opened any more, and when one can again. Clients that cannot be accepted for want of one are
 * turned away by libuv, without a word to us.
 */
export function watchOpenFiles(log: EventLog): NodeJS.Timeout {
  let wasOut = false;
  return setInterval(() => {
    const isOut = !canOpen();
    if (isOut && !wasOut) log.event("error", "out-of-files", { detail: "clients are turned away unheard" });
    if (!isOut && wasOut) log.event("info", "files-again");
    wasOut = isOut;
  }, LOOK_MS).unref();
}

function canOpen(): boolean {
  try {
    closeSync(openSync("/dev/null", "r"));
    return true;
  } catch {
    return false;
  }
}

/** The soft limit (RLIMIT_NOFILE), which Node has raised to the hard one when it started. */
export function openFilesLimit(): number | null {
  try {
    const match = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"));
    return match === null ? null : Number(match[1]);
  } catch {
    return null;
  }
}

/**
 * Children of a test: started in a process group of their own, watched, and ended to the last one.
 *
 * A guard beside each child ends it when the test that started it is gone, so that no server outlives its test. Nothing
 * is ever ended by name.
 */
import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Test } from "tap";

/** Real servers start within a second or two; a busy machine gets ten times that before a test gives up. */
const waitMsMax = 20_000;
/** Between two looks at something that cannot call us: short beside a start, long enough to cost nothing. */
const pollMs = 20;

export interface Child {
  readonly pid: number;
  /** What it has written so far. */
  stdout(): string;
  stderr(): string;
  /** Settles when the process is gone: its exit code, or null when a signal ended it. */
  readonly ended: Promise<number | null>;
  /** Asks it to end, waits for it and its own children, and kills what is left of them. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/**
 * Reads until its input ends, which is when the test is gone, however it died; then ends the process group that it is given.
 * The kernel's own word for this (PR_SET_PDEATHSIG) is lost when a server changes its user, as they all do.
 */
const guard = 'read -r end; kill -s TERM -- "-$0"; sleep 5; kill -s KILL -- "-$0"';

/** Starts `command`, and ends it with the test. */
export function startChild(
  t: Test,
  command: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Child {
  const [program = "", ...parameters] = command;
  const child = spawn(program, parameters, {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const pid = child.pid;
  if (pid === undefined) throw new Error(`cannot start ${program}`);
  const watcher = spawn("sh", ["-c", guard, String(pid)], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  watcher.unref();
  const stop = async (signal: NodeJS.Signals = "SIGTERM") => {
    child.kill(signal);
    await until(`the end of ${program}`, () => !groupLives(pid)).catch(() => process.kill(-pid, "SIGKILL"));
    watcher.kill("SIGKILL");
    return ended;
  };
  t.teardown(() => stop());
  return { pid, stdout, stderr, ended, stop };
}

/** Waits until `probe` gives something other than null, undefined or false, and returns that. */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  timeoutMs = waitMsMax,
): Promise<Exclude<T, null | undefined | false>> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const found = await probe();
    if (isThere(found)) return found;
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await sleep(pollMs);
  }
}

/** A directory that other users may enter, and that goes with the test. */
export function makeDirectory(t: Test, name: string): string {
  const directory = mkdtempSync(join(tmpdir(), `postern-${name}-`));
  chmodSync(directory, 0o755);
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Gathers what comes, and gives it when asked. */
function collect(stream: Readable): () => string {
  let text = "";
  stream.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
  });
  return () => text;
}

function isThere<T>(found: T): found is Exclude<T, null | undefined | false> {
  return found !== null && found !== undefined && found !== false;
}

/** Whether any process of the group that `pid` began is left: a server's own children belong to it. */
function groupLives(pid: number): boolean {
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
}

/**
 * A bench as a process of its own: it is started, has so much time, and its last line is read.
 *
 * It leads a group of processes, so that the proxies which it started end with it whatever becomes of it. What goes wrong is
 * a value, a sentence for people.
 */
import { spawn } from "node:child_process";

export type Ended = { readonly line: unknown } | { readonly fault: string };

export interface Errand {
  /** The bench's own. */
  readonly file: string;
  readonly words: readonly string[];
  readonly deadlineMs: number;
  /** Ends it early. */
  readonly signal: AbortSignal;
}

/** A bench that was told to end only has to end its proxies, at once. */
const STOP_MS = 2000;

/** What is kept of each of its outputs: the longest line of JSON, with thirty rounds in it, has a tenth of that. */
const OUTPUT_CHARACTERS_MAX = 64 * 1024;

export async function runBench({ file, words, deadlineMs, signal }: Errand): Promise<Ended> {
  if (signal.aborted) return { fault: "not measured: interrupted" };
  const child = spawn(process.execPath, [file, ...words], {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const endGroup = () => endGroupOf(child.pid);
  process.once("exit", endGroup);
  const output = { text: "", errors: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output.text = (output.text + text).slice(-OUTPUT_CHARACTERS_MAX);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output.errors = (output.errors + text).slice(0, OUTPUT_CHARACTERS_MAX);
  });

  let stopped: string | null = null;
  let killer: NodeJS.Timeout | null = null;
  const stop = (why: string) => {
    stopped ??= why;
    child.kill("SIGTERM");
    killer ??= setTimeout(endGroup, STOP_MS);
  };
  const deadline = setTimeout(() => stop(`no result in ${Math.ceil(deadlineMs / 1000)} s`), deadlineMs);
  const interrupted = () => stop("not measured: interrupted");
  signal.addEventListener("abort", interrupted, { once: true });

  const status = await new Promise<string | null>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", endGroup);
    child.once("close", (code, by) => resolve(code === 0 ? null : `ended with ${by ?? `code ${code}`}`));
  });
  clearTimeout(deadline);
  if (killer !== null) clearTimeout(killer);
  signal.removeEventListener("abort", interrupted);
  process.removeListener("exit", endGroup);
  if (stopped !== null) return { fault: stopped };
  return status === null ? lastLineOf(output.text) : { fault: faultIn(output.errors) ?? status };
}

function endGroupOf(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // Nobody is left of it.
  }
}

function lastLineOf(text: string): Ended {
  try {
    return { line: JSON.parse(text.trimEnd().split("\n").at(-1) ?? "") };
  } catch {
    return { fault: "its last line is not JSON" };
  }
}

/** The first thing that went wrong: what taskset says of a program that is not there, or the message of an error. */
function faultIn(errors: string): string | null {
  return /^(?:taskset|\w*Error): (.+)$/m.exec(errors)?.[1] ?? null;
}

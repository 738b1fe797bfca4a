/** Runs the command line as a user does, bounded in time. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** A generous multiple of what a start takes on a busy machine. */
const timeoutMs = 30_000;

export function postern(args: readonly string[], input = ""): Promise<Ended> {
  const child = spawn(process.execPath, [main, ...args], { timeout: timeoutMs, stdio: "pipe" });
  const ended = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (ended.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (ended.stderr += text));
  // A command that reads no input may be gone before it is written.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ ...ended, code }));
  });
}

/** Starts a command whose reader goes away at once. */
export function unread(args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [main, ...args], { timeout: timeoutMs, stdio: "pipe" });
  child.stdin.end();
  child.stdout.destroy();
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ stdout: "", stderr, code }));
  });
}

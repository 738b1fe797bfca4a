/** Where programs are that may or may not be installed, and what they say of themselves. */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Where daemons lie, which is not on everybody's path. */
const SBIN = ["/usr/local/sbin", "/usr/sbin"];

/** A program that is only asked for its version answers at once. */
const ANSWER_MS_MAX = 10_000;

/** The first that can be run; by default of all that a shell would find. */
export function programCalled(name: string, directories = pathDirectories()): string | null {
  return directories.map((directory) => join(directory, name)).find(isProgram) ?? null;
}

/** All that it says to these words, on either output; empty where it cannot be run. */
export function answerOf(program: string, words: readonly string[]): string {
  const { stdout, stderr } = spawnSync(program, words, {
    encoding: "latin1",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: ANSWER_MS_MAX,
  });
  return `${stdout ?? ""}${stderr ?? ""}`;
}

function pathDirectories(): readonly string[] {
  return [...(process.env.PATH ?? "").split(delimiter).filter((each) => each !== ""), ...SBIN];
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

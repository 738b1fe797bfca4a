/** What the load harness's commands share: what they are called with, and what they tell the shell. */
import type { Given } from "./given.ts";

/**
 * What a command tells the shell. `short`: it did what it was asked, and something it found is not well, or nothing got
 * through. `unable`: the command line was right, and it could not be done all the same.
 */
export const exitCodes = { well: 0, short: 1, wrong: 2, unable: 3 } as const;

/** The signal is somebody's wish that it ends, with what there is so far. */
export type Command = (given: Given, signal: AbortSignal) => Promise<number>;

/** The command line is not one that the harness understands: why, in one line. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The command line was right, and what could not be done all the same, in one line. */
export class Unable extends Error {
  override readonly name = "Unable";
}

/** A line for people, out of the way of what comes out. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** `goals`: whether postern holds its own goals, as the command line asks for it. */
import { goals as measure } from "../goals.ts";
import { OPTIONS } from "../options.ts";
import { type Command, UsageError } from "./command.ts";

export const goals: Command = async (given, signal) => {
  if (given.find(OPTIONS.json)) throw new UsageError("goals: --json takes no file: it is standard output's");
  return measure({
    json: given.has(OPTIONS.json),
    only: given.find(OPTIONS.only),
    write: given.find(OPTIONS.write),
    signal,
  });
};

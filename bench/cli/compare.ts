/** `compare`: postern and its peers, side by side, as the command line asks for it. */

import type { Turn } from "../compare/match.ts";
import { compare as play } from "../compare.ts";
import { run } from "../load/run.ts";
import { OPTIONS } from "../options.ts";
import { comparisonJson } from "../report/json.ts";
import { page } from "../report/page.ts";
import { comparisonText } from "../report/text.ts";
import { type Command, exitCodes, say, Unable } from "./command.ts";
import { checkWritable, deliver } from "./output.ts";

export const compare: Command = async (given, signal) => {
  checkWritable(given);
  const haraka = given.find(OPTIONS.haraka);
  const asked = {
    run,
    peers: given.get(OPTIONS.peers),
    cases: given.get(OPTIONS.cases),
    rounds: given.get(OPTIONS.rounds),
    seconds: given.get(OPTIONS.duration) / 1000,
    ...(haraka !== null && { haraka }),
    signal,
    onTurn: (turn: Turn) => say(turnText(turn)),
    onSample() {},
  };
  const comparison = await play(asked).catch((error: unknown) => {
    // It rejects only where this machine cannot do it at all.
    throw new Unable(error instanceof Error ? error.message : String(error));
  });
  deliver(given, {
    text: (to) => comparisonText(comparison, to),
    json: () => comparisonJson(comparison, "line"),
    html: () => page([], comparison),
  });
  return comparison.cases.length > 0 ? exitCodes.well : exitCodes.short;
};

/** `churn: haproxy, round 2 of 3` */
function turnText({ case: name, peer, round, rounds }: Turn): string {
  return `${name}: ${peer}, ${round === 0 ? "warming up" : `round ${round} of ${rounds}`}`;
}

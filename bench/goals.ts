/**
 * Does postern hold its own goals? Every bench that has one of them is run, one after the other, in less than eight minutes
 * on two cores; `goals.json` says which, and what the bounds are.
 *
 *     npm run bench -- goals [--only NAME] [--json] [--write FILE]
 *
 * Each bench is a process of its own. One that fails leaves its goals unmeasured, and so not held.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, release, type } from "node:os";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { errorCode } from "../src/wire/wire.ts";
import { meant } from "./cli/meant.ts";
import { runBench } from "./goals/child.ts";
import { LIST } from "./goals/list.ts";
import { measureAll } from "./goals/measure.ts";
import { jsonOf, sectionOf, tableOf, withSection } from "./goals/text.ts";
import { peers } from "./peers/start.ts";

/** All of them are to take less than eight minutes; the last one's end takes some seconds. */
const BUDGET_MS = 470_000;

export interface GoalsOptions {
  /** One line of JSON, and nothing else, on standard output. */
  readonly json: boolean;
  /** A goal's name; null: all of them. */
  readonly only: string | null;
  /** A Markdown file that has a place for the table; null: none. */
  readonly write: string | null;
  /** Ends it early; what was measured until then is told. */
  readonly signal: AbortSignal;
}

/** The exit code: 0 if all that were asked for hold, 1 if not, 2 if it cannot be begun. */
export async function goals({ json, only, write, signal }: GoalsOptions): Promise<number> {
  const chosen = LIST.goals.filter(({ name }) => only === null || name === only);
  const fault = faultOf({ only, write, found: chosen.length });
  if (fault !== null) return told(fault, 2);
  const measured = await measureAll(
    { runs: LIST.runs, goals: chosen },
    {
      budgetMs: BUDGET_MS,
      now: () => performance.now(),
      run: ({ bench, words }, deadlineMs) => {
        if (!signal.aborted)
          console.error(
            `measuring: ${[bench, ...words].join(" ")}, in ${Math.ceil(deadlineMs / 1000)} s at most`,
          );
        return runBench({ file: fileOf(bench), words, deadlineMs, signal });
      },
    },
  );
  for (const { goal, fault } of measured) if (fault !== null) console.error(`${goal.name}: ${fault}`);
  console.log(json ? jsonOf(measured) : tableOf(measured));
  if (write !== null) {
    if (measured.some((each) => each.measured === null)) return told(`${write} stays: goals are missing`, 1);
    const place = rewritten(write, sectionOf(measured, machine()));
    if ("fault" in place) return told(place.fault, 1);
    writeFileSync(write, place.text);
  }
  return measured.every(({ held }) => held) ? 0 : 1;
}

/** What eight minutes of measuring would only come to in the end. */
function faultOf({ only, write, found }: Pick<GoalsOptions, "only" | "write"> & { found: number }) {
  if (only !== null && found === 0) {
    const names = LIST.goals.map(({ name }) => name);
    return `no goal is called ${only}${meant(only, names)}: they are ${names.join(", ")}`;
  }
  if (write === null) return null;
  if (only !== null) return "--write needs all goals, and so no --only";
  const place = rewritten(write, "");
  return "fault" in place ? place.fault : null;
}

function rewritten(file: string, section: string): ReturnType<typeof withSection> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    return { fault: `${file} cannot be read: ${errorCode(error)}` };
  }
  const place = withSection(text, section);
  return "fault" in place ? { fault: `${file}: ${place.fault}` } : place;
}

function told(fault: string, code: number): number {
  console.error(`postern-bench: goals: ${fault}`);
  return code;
}

/** Beside this file, and written in the same language: the packed form is JavaScript. */
function fileOf(bench: string): string {
  return fileURLToPath(new URL(`${bench}${extname(import.meta.url)}`, import.meta.url));
}

/** `2 cores (AMD EPYC), Linux 6.18.5, Node 24.21.0, HAProxy 2.6.12, 2026-11-22` */
function machine(): string {
  const cores = `${availableParallelism()} cores (${cpus()[0]?.model ?? "unknown"})`;
  const node = `Node ${process.versions.node}`;
  const date = new Date().toISOString().slice(0, 10);
  return [cores, `${type()} ${release()}`, node, `HAProxy ${haproxyVersion()}`, date].join(", ");
}

function haproxyVersion(): string {
  const found = peers.haproxy.find(undefined);
  const said = found.kind === "found" ? found.version : "";
  return /^\d+(?:\.\d+)*/.exec(said)?.[0] ?? "of no version";
}

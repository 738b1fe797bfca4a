/** What CrowdSec's agent writes down with `-dump-data`, read line by line: who parsed it, into what, and which scenarios took it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

/** One line, and what became of it. */
export interface Explained {
  readonly line: string;
  /** The parser of `s01-parse` that took it; null when none did, and it counts for nothing. */
  readonly parser: string | null;
  readonly meta: Readonly<Record<string, string>>;
  /** When it happened, as CrowdSec understood it. */
  readonly time: string | null;
  /** The scenarios whose buckets it fell into. */
  readonly scenarios: readonly string[];
}

interface Event {
  readonly Line: { readonly Raw: string };
  readonly Meta?: Readonly<Record<string, string>>;
  readonly MarshaledTime?: string;
}
type Stage = Readonly<Record<string, readonly { readonly evt: Event; readonly success: boolean }[]>>;

/** The dump in `directory` holds every line of `lines`; equal ones have an equal fate. */
export function explained(lines: readonly string[], directory: string): Explained[] {
  const read = <T>(name: string): Readonly<Record<string, T>> =>
    parse(readFileSync(join(directory, name), "utf8")) ?? {};
  const parsers = new Map<string, string>();
  for (const [parser, results] of Object.entries(read<Stage>("parser-dump.yaml")["s01-parse"] ?? {}))
    for (const { evt, success } of results) if (success) parsers.set(evt.Line.Raw, parser);
  // Under "OK" stands what came through all stages, under a scenario's name what was poured into its buckets.
  const { OK = [], ...poured } = read<readonly Event[]>("bucketpour-dump.yaml");
  const events = new Map(OK.map((event) => [event.Line.Raw, event]));
  const scenarios = Map.groupBy(
    Object.entries(poured).flatMap(([name, taken]) => taken.map((event) => ({ name, raw: event.Line.Raw }))),
    ({ raw }) => raw,
  );
  return lines.map((line) => ({
    line,
    parser: parsers.get(line) ?? null,
    meta: events.get(line)?.Meta ?? {},
    time: events.get(line)?.MarshaledTime ?? null,
    scenarios: [...new Set(scenarios.get(line)?.map(({ name }) => name))],
  }));
}

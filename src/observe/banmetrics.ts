/** What the metrics show of bans: the decisions that hold, how old they are, whom they kept out, and what is wrong with them. */
import type { Sample, SeriesOptions } from "./series.ts";

/** A number for each of those who decide, or for each kind of trouble. */
export type ByName = Iterable<readonly [name: string, value: number]>;

export interface BanFigures {
  /** Decisions that hold now, by origin. */
  decisions(): ByName;
  /** Sessions refused for a decision, by its origin. */
  refused(): ByName;
  /** Seconds since the decisions were last known to be all there are; infinite before they ever were. */
  ageSeconds(): number;
  /** Updates that failed, by kind. */
  errors(): ByName;
  /** Decisions that were not obeyed, by kind. */
  ignored(): ByName;
}

export function banMetrics(bans: BanFigures): SeriesOptions[] {
  return [
    {
      name: "postern_bans",
      type: "gauge",
      help: "Decisions of CrowdSec's that hold now, by origin.",
      read: () => samples("origin", bans.decisions()),
    },
    {
      name: "postern_bans_age_seconds",
      type: "gauge",
      help: "Since the last answer of CrowdSec's local API; +Inf before the first.",
      read: () => [{ labels: {}, value: bans.ageSeconds() }],
    },
    {
      name: "postern_banned_total",
      type: "counter",
      help: "Connections refused or ended because their client was banned, by the decision's origin.",
      read: () => samples("origin", bans.refused()),
    },
    {
      name: "postern_lapi_errors_total",
      type: "counter",
      help: "Questions to CrowdSec's local API that failed, by kind.",
      read: () => samples("kind", bans.errors()),
    },
    {
      name: "postern_decisions_ignored_total",
      type: "counter",
      help: "Decisions that were not obeyed, by kind.",
      read: () => samples("kind", bans.ignored()),
    },
  ];
}

function samples(label: string, values: ByName): Sample[] {
  return Array.from(values, ([name, value]) => ({ labels: { [label]: name }, value }));
}

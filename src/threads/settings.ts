/** What a running gateway makes of a configuration: what of it can be had, what can change, and what has changed. */
import { isDeepStrictEqual } from "node:util";
import type { Configuration } from "../config/options.ts";
import type { EventLog } from "../observe/logger.ts";
import { connectionsThatFit } from "./openfiles.ts";
import { sparedOf } from "./shared.ts";

/** What was asked for, with everything in it that only a start can change as it is. */
export function lasting({ threads, tableSize, admin }: Configuration, asked: Configuration): Configuration {
  const { listen, token } = admin;
  return { ...asked, threads, tableSize, admin: { ...asked.admin, listen, token } };
}

/** Whether LAPI has to be asked in another way than before. */
export function asksOtherwise(now: Configuration, before: Configuration): boolean {
  return (
    !isDeepStrictEqual(now.crowdsec, before.crowdsec) || !isDeepStrictEqual(sparedOf(now), sparedOf(before))
  );
}

/** The configuration with no more connections than there can be open files for. */
export function capped(configuration: Configuration, log: EventLog): Configuration {
  const { maxConnections, threads } = configuration;
  const fit = connectionsThatFit(threads);
  if (fit === null || fit >= maxConnections) return configuration;
  log.event("warn", "open-files", {
    detail: `the limit of open files holds ${fit} connections, not ${maxConnections}: raise it (ulimit -n), or lower maxConnections`,
    maxConnections: fit,
  });
  return { ...configuration, maxConnections: fit };
}

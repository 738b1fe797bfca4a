/**
 * How far limits reach at a listener: what cannot be read cannot be counted. Limits on connections hold everywhere; those
 * on what a client does need SMTP in the clear.
 */
import type { LimitOptions } from "../limits/options.ts";
import type { ListenerOptions } from "../proxy/options.ts";

const commandLimits = ["messageRate", "recipientRate", "authRate"] as const;
type CommandLimit = (typeof commandLimits)[number];

/** Whether a client's commands are read, up to its STARTTLS. */
export function readsCommands({ protocol, tls }: ListenerOptions): boolean {
  return protocol === "smtp" && tls === "off";
}

/** Those of the limits on commands that the set turns on. */
export function commandLimitsOf(set: LimitOptions): readonly CommandLimit[] {
  return commandLimits.filter((key) => set[key] > 0);
}

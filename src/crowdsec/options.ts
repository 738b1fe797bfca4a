/** What is told by the configuration about CrowdSec's local API (LAPI) and what its decisions come to: plain data. */
import type { PairFiles } from "../certificates.ts";

/** How postern shows LAPI that it is one of its bouncers. */
export type LapiCredentials =
  | { readonly kind: "key"; readonly apiKey: string }
  /** A client certificate. The files are read for each connection anew, as such certificates do not live long. */
  | { readonly kind: "certificate"; readonly files: PairFiles };

/** How postern shows LAPI that it is one of its machines, which may push alerts. */
export interface AlertOptions {
  readonly machineId: string;
  readonly password: string;
}

export interface CrowdsecOptions {
  /** `http://127.0.0.1:8080` or `https://…`; without a slash at the end. */
  readonly url: string;
  readonly credentials: LapiCredentials;
  /** A file with the authorities that an `https` LAPI has to be vouched for by; null: the system's. */
  readonly ca: string | null;
  readonly updateFrequencyMs: number;
  /** Networks that no decision is obeyed for. */
  readonly neverBan: readonly string[];
  /** What becomes of clients while no list was ever received. */
  readonly onFailure: "open" | "closed";
  /** The gateway is not ready before it has a list. */
  readonly requireList: boolean;
  /** Whose decisions are asked for (`crowdsec`, `cscli`, `CAPI`, `lists`, …); empty: everybody's. */
  readonly origins: readonly string[];
  /** End the open sessions of a client that becomes banned. */
  readonly closeSessions: boolean;
  /** What decisions come to that are of another type than `ban`. */
  readonly otherTypes: "ignore" | "ban" | "tarpit";
  /** 0: none is sent. */
  readonly usageMetricsIntervalMs: number;
  /** The file that keeps the last list; null: none. */
  readonly cache: string | null;
  /** Null: none are pushed. */
  readonly alerts: AlertOptions | null;
}

/** What the control thread and the data threads say to each other. */
import type { Endpoint } from "../address.ts";
import type { Configuration } from "../config/options.ts";
import type { CrowdsecOptions } from "../crowdsec/options.ts";
import type { Signal } from "../crowdsec/signals.ts";
import type { StreamStatus } from "../crowdsec/stream.ts";
import type { Told } from "../crowdsec/usage.ts";
import type { CounterShape } from "../observe/counters.ts";
import type { Fields } from "../observe/logger.ts";
import type { LogLevel } from "../observe/options.ts";
import type { TlsMaterial } from "../tls/keeper.ts";
import type { Places } from "./registry.ts";
import type { SharedMemory } from "./shared.ts";

/** For each listener, in the configuration's order, what it listens on. */
export type Endpoints = readonly (readonly Endpoint[])[];

/** A configuration, with all that a data thread needs to bring it into force. */
export interface Plan {
  readonly configuration: Configuration;
  readonly places: Places;
  readonly memory: SharedMemory;
  /** Exactly these, port 0 being any that is free. */
  readonly endpoints: Endpoints;
  /** Null where there is no certificate, so that no TLS ends here. */
  readonly tls: TlsMaterial | null;
}

/** What a data thread is born with: it prepares the plan at once, as if it had been asked with number 0, and commits. */
export interface ThreadData {
  readonly plan: Plan;
  /** From 0. */
  readonly thread: number;
  /** The lines that it has sent and that are not written yet: see `Batch`. */
  readonly backlog: Int32Array;
  readonly inherited: readonly Share[];
}

/** A socket that this process was given. */
export interface Share {
  readonly endpoint: Endpoint;
  /** Null: another thread has it. */
  readonly descriptor: number | null;
}

/**
 * What has a `number` is a question, and its answer has the same.
 *
 * - `prepare`: bind what the plan needs and you have not; the answer is `prepared` or `unbound`.
 * - `commit`: what was prepared is in force; the answer is `committed`.
 * - `abort`: what was prepared, if anything was, is forgotten.
 * - `tls`: from now on with these.
 * - `drain`: accept nobody any more; the answer is `drained`, once the last session has gone.
 * - `cut`: end the sessions that are left.
 */
export type ToData =
  | { readonly type: "prepare"; readonly number: number; readonly plan: Plan }
  | { readonly type: "commit"; readonly number: number }
  | { readonly type: "abort" }
  | { readonly type: "tls"; readonly material: TlsMaterial }
  | { readonly type: "drain" }
  | { readonly type: "cut" };

/**
 * - `prepared`: the plan's addresses are listened on, with these real ports.
 * - `unbound`: one of them could not be bound, and all is as it was.
 * - `committed`: connections that come from now on meet the new configuration.
 */
export type Answer =
  | {
      readonly type: "prepared";
      readonly number: number;
      readonly endpoints: Endpoints;
      readonly wire: string;
    }
  | { readonly type: "unbound"; readonly number: number; readonly listener: string; readonly message: string }
  | { readonly type: "committed"; readonly number: number };

/**
 * - `log`: whole lines.
 * - `stock`: likewise, for CrowdSec's stock parsers; only where there is somewhere to write them.
 * - `signals`: what was seen of misbehaving clients, for LAPI.
 * - `open`: from now on it listens with these sockets.
 * - `drained`: no session is left.
 */
export type ToControl =
  | Answer
  | { readonly type: "log"; readonly lines: string }
  | { readonly type: "stock"; readonly lines: string }
  | { readonly type: "signals"; readonly signals: readonly Signal[] }
  | { readonly type: "open"; readonly descriptors: readonly number[] }
  | { readonly type: "drained" };

/** What the thread is born with that speaks with LAPI. */
export interface LapiData {
  readonly options: CrowdsecOptions;
  /** Postern's. */
  readonly version: string;
  readonly shelf: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly shape: CounterShape;
  /** Networks that are never banned. */
  readonly spared: readonly string[];
  /** What the one before it has told LAPI of usage; null: nothing. */
  readonly told: Told | null;
}

/**
 * - `signals`: what a data thread saw of misbehaving clients.
 * - `doubt`: LAPI may have told somebody else what was meant for us.
 * - `stop`: what is to be kept is written, what is to be told is told, and the thread ends.
 */
export type ToLapi =
  | { readonly type: "signals"; readonly signals: readonly Signal[] }
  | { readonly type: "doubt" }
  | { readonly type: "stop" };

/**
 * - `restored`: the list that was kept on disk is on the shelf, if there was one.
 * - `status`: what has become of its updates so far; one comes with each.
 * - `told`: LAPI has accepted this much of usage.
 * - `event`: for the log.
 */
export type FromLapi =
  | { readonly type: "restored" }
  | { readonly type: "status"; readonly status: StreamStatus }
  | { readonly type: "told"; readonly told: Told }
  | {
      readonly type: "event";
      readonly level: LogLevel;
      readonly event: string;
      readonly fields: Fields | undefined;
    };

/** What the control thread and the data threads say to each other. */
import type { Endpoint } from "../address.ts";
import type { Configuration } from "../config/options.ts";
import type { CrowdsecOptions } from "../crowdsec/options.ts";
import type { Signal } from "../crowdsec/signals.ts";
import type { StreamStatus } from "../crowdsec/stream.ts";
import type { CounterShape } from "../observe/counters.ts";
import type { Fields } from "../observe/logger.ts";
import type { LogLevel } from "../observe/options.ts";
import type { TlsMaterial } from "../tls/keeper.ts";
import type { SharedMemory } from "./shared.ts";

/** What a data thread is born with. */
export interface ThreadData {
  readonly configuration: Configuration;
  /** From 0. */
  readonly thread: number;
  readonly memory: SharedMemory;
  /** Null where there is no certificate, so that no TLS ends here. */
  readonly tls: TlsMaterial | null;
  /** The lines that it has sent and that are not written yet: see `Batch`. */
  readonly backlog: Int32Array;
}

/** For each listener, in the configuration's order, what it listens on. */
export type Endpoints = readonly (readonly Endpoint[])[];

/**
 * - `listen`: on exactly these; the answer is `listening` or `unbound`.
 * - `tls`: from now on with these; only where the thread was born with some.
 * - `drain`: accept nobody any more; the answer is `drained`, once the last session has gone.
 * - `cut`: end the sessions that are left.
 */
export type ToData =
  | { readonly type: "listen"; readonly endpoints: Endpoints }
  | { readonly type: "tls"; readonly material: TlsMaterial }
  | { readonly type: "drain" }
  | { readonly type: "cut" };

/**
 * - `listening`: on these, with their real ports.
 * - `unbound`: one of them could not be bound, and none is listened on.
 * - `log`: whole lines.
 * - `stock`: likewise, for CrowdSec's stock parsers; only where there is somewhere to write them.
 * - `signals`: what was seen of misbehaving clients, for LAPI.
 * - `drained`: no session is left.
 */
export type ToControl =
  | { readonly type: "listening"; readonly endpoints: Endpoints; readonly wire: string }
  | { readonly type: "unbound"; readonly listener: string; readonly message: string }
  | { readonly type: "log"; readonly lines: string }
  | { readonly type: "stock"; readonly lines: string }
  | { readonly type: "signals"; readonly signals: readonly Signal[] }
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
}

/**
 * - `signals`: what a data thread saw of misbehaving clients.
 * - `stop`: what is to be kept is written, and the thread ends.
 */
export type ToLapi =
  | { readonly type: "signals"; readonly signals: readonly Signal[] }
  | { readonly type: "stop" };

/**
 * - `status`: what has become of its updates so far.
 * - `event`: for the log.
 */
export type FromLapi =
  | { readonly type: "status"; readonly status: StreamStatus }
  | {
      readonly type: "event";
      readonly level: LogLevel;
      readonly event: string;
      readonly fields: Fields | undefined;
    };

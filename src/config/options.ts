/** The whole configuration, after validation: what `serve` starts from. Plain data that can be sent to a thread. */
import type { CrowdsecOptions } from "../crowdsec/options.ts";
import type { LimitOptions } from "../limits/options.ts";
import type { AdminOptions, LogOptions } from "../observe/options.ts";
import type { PoolOptions } from "../pools/options.ts";
import type { ListenerOptions } from "../proxy/options.ts";
import type { TlsOptions } from "../tls/options.ts";

export interface Configuration {
  readonly hostname: string;
  readonly threads: number;
  readonly maxConnections: number;
  readonly tableSize: number;
  readonly drainMs: number;
  readonly listeners: readonly ListenerOptions[];
  readonly pools: readonly PoolOptions[];
  readonly limits: Readonly<Record<string, LimitOptions>>;
  readonly tls: TlsOptions;
  /** Null: nobody is banned. */
  readonly crowdsec: CrowdsecOptions | null;
  readonly log: LogOptions;
  readonly admin: AdminOptions;
}

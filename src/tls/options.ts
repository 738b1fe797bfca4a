/** What the TLS that ends here is told by the configuration: plain data, and no key in it. */
import type { PairFiles } from "../certificates.ts";

export type MinVersion = "TLSv1.2" | "TLSv1.3";

export interface TlsOptions {
  /** The first serves clients that ask for no name, or for one that none is for. */
  readonly certificates: readonly PairFiles[];
  /** The oldest that is spoken with clients. */
  readonly minVersion: MinVersion;
}

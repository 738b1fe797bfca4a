/** What a listener is told by the configuration: plain data. */
import type { Endpoint } from "../address.ts";

export type Protocol = "smtp" | "imap" | "tcp";

/**
 * - `off`: a cleartext port; STARTTLS passes through.
 * - `starttls`: a cleartext port; STARTTLS ends here.
 * - `passthrough`: implicit TLS that passes through: the client speaks first, and nothing in it can be read.
 * - `implicit`: implicit TLS that ends here.
 */
type TlsMode = "off" | "starttls" | "passthrough" | "implicit";

/** What is done about clients that break SMTP's rules. */
export interface SmtpOptions {
  /** `pass`: what comes before the greeting is the server's to judge (postscreen does). */
  readonly earlyTalk: "pass" | "refuse";
  /** `reject`: the message is refused at its end, as Postfix does it; `close`: the session ends at once. */
  readonly bareNewline: "reject" | "close";
  /** No login passes on a connection that is to be encrypted and is not yet. */
  readonly authOnlyOverTls: boolean;
}

/** What a banned client gets. */
export interface BanOptions {
  /**
   * - `reply`: a refusal in the protocol's words, then the end.
   * - `drop`: the end, without a word.
   * - `tarpit`: nothing for a while, then the refusal.
   */
  readonly action: "reply" | "drop" | "tarpit";
  /** What the refusal says behind its code; null: postern's own words. */
  readonly text: string | null;
}

export interface ListenerOptions {
  readonly name: string;
  readonly listen: readonly Endpoint[];
  readonly protocol: Protocol;
  /** The networks that may send a PROXY header, and how long it may take; null: `proxy: { mode: off }`. */
  readonly proxy: { readonly from: readonly string[]; readonly timeoutMs: number } | null;
  readonly tls: TlsMode;
  readonly ban: BanOptions;
  readonly smtp: SmtpOptions;
  /** The pool's name. */
  readonly pool: string;
  /** The name of the set of limits. */
  readonly limits: string;
  readonly idleTimeoutMs: number;
  /** The networks of clients that only check, and that postern answers itself. */
  readonly monitors: readonly string[];
}

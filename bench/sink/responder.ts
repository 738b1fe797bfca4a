/** What a protocol of the sink is to a session: bytes in, replies out. It knows no socket, no thread and no PROXY header. */
import type { Announced, Tally } from "./counts.ts";

/**
 * - `open`: the client is heard.
 * - `securing`: it has its go-ahead for TLS, and `rest` is what came behind.
 * - `over`: the last word is said.
 */
export type ResponderState = "open" | "securing" | "over";

export interface Responder {
  readonly state: ResponderState;
  readonly greeting: Uint8Array;
  /** What is said to these bytes, in this order. What came behind the last word is not looked at. */
  feed(chunk: Uint8Array): readonly Uint8Array[];
  /** What was fed and not read: it belongs to TLS. */
  rest(): Uint8Array;
  /** TLS has begun: it goes on from the beginning, without a greeting. */
  secured(): void;
}

/** What one session's responder is made of. */
export interface ResponderOptions {
  readonly tally: Tally;
  readonly announced: Announced;
  /** Whether STARTTLS is to be had. */
  readonly offersTls: boolean;
}

/** Nobody logs in by this name; any other user, with any password, does. */
export const WRONG_USER = "wrong";

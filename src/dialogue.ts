/**
 * What a protocol's folder (`smtp/`, `imap/`) offers to the session: its words, and its exchanges with either side.
 *
 * Everything here is pure: bytes in, bytes and facts out. No socket, no clock, no log. A listener is handed its dialogue
 * where it is made; `protocol: tcp` and opaque TLS have none.
 */
import type { Address, AddressAndPort } from "./address.ts";
import type { SpokenReason } from "./outcome.ts";

/** Who the client is and where it connected to: what the upstream is told. */
export interface Introduction {
  readonly client: AddressAndPort;
  /** The address that the client connected to. */
  readonly destination: AddressAndPort;
  /** The session's id, as in the log. */
  readonly sessionId: string;
}

export interface Dialogue {
  /** The reply that ends a session which gets no further, e.g. `421 4.7.0 …`. `client` is null while it is unknown. */
  refusal(reason: SpokenReason, client: Address | null): Uint8Array;
  /** Answers a load balancer's health check; `up` says whether the pool has a server. */
  monitor(up: boolean): Responder;
  /** Tells the upstream who the client is, in the protocol's own way (XCLIENT, IMAP ID), before the client's first byte. */
  introduce(introduction: Introduction): Introducer;
  /** Follows the client's commands as far as the identity needs it; null where nothing has to be followed. */
  watch(): Watch | null;
}

/** One side of a short conversation that postern holds itself. */
export interface Responder {
  /** Sent first. When `closing` is already true nothing more follows. */
  readonly greeting: Uint8Array;
  /** True once the last reply ends the conversation: write it, then close. */
  readonly closing: boolean;
  /** The replies to what `chunk` completes; empty when it completes no line. */
  feed(chunk: Uint8Array): Uint8Array;
}

/**
 * - `more`: not finished; `send` (maybe empty) goes to the upstream.
 * - `done`: the upstream believes the identity; `greeting` (and whatever the upstream already said behind it) is the
 *   first that the client sees.
 * - `declined`: the upstream does not want this client and said so itself; `reply` goes to the client as it came, then
 *   the session ends.
 * - `refused`: the upstream does not take the identity; the session must not go on.
 */
export type IntroductionStep =
  | { readonly kind: "more"; readonly send: Uint8Array }
  | { readonly kind: "done"; readonly greeting: Uint8Array }
  | { readonly kind: "declined"; readonly reply: Uint8Array }
  | { readonly kind: "refused"; readonly detail: string };

export interface Introducer {
  /** Fed with the upstream's bytes, in any cuts, from its first one on. */
  feed(chunk: Uint8Array): IntroductionStep;
}

/** Follows a spliced session in both directions until it is opaque. */
export interface Watch {
  /** True from the byte on at which nothing more is followed: the splice goes on blindly. */
  readonly opaque: boolean;
  /** Set, and final, when a side broke a bound or the protocol so badly that it cannot be followed. */
  readonly violation: string | null;
  /** The bytes that go to the upstream for `chunk`: the same view when nothing had to be changed or held back. */
  client(chunk: Uint8Array): Uint8Array;
  /** Follows the upstream's bytes, which pass unchanged. */
  server(chunk: Uint8Array): void;
}

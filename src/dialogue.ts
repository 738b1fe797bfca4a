/**
 * What a protocol's folder (`smtp/`, `imap/`) offers to the session: its words, and its exchanges with either side.
 *
 * Everything here is pure: bytes in, bytes and facts out. No socket, no clock, no log. A listener is handed its dialogue
 * where it is made; `protocol: tcp` and opaque TLS have none.
 */
import type { Address, AddressAndPort } from "./address.ts";
import type { CommandReason, SpokenReason } from "./outcome.ts";

/** Who the client is and where it connected to: what the upstream is told. */
export interface Introduction {
  readonly client: AddressAndPort;
  /** The address that the client connected to. */
  readonly destination: AddressAndPort;
  /** The session's id, as in the log. */
  readonly sessionId: string;
  /** Null where TLS with the client does not end here, or may never begin. */
  readonly tls: ClientTls | null;
}

/** TLS between the client and postern. Both are null where it is still to come, and no login passes before it. */
export interface ClientTls {
  /** `TLSv1.3`. */
  readonly version: string | null;
  readonly cipher: string | null;
}

/** What has to be settled with the upstream in its own protocol, before the client is heard. */
export interface Agenda {
  /** STARTTLS: ahead of everything else, and without it nothing goes on. */
  readonly startsTls: boolean;
  /** The client is named. */
  readonly names: boolean;
}

export interface Dialogue {
  /** The reply that ends a session which gets no further, e.g. `421 4.7.0 …`. `client` is null while it is unknown. */
  refusal(reason: SpokenReason, client: Address | null): Uint8Array;
  /** Answers a load balancer's health check; `up` says whether the pool has a server. */
  monitor(up: boolean): Responder;
  /** What an upstream's first bytes, as far as they have come, say about what is to be had of it. */
  greeting(bytes: Uint8Array): Greeting;
  /** Holds a check's conversation with an upstream. */
  part(): Parting;
  /** Settles with the upstream what is on the agenda: TLS by STARTTLS, and who the client is by XCLIENT or IMAP ID. */
  introduce(introduction: Introduction, agenda: Agenda): Introducer;
  /** Follows a client's session. `client` is its address, for postern's words. */
  watch(client: Address, witness: Witness): Watch;
}

/**
 * - `unknown`: too little has come.
 * - `unwilling`: the upstream takes nobody now, or not this client. Another may.
 * - `averse`: it does not want this client, and works all the same. Another may.
 * - `welcome`: anything else, whatever it is; what follows is the watch's to judge.
 */
export type Greeting = "unknown" | "welcome" | Unwelcoming;

/** A greeting that refuses. */
export type Unwelcoming = "unwilling" | "averse";

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
 * - `secure`: the upstream waits for TLS to begin; `next` is the step to take inside it.
 * - `done`: all is settled; `greeting` (and whatever the upstream already said behind it) is the first that the client
 *   sees.
 * - `unwilling`, `averse`: the upstream's greeting refuses; where no other upstream is left the client gets it as a `declined`.
 * - `declined`: the upstream does not want this client and said so itself; `reply` goes to the client as it came, then
 *   the session ends.
 * - `refused`: the upstream does not do what it must; the session must not go on.
 */
export type IntroductionStep =
  | { readonly kind: "more"; readonly send: Uint8Array }
  | { readonly kind: "secure"; readonly next: IntroductionStep }
  | { readonly kind: "done"; readonly greeting: Uint8Array }
  | { readonly kind: Unwelcoming | "declined"; readonly reply: Uint8Array }
  | { readonly kind: "refused"; readonly reason: SpokenReason; readonly detail: string };

export interface Introducer {
  /** Fed with the upstream's bytes, in any cuts, from its first one on. */
  feed(chunk: Uint8Array): IntroductionStep;
}

/** A conversation with an upstream that is there to be ended: its whole greeting is heard, and then leave is taken. */
export interface Parting {
  /** Said when it is our turn, whatever the greeting was. */
  readonly goodbye: Uint8Array;
  /** Fed with the upstream's bytes, in any cuts, from its greeting's first one on. */
  feed(chunk: Uint8Array): PartingStep;
}

/**
 * - `waiting`: not finished.
 * - `greeted`: the greeting is whole, and the upstream takes sessions.
 * - `refused`: it is whole, or none; and the upstream takes none.
 * - `parted`: it has answered the goodbye, and will end the connection.
 */
export type PartingStep =
  | { readonly kind: "waiting" | "greeted" | "parted" }
  | { readonly kind: "refused"; readonly detail: string };

/** What a client may do only so often, by the reason with which it is refused. */
export type LimitedEvent = "message-rate" | "recipient-rate" | "auth-rate";

/** Whom a watch asks and tells: the session, as the dialogue sees it. */
export interface Witness {
  /** Counts the event and says whether the client may have it. Called once for each, when Postfix's smtpd would count it. */
  allows(event: LimitedEvent): boolean;
  /** Whether the client may begin TLS: it has not had too many sessions, and there is room for one more handshake. */
  maySecure(): Securing;
  /** Whether the client may try to log in: not when too many of its logins have failed. */
  mayLogIn(): boolean;
  /** The upstream has taken a message (its 250 behind the end of data), or has not. */
  message(accepted: boolean, recipients: number): void;
  /** The upstream has judged a login. `user` is null where the mechanism does not show it; never a secret. */
  login(ok: boolean, mechanism: string, user: string | null): void;
}

/** `busy`: for want of room, which is no fault of the client's. */
export type Securing = "allowed" | "limited" | "busy";

/**
 * How far a watch has brought its session.
 *
 * - `following`: both directions are read.
 * - `waiting`: bytes of the client's are kept back until the server has answered; it need not be heard before that.
 * - `severed`: the upstream is to be dropped at once, so that it never sees the end of what it was given; the client is
 *   still heard.
 * - `ending`: the session's conclusion is there and waits for its turn among the server's answers.
 * - `securing`: the client has been told to begin TLS, and says nothing else; `secured` goes on from there.
 * - `opaque`: nothing more is followed, the splice goes on blindly. Never while bytes are kept back.
 */
export type Stage = "following" | "waiting" | "severed" | "ending" | "securing" | "opaque";

/** How a watch ends its session. */
export interface Conclusion {
  readonly outcome: "refused" | "failed";
  readonly reason: SpokenReason | CommandReason;
  /** A short fixed phrase; null where the reason says it all. */
  readonly detail: string | null;
  /** The last words, behind what is due; empty where they could be taken for another reply. */
  readonly words: Uint8Array;
}

/**
 * Follows a spliced session in both directions. What it does not return does not pass. The order of calls is the order of
 * the bytes; after each call `due` is asked for postern's own words, then `stage` and `conclusion` for what is to be done.
 */
export interface Watch {
  readonly stage: Stage;
  /** Final, once it is there. To be used when the stage is neither `severed` nor `ending` any more, or the client gone. */
  readonly conclusion: Conclusion | null;
  /** The server has been given the end of a message and has yet to say whether it takes it: no time to end the session. */
  readonly isCommitted: boolean;
  /**
   * The bytes that go to the upstream for `chunk`: the same view when nothing had to be changed or kept back. Called with
   * no bytes when the watch has waited and the server has spoken, and when the client is heard again after a pause.
   */
  client(chunk: Uint8Array): Uint8Array;
  /** The bytes that go to the client for `chunk`: the same view when nothing had to be changed, added or kept back. */
  server(chunk: Uint8Array): Uint8Array;
  /** Postern's own replies whose turn has come, for the client; empty when there are none. */
  due(): Uint8Array;
  /** TLS has begun with the client: what was known of it before is void. */
  secured(): void;
  /**
   * The upstream has gone, or been silent for too long: what the client is to hear of it. Nothing where the server has said
   * so, broke off a reply, or owes none.
   */
  lost(): Uint8Array;
  /** What the client is told when postern ends the session now; nothing where it would be taken for the rest of a reply. */
  leave(): Uint8Array;
}

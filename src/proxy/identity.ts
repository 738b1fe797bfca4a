/**
 * What a server has to have heard before it hears the client, in this order: a PROXY header, in the clear and in one
 * write; TLS, where the pool begins it at once; then the exchange that the dialogue conducts (STARTTLS, XCLIENT, IMAP ID).
 *
 * Fails closed: a server that does not take the identity, or with which TLS that is due does not come about, never sees
 * the client, and ends its session: that is the same on all servers of a pool, or somebody's doing, and is not to be
 * covered up by trying on. One that is not there is passed over for the next: it cannot be connected to, goes away or
 * says nothing, or its greeting refuses. So the client hears nothing of a server whose greeting has not been looked at.
 */
import type { Introducer, Introduction, IntroductionStep } from "../dialogue.ts";
import { nothing } from "../lines.ts";
import type { Identity, PoolOptions } from "../pools/options.ts";
import type { Connection, ConnectionOwner } from "../wire/wire.ts";
import type { Gate } from "./gate.ts";
import { encodeV1, encodeV2 } from "./header.ts";
import type { Search } from "./search.ts";
import type { Session } from "./session.ts";

/** The server itself does not want this client, who is told so in the server's own words. */
const DECLINED = {
  outcome: "failed",
  reason: "upstream-unavailable",
  detail: "declined by the upstream",
} as const;

/** As much of a session as its approach has to do with. */
export interface Approaching extends Pick<Session, "reached" | "introduced" | "concluded" | "fail"> {
  readonly gate: Pick<Gate, "dialogue" | "upstreamTls"> & {
    readonly pool: { readonly options: Pick<PoolOptions, "identity" | "tls"> };
  };
}

/** Owns the upstream connection until the client may be heard. */
export class Approach implements ConnectionOwner {
  readonly #session: Approaching;
  readonly #search: Pick<Search, "failed" | "refused">;
  /** Null where nothing has to be settled in the server's own protocol. */
  #introducer: Introducer | null = null;
  /** What follows TLS; null while none is being begun. */
  #afterTls: (() => void) | null = null;
  /** What has come of a greeting, where no introducer waits for it. */
  #greeting: Uint8Array = nothing;

  constructor(session: Approaching, search: Pick<Search, "failed" | "refused">) {
    this.#session = session;
    this.#search = search;
  }

  /** The connection is there, or TLS on it is. */
  onConnect(connection: Connection): void {
    if (this.#afterTls === null) return this.#begin(connection);
    const go = this.#afterTls;
    this.#afterTls = null;
    go();
  }

  #begin(connection: Connection): void {
    const { gate } = this.#session;
    const { identity, tls } = gate.pool.options;
    const introduction = this.#session.reached();
    const header = headerFor(identity, introduction);
    const agenda = { startsTls: tls.mode === "starttls", names: identity === "xclient" || identity === "id" };
    if (agenda.startsTls || agenda.names) {
      if (gate.dialogue === null) return this.#session.fail("identity-refused", "no dialogue for it");
      this.#introducer = gate.dialogue.introduce(introduction, agenda);
    }
    if (header !== null) connection.write(header);
    if (tls.mode === "implicit") this.#secure(connection, () => this.#converse(connection));
    else this.#converse(connection);
  }

  #converse(connection: Connection): void {
    if (this.#session.gate.dialogue === null) this.#introduced(connection, null);
    else connection.start();
  }

  onData(connection: Connection, bytes: Uint8Array): void {
    if (this.#introducer === null) this.#greet(connection, bytes);
    else this.#take(connection, this.#introducer.feed(bytes));
  }

  #greet(connection: Connection, bytes: Uint8Array): void {
    this.#greeting = this.#greeting.length === 0 ? bytes : Buffer.concat([this.#greeting, bytes]);
    const greeting = this.#session.gate.dialogue!.greeting(this.#greeting);
    switch (greeting) {
      case "unknown":
        this.#greeting = Uint8Array.from(this.#greeting);
        return;
      case "unwilling":
      case "averse":
        if (this.#search.refused(greeting)) return;
        return this.#introduced(connection, this.#greeting);
      case "welcome":
        return this.#introduced(connection, this.#greeting);
      default:
        return greeting satisfies never;
    }
  }

  #take(connection: Connection, step: IntroductionStep): void {
    switch (step.kind) {
      case "more":
        connection.write(step.send);
        // It does not read behind a handshake.
        return connection.start();
      case "secure":
        return this.#secure(connection, () => this.#take(connection, step.next));
      case "done":
        return this.#introduced(connection, step.greeting);
      case "unwilling":
      case "averse":
        if (this.#search.refused(step.kind)) return;
        return this.#session.concluded({ ...DECLINED, words: step.reply });
      case "declined":
        return this.#session.concluded({ ...DECLINED, words: step.reply });
      case "refused":
        return this.#session.fail(step.reason, step.detail);
      default:
        return step satisfies never;
    }
  }

  /** What was written goes first, and from here on nothing is read in the clear. */
  #secure(connection: Connection, then: () => void): void {
    this.#afterTls = then;
    connection.secure(this.#session.gate.upstreamTls!, nothing);
  }

  /** The only way on: not in the clear where TLS is due. */
  #introduced(connection: Connection, greeting: Uint8Array | null): void {
    const isDue = this.#session.gate.upstreamTls !== null;
    if (isDue && connection.tls === null) this.#session.fail("tls-handshake", "never begun");
    else this.#session.introduced(greeting);
  }

  onEnd(): void {
    const where = this.#introducer === null ? "before its greeting" : "during the identity's exchange";
    this.#search.failed("upstream-unavailable", `closed by the upstream ${where}`);
  }

  onDrain(): void {}

  onError(_connection: Connection, code: string): void {
    if (this.#afterTls === null) this.#search.failed("upstream-unavailable", code);
    else this.#session.fail("tls-handshake", code);
  }
}

function headerFor(identity: Identity, { client, destination, tls }: Introduction): Uint8Array | null {
  switch (identity) {
    case "proxy-v2":
      return encodeV2(client, destination, { ssl: tls });
    case "proxy-v1":
      return encodeV1(client, destination);
    case "xclient":
    case "id":
    case "none":
      return null;
    default:
      return identity satisfies never;
  }
}

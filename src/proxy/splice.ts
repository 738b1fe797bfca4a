/**
 * Two connections joined: what one side says, the other side gets. Each half ends by itself and passes its end on; a
 * half whose far side does not read stops reading.
 *
 * Until the upstream has greeted, a cleartext client's bytes are held: the upstream sees an early talker as one, but no
 * byte before its own first. Where TLS passes through the client speaks first, and nothing is held once the upstream is
 * there.
 */
import type { Watch } from "../dialogue.ts";
import type { Connection, ConnectionOwner } from "../wire/wire.ts";
import type { Session } from "./session.ts";

/** Held for an early client at most, then it is not read from: a ClientHello, or some commands, fit many times. */
const HELD_BYTES_MAX = 16 * 1024;

const EMPTY = Buffer.alloc(0);

export class Splice implements ConnectionOwner {
  readonly #session: Session;
  readonly #client: Connection;
  #upstream: Connection | null = null;
  /** Null where nothing, or nothing any more, has to be followed. */
  #watch: Watch | null;
  /** What the client said before it may be heard; null once its bytes flow. */
  #held: Buffer | null = EMPTY;

  constructor(session: Session, client: Connection, watch: Watch | null) {
    this.#session = session;
    this.#client = client;
    this.#watch = watch;
  }

  /** The upstream knows who the client is. `greeting` is what it already said to the client. */
  open(upstream: Connection, greeting: Uint8Array | null): void {
    this.#upstream = upstream;
    upstream.owner = this;
    if (greeting !== null) this.#fromUpstream(upstream, greeting);
    else if (this.#session.gate.dialogue === null) this.#release(upstream);
    if (!this.#client.isPending) upstream.start();
  }

  onConnect(): void {}

  onData(connection: Connection, bytes: Uint8Array): void {
    if (connection === this.#client) this.#fromClient(bytes);
    else this.#fromUpstream(connection, bytes);
  }

  onEnd(connection: Connection): void {
    if (connection === this.#client) {
      if (this.#held === null) this.#passEnd(this.#upstream!);
    } else if (this.#held !== null) {
      this.#session.fail("upstream-unavailable", "closed by the upstream before its greeting");
    } else {
      this.#passEnd(this.#client);
    }
  }

  onDrain(connection: Connection): void {
    if (connection === this.#client) this.#upstream?.start();
    else this.#client.start();
    this.#closeIfDone();
    this.#limitRest();
  }

  onError(connection: Connection, code: string): void {
    if (connection === this.#client) this.#session.closed();
    else if (this.#held !== null) this.#session.fail("upstream-unavailable", code);
    // A server that closes over the client's last bytes (a TLS close_notify, say) resets: that is an end like others.
    else if (this.#client.hasEnded || connection.hasEnded) this.#session.abandoned();
    else this.#session.broken();
  }

  #fromClient(bytes: Uint8Array): void {
    this.#session.bytesIn += bytes.length;
    if (this.#held !== null) this.#hold(bytes);
    else this.#toUpstream(this.#upstream!, bytes);
  }

  #fromUpstream(upstream: Connection, bytes: Uint8Array): void {
    this.#session.bytesOut += bytes.length;
    this.#session.touch();
    this.#watch?.server(bytes);
    if (!this.#client.write(bytes)) upstream.stop();
    if (this.#held !== null) this.#release(upstream);
    this.#follow();
  }

  #hold(bytes: Uint8Array): void {
    this.#held = Buffer.concat([this.#held!, bytes]);
    if (this.#held.length >= HELD_BYTES_MAX) this.#client.stop();
  }

  #release(upstream: Connection): void {
    const held = this.#held!;
    this.#held = null;
    this.#session.greeted();
    if (held.length > 0) this.#toUpstream(upstream, held);
    if (this.#client.hasEnded) this.#passEnd(upstream);
    else if (!upstream.isPending) this.#client.start();
  }

  #toUpstream(upstream: Connection, bytes: Uint8Array): void {
    this.#session.touch();
    const passed = this.#watch === null ? bytes : this.#watch.client(bytes);
    if (!upstream.write(passed)) this.#client.stop();
    this.#follow();
  }

  /** Once the watch has seen all that it has to, or cannot follow any more, it is let go. */
  #follow(): void {
    if (this.#watch === null) return;
    const { violation, opaque } = this.#watch;
    if (violation !== null) {
      this.#watch = null;
      this.#session.refuse("protocol-violation", violation);
    } else if (opaque) this.#watch = null;
  }

  #passEnd(to: Connection): void {
    if (to.hasEnded) return this.#closeIfDone();
    to.end();
    this.#limitRest();
  }

  /** A server may think for long about what a client that has ended said last; a client need not, once the server has. */
  #limitRest(): void {
    if (this.#upstream?.hasEnded === true && !this.#client.isPending) this.#session.upstreamEnded();
  }

  /** A side with pending bytes is waited for: closing it would drop them. */
  #closeIfDone(): void {
    if (!this.#client.hasEnded || this.#upstream?.hasEnded !== true) return;
    if (!this.#client.isPending && !this.#upstream.isPending) this.#session.closed();
  }
}

/**
 * Two connections joined: what one side says, the other side gets. Each half ends by itself and passes its end on; a
 * half whose far side does not read stops reading.
 *
 * Where there is a watch, all passes through it: it says what passes, and what postern itself says in between. A client
 * that does not read is then not heard either, since what it says may be answered here.
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
  /** Null before it is there, and after it was severed. */
  #upstream: Connection | null = null;
  /** Null where nothing, or nothing any more, has to be followed. */
  #watch: Watch | null;
  /** What the client said before it may be heard; null once its bytes flow. */
  #held: Buffer | null = EMPTY;
  #clientEnded = false;
  #upstreamEnded = false;
  /** Bytes that the side was given are still on their way to the kernel. */
  #clientPending = false;
  #upstreamPending = false;

  constructor(session: Session, client: Connection, watch: Watch | null) {
    this.#session = session;
    this.#client = client;
    this.#watch = watch;
  }

  /** The upstream knows who the client is. `greeting` is what it already said to the client. */
  open(upstream: Connection, greeting: Uint8Array | null): void {
    this.#upstream = upstream;
    upstream.owner = this;
    if (greeting !== null) this.#fromUpstream(greeting);
    else if (this.#session.gate.dialogue === null) this.#release();
    upstream.start();
  }

  onConnect(): void {}

  onData(connection: Connection, bytes: Uint8Array): void {
    if (connection === this.#client) this.#fromClient(bytes);
    else this.#fromUpstream(bytes);
  }

  onEnd(connection: Connection): void {
    if (connection === this.#client) {
      this.#clientEnded = true;
      if (this.#held === null) this.#passEnd(this.#upstream);
    } else if (this.#held !== null) {
      this.#session.fail("upstream-unavailable", "closed by the upstream before its greeting");
    } else {
      this.#upstreamEnded = true;
      this.#passEnd(this.#client);
    }
  }

  onDrain(connection: Connection): void {
    if (connection === this.#client) this.#clientPending = false;
    else this.#upstreamPending = false;
    this.#listen();
    this.#closeIfDone();
  }

  onError(connection: Connection, code: string): void {
    if (connection === this.#client) this.#session.closed();
    else if (this.#held !== null) this.#session.fail("upstream-unavailable", code);
    else if (this.#clientPending) this.#lastBytes();
    // A server that closes over the client's last bytes (a TLS close_notify, say) resets: that is an end like others.
    else if (this.#clientEnded || this.#upstreamEnded) this.#session.closed();
    else this.#session.broken();
  }

  #fromClient(bytes: Uint8Array): void {
    this.#session.bytesIn += bytes.length;
    if (this.#held !== null) this.#hold(bytes);
    else this.#toUpstream(bytes);
  }

  #fromUpstream(bytes: Uint8Array): void {
    this.#session.touch();
    this.#toClient(this.#watch === null ? bytes : this.#watch.server(bytes));
    if (this.#follow() && this.#held !== null) this.#release();
  }

  #hold(bytes: Uint8Array): void {
    this.#held = Buffer.concat([this.#held!, bytes]);
    if (this.#held.length >= HELD_BYTES_MAX) this.#client.stop();
  }

  #release(): void {
    const held = this.#held!;
    this.#held = null;
    this.#session.greeted();
    if (held.length > 0 && !this.#toUpstream(held)) return;
    if (this.#clientEnded) this.#passEnd(this.#upstream);
    else this.#listen();
  }

  /** Whether the session goes on. */
  #toUpstream(bytes: Uint8Array): boolean {
    this.#session.touch();
    const passed = this.#watch === null ? bytes : this.#watch.client(bytes);
    if (this.#upstream?.write(passed) === false) {
      this.#upstreamPending = true;
      this.#client.stop();
    }
    return this.#follow();
  }

  #toClient(bytes: Uint8Array): void {
    // Behind the upstream's end, which the client has seen, there is nothing more to say.
    if (this.#upstreamEnded) return;
    this.#session.bytesOut += bytes.length;
    if (this.#client.write(bytes)) return;
    this.#clientPending = true;
    this.#upstream?.stop();
    if (this.#watch !== null) this.#client.stop();
  }

  /** Says what postern has to say, and does what the watch has come to; whether the session goes on. */
  #follow(): boolean {
    const watch = this.#watch;
    if (watch === null) return true;
    this.#toClient(watch.due());
    const { violation, closing, severed, opaque } = watch;
    if (violation !== null || closing || opaque) this.#watch = null;
    if (closing) this.#session.concluded(violation);
    else if (violation !== null) this.#session.refuse("protocol-violation", violation);
    else if (severed) this.#sever();
    else if (opaque) this.#session.becameOpaque();
    return violation === null && !closing;
  }

  /** The upstream is gone at once, with whatever it was not yet given; the client is heard on. */
  #sever(): void {
    this.#upstream?.close();
    this.#upstream = null;
    this.#upstreamPending = false;
    this.#listen();
  }

  /** Each side is heard whose words have a place to go. */
  #listen(): void {
    if (!this.#upstreamEnded && !this.#clientPending) this.#upstream?.start();
    const answered = this.#watch === null || !this.#clientPending;
    if (!this.#clientEnded && !this.#upstreamPending && answered) this.#client.start();
  }

  /** The upstream is gone, and what it said is not yet with the client, which has nobody to talk to any more. */
  #lastBytes(): void {
    this.#clientEnded = true;
    this.#upstreamEnded = true;
    this.#upstreamPending = false;
    this.#client.stop();
    this.#session.halfClosed();
  }

  /** To a side that is gone no end is passed: it was the last that there was. */
  #passEnd(to: Connection | null): void {
    if (to === null) return this.#session.closed();
    if (this.#clientEnded && this.#upstreamEnded) return this.#closeIfDone();
    to.end();
    this.#session.halfClosed();
  }

  /** A side with pending bytes is waited for: closing it would drop them. */
  #closeIfDone(): void {
    if (!this.#clientEnded || !this.#upstreamEnded) return;
    if (!this.#clientPending && !this.#upstreamPending) this.#session.closed();
  }
}

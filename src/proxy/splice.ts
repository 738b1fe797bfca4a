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
import type { Conclusion, Watch } from "../dialogue.ts";
import { nothing } from "../lines.ts";
import type { Connection, ConnectionOwner } from "../wire/wire.ts";
import type { Session } from "./session.ts";

/**
 * Held for an early client at most, then it is not read from: a ClientHello, or some commands, fit many times. It is not parked
 * then, since nobody would see that it leaves its place.
 */
const HELD_BYTES_MAX = 16 * 1024;

const EMPTY = Buffer.alloc(0);

/** The upstream broke, but at the end of a session. */
const ABANDONED = { outcome: "closed", reason: null, detail: null, words: nothing } as const;

export class Splice implements ConnectionOwner {
  readonly #session: Session;
  readonly #client: Connection;
  /** Null before it is there, and after it was severed. */
  #upstream: Connection | null = null;
  /** Null where nothing, or nothing any more, has to be followed. */
  #watch: Watch | null;
  /** What the client said before it may be heard; null once its bytes flow. */
  #held: Buffer | null = EMPTY;
  /** The client has ended, and the server has yet to hear something else first. */
  #endWaits = false;

  constructor(session: Session, client: Connection, watch: Watch | null) {
    this.#session = session;
    this.#client = client;
    this.#watch = watch;
  }

  /** How the watch has decided that the session ends; it may still hear the client until then. */
  get conclusion(): Conclusion | null {
    return this.#watch?.conclusion ?? null;
  }

  get isCommitted(): boolean {
    return this.#watch?.isCommitted === true;
  }

  /** The upstream knows who the client is. `greeting` is what it has said to it; null where nobody waits for that. */
  open(upstream: Connection, greeting: Uint8Array | null): void {
    this.#upstream = upstream;
    upstream.owner = this;
    if (greeting === null) this.#release();
    else this.#fromUpstream(greeting);
    if (!this.#client.isPending) this.#upstream?.start();
  }

  /** No server can take the client yet. One that has ended does not wait, nor one whose end could not be heard. */
  park(): void {
    if (this.#client.hasEnded) this.#session.stop();
    else if (this.#isHeldFull) this.#session.fail("upstream-unavailable", "said too much to be parked");
  }

  /** The client has begun TLS, and is heard again. */
  secured(): void {
    this.#client.owner = this;
    this.#watch?.secured();
    this.#listen();
  }

  /** What the client may be told when it is postern that ends the session. */
  leave(): Uint8Array {
    return this.#upstream?.hasEnded === true ? nothing : (this.#watch?.leave() ?? nothing);
  }

  /** Neither side has said anything for too long. Behind the upstream's end there is nothing more to say. */
  expire(): void {
    const words = this.#upstream?.hasEnded === true ? nothing : this.#lost();
    if (this.conclusion !== null || words.length === 0) this.#session.stop("timeout");
    else this.#session.concluded({ outcome: "timeout", reason: null, detail: null, words });
  }

  /** The client's pause is over. */
  resume(): void {
    this.#goOn(nothing);
    this.#limitRest();
  }

  onConnect(): void {}

  onData(connection: Connection, bytes: Uint8Array): void {
    if (connection === this.#client) this.#fromClient(bytes);
    else this.#fromUpstream(bytes);
  }

  onEnd(connection: Connection): void {
    if (connection === this.#client) return this.#passClientEnd();
    this.#session.search.leave();
    if (this.conclusion !== null) this.#conclude(this.conclusion);
    else {
      const words = this.#lost();
      if (words.length > 0) this.#session.broken(words);
      else this.#passEnd(this.#client);
    }
  }

  onDrain(): void {
    // While the client is in its handshake neither side is heard, and TLS begins once.
    if (this.#watch?.stage === "securing" || !this.#follow()) return;
    this.#listen();
    this.#closeIfDone();
    this.#limitRest();
  }

  onError(connection: Connection): void {
    if (connection === this.#client) this.#session.stop();
    else if (this.conclusion !== null) this.#conclude(this.conclusion);
    // A server that closes over the client's last bytes (a TLS close_notify, say) resets: that is an end like others.
    else if (this.#client.hasEnded || connection.hasEnded) this.#session.concluded(ABANDONED);
    else this.#session.broken(this.#lost());
  }

  /** What waited for its turn comes without it: the words would be taken for the answer to something else. */
  #conclude(conclusion: Conclusion): void {
    this.#session.concluded({ ...conclusion, words: this.#lost() });
  }

  /** What the client is to hear where the upstream says nothing more. */
  #lost(): Uint8Array {
    return this.#watch?.lost() ?? nothing;
  }

  #fromClient(bytes: Uint8Array): void {
    this.#session.bytesIn += bytes.length;
    if (this.#held !== null) this.#hold(bytes);
    else this.#toUpstream(bytes);
  }

  #fromUpstream(bytes: Uint8Array): void {
    this.#session.touch();
    const wasDeaf = this.#isDeaf;
    this.#toClient(this.#watch === null ? bytes : this.#watch.server(bytes));
    if (!this.#follow()) return;
    if (this.#held !== null) this.#release();
    else if (this.#isDeaf) this.#client.stop();
    else if (wasDeaf) this.#goOn(nothing);
  }

  /** What the client says next has to wait. */
  get #isDeaf(): boolean {
    return this.#session.phase === "pause" || this.#watch?.stage === "waiting";
  }

  #hold(bytes: Uint8Array): void {
    if (this.#session.gate.refusesEarlyTalk) return this.#session.refuse("early-talk");
    this.#held = Buffer.concat([this.#held!, bytes]);
    if (this.#isHeldFull) this.#client.stop();
    if (this.#session.phase === "parked") this.park();
  }

  get #isHeldFull(): boolean {
    return this.#held !== null && this.#held.length >= HELD_BYTES_MAX;
  }

  #release(): void {
    const held = this.#held!;
    this.#held = null;
    this.#session.greeted();
    this.#goOn(held);
  }

  /** The client is heard again, after what it has said already. */
  #goOn(held: Uint8Array): void {
    if (!this.#toUpstream(held)) return;
    if (this.#endWaits) this.#passClientEnd();
    else this.#listen();
  }

  /** Whether the session goes on. */
  #toUpstream(bytes: Uint8Array): boolean {
    const passed = this.#watch === null ? bytes : this.#watch.client(bytes);
    // A client that is heard no more cannot keep its session by talking on.
    if (passed.length > 0) this.#session.touch();
    if (this.#upstream?.write(passed) === false || this.#isDeaf) this.#client.stop();
    return this.#follow();
  }

  #toClient(bytes: Uint8Array): void {
    // Behind the upstream's end, which the client has seen, there is nothing more to say.
    if (this.#upstream?.hasEnded === true) return;
    this.#session.bytesOut += bytes.length;
    if (this.#client.write(bytes)) return;
    this.#upstream?.stop();
    if (this.#watch !== null) this.#client.stop();
  }

  /** Says what postern has to say, and does what the watch has come to; whether the session goes on. */
  #follow(): boolean {
    const watch = this.#watch;
    if (watch === null) return true;
    this.#toClient(watch.due());
    const { stage, conclusion } = watch;
    if (conclusion !== null && stage !== "severed" && stage !== "ending") {
      this.#watch = null;
      this.#session.concluded(conclusion);
      return false;
    }
    switch (stage) {
      case "following":
      case "waiting":
      case "ending":
        return true;
      case "severed":
        this.#sever();
        return true;
      case "securing":
        return this.#secure();
      case "opaque":
        this.#watch = null;
        this.#session.becameOpaque();
        return true;
      default:
        return stage satisfies never;
    }
  }

  /** Neither side is heard until the client has begun TLS. */
  #secure(): boolean {
    this.#upstream?.stop();
    this.#session.secure();
    return false;
  }

  /** The upstream is gone at once, with whatever it was not yet given; the client is heard on. */
  #sever(): void {
    if (this.#upstream === null) return;
    this.#session.search.close();
    this.#upstream = null;
    this.#listen();
  }

  /** Each side is heard whose words have a place to go. */
  #listen(): void {
    if (!this.#client.isPending) this.#upstream?.start();
    if (this.#upstream?.isPending === true || this.#isDeaf) return;
    if (this.#watch === null || !this.#client.isPending) this.#client.start();
  }

  #passClientEnd(): void {
    if (this.#session.phase === "parked") return this.#session.stop();
    this.#endWaits = this.#held !== null || this.#isDeaf;
    if (this.#endWaits) return;
    if (this.#upstream === null) this.#session.stop();
    else this.#passEnd(this.#upstream);
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
    if (!this.#client.isPending && !this.#upstream.isPending) this.#session.stop();
  }
}

/**
 * One connection of the sink: the PROXY header if there is one, TLS, and a responder's replies. It counts how the session
 * began and ended; what happens in between is the responder's.
 *
 * It waits as long as a client likes: sessions that are only held are a load like others, and descriptors bound them.
 */
import { joined, nothing } from "../../src/lines.ts";
import type { Certificates } from "../../src/wire/certificates.ts";
import type { Connection, ConnectionOwner } from "../../src/wire/wire.ts";
import type { Announced, Tally } from "./counts.ts";
import { type HeaderKind, HeaderReader } from "./header.ts";
import type { Responder } from "./responder.ts";

export interface SessionOptions {
  readonly proxy: HeaderKind;
  /** Null: there is no TLS. */
  readonly certificates: Certificates | null;
  /** TLS comes before the first word. */
  readonly isImplicit: boolean;
  readonly tally: Tally;
  readonly announced: Announced;
  readonly responder: Responder;
}

/**
 * - `header`: the first bytes are awaited, which are a header's or may be.
 * - `tls`: a handshake is under way. `talk`: the responder has the word.
 * - `farewell`: its last word is said, and the client's end is awaited; a close over bytes that nobody read would be a reset.
 */
type Phase = "header" | "tls" | "talk" | "farewell";

/** Up to here a copy costs less than more writes. */
const JOINED_BYTES_MAX = 64 * 1024;

export class SinkSession implements ConnectionOwner {
  readonly #options: SessionOptions;
  readonly #header: HeaderReader;
  #phase: Phase = "header";

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#header = new HeaderReader(options.proxy);
  }

  /**
   * A client has come. Nobody can wait for a header that may not come, so that in this case the greeting is said at once:
   * it is the same behind one.
   */
  begin(connection: Connection): void {
    const { proxy, isImplicit, responder, tally } = this.#options;
    tally.connections++;
    tally.open++;
    connection.owner = this;
    if (proxy === "off") return this.#arrive(connection, nothing);
    if (proxy === "auto" && !isImplicit) connection.write(responder.greeting);
    connection.start();
  }

  /** The handshake is done. */
  onConnect(connection: Connection): void {
    const { isImplicit, responder } = this.#options;
    this.#phase = "talk";
    responder.secured();
    if (isImplicit) connection.write(responder.greeting);
    connection.start();
  }

  onData(connection: Connection, bytes: Uint8Array): void {
    switch (this.#phase) {
      case "header":
        return this.#take(connection, bytes);
      case "talk":
        return this.#talk(connection, bytes);
      case "tls":
      case "farewell":
        return;
      default:
        return this.#phase satisfies never;
    }
  }

  onEnd(connection: Connection): void {
    if (this.#phase !== "farewell") this.#options.tally.faults.closed++;
    this.#close(connection);
  }

  onDrain(connection: Connection): void {
    if (this.#phase !== "tls") connection.start();
  }

  onError(): void {
    const { tally } = this.#options;
    if (this.#phase !== "farewell") tally.faults[this.#phase === "tls" ? "tls" : "broken"]++;
    tally.open--;
  }

  #take(connection: Connection, bytes: Uint8Array): void {
    const step = this.#header.feed(bytes);
    switch (step.kind) {
      case "more":
        return;
      case "bad":
        this.#options.tally.faults.header++;
        return this.#close(connection);
      case "done":
        this.#options.announced.proxy = step.source;
        return this.#arrive(connection, step.rest);
      default:
        return step satisfies never;
    }
  }

  /** Who it is, is known; `rest` came behind the header. */
  #arrive(connection: Connection, rest: Uint8Array): void {
    const { proxy, isImplicit, responder } = this.#options;
    if (isImplicit) return this.#secure(connection, rest);
    this.#phase = "talk";
    if (proxy !== "auto") connection.write(responder.greeting);
    connection.start();
    if (rest.length > 0) this.#talk(connection, rest);
  }

  /** A client that does not read what it is told is not heard. */
  #talk(connection: Connection, bytes: Uint8Array): void {
    const { responder } = this.#options;
    const replies = responder.feed(bytes);
    const goesOn = say(connection, replies);
    switch (responder.state) {
      case "open":
        if (!goesOn) connection.stop();
        return;
      case "securing":
        return this.#secure(connection, responder.rest());
      case "over":
        this.#phase = "farewell";
        return connection.end();
      default:
        return responder.state satisfies never;
    }
  }

  #secure(connection: Connection, surplus: Uint8Array): void {
    const { certificates } = this.#options;
    if (certificates === null) return this.#close(connection);
    this.#phase = "tls";
    connection.secure({ side: "server", certificates }, surplus);
  }

  #close(connection: Connection): void {
    connection.close();
    this.#options.tally.open--;
  }
}

function say(connection: Connection, replies: readonly Uint8Array[]): boolean {
  const bytes = replies.reduce((sum, { length }) => sum + length, 0);
  if (bytes <= JOINED_BYTES_MAX && replies.length > 0) return connection.write(joined(replies));
  let goesOn = true;
  for (const reply of replies) goesOn = connection.write(reply);
  return goesOn;
}

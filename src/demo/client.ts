/**
 * A client of the demo: comes through a load balancer that says who it is (PROXY v2), and sends one message.
 */
import type { AddressAndPort, Endpoint } from "../address.ts";
import { encodeV2 } from "../proxy/header.ts";
import type { Connection, ConnectionOwner, Wire } from "../wire/wire.ts";

/** What became of one connection: the message was accepted, or the reply that said why not. */
export type Attempt =
  | { readonly kind: "delivered" }
  | { readonly kind: "refused"; readonly reply: string }
  | { readonly kind: "lost"; readonly code: string };

/** What the client says after each reply that lets it go on. */
const SCRIPT = [
  "EHLO client.demo.test\r\n",
  "MAIL FROM:<someone@demo.test>\r\n",
  "RCPT TO:<user@demo.test>\r\n",
  "DATA\r\n",
  "Subject: a demo message\r\n\r\nHello.\r\n.\r\n",
  "QUIT\r\n",
];

/** The reply to the message comes when all but the QUIT has been said. */
const SAID_AT_DELIVERY = SCRIPT.length - 1;

/** The embedded upstream answers within milliseconds, but greets new clients late on purpose. */
const TIMEOUT_MS = 10_000;

/** A reply line has 512 bytes at most (RFC 5321 4.5.3.1.5); more than some of them unfinished are no reply. */
const UNREAD_MAX = 8192;

/** Connects to `gateway` as `client`, and sends one message. Never throws. */
export function sendOne(wire: Wire, gateway: Endpoint, client: AddressAndPort): Promise<Attempt> {
  return new Promise((resolve) => new DemoClient(wire, gateway, client, resolve));
}

class DemoClient implements ConnectionOwner {
  readonly #header: Uint8Array;
  readonly #resolve: (attempt: Attempt) => void;
  readonly #connection: Connection;
  readonly #timer: NodeJS.Timeout;
  #unread = "";
  #said = 0;
  #attempt: Attempt | null = null;

  constructor(wire: Wire, gateway: Endpoint, client: AddressAndPort, resolve: (attempt: Attempt) => void) {
    const destination = { address: client.address, port: gateway.port };
    this.#header = encodeV2(client, destination);
    this.#resolve = resolve;
    this.#timer = setTimeout(() => this.#lost("ETIMEDOUT"), TIMEOUT_MS);
    this.#connection = wire.connect(gateway, this);
  }

  onConnect(connection: Connection): void {
    connection.write(this.#header);
    connection.start();
  }

  onData(connection: Connection, bytes: Uint8Array): void {
    this.#unread += Buffer.from(bytes).toString("latin1");
    if (this.#unread.length > UNREAD_MAX) return this.#lost("EMSGSIZE");
    for (let end = this.#unread.indexOf("\r\n"); end >= 0; end = this.#unread.indexOf("\r\n")) {
      const line = this.#unread.slice(0, end);
      this.#unread = this.#unread.slice(end + 2);
      if (line[3] !== "-") this.#answer(connection, line);
    }
  }

  onEnd(): void {
    this.#lost("ECONNRESET");
  }

  onDrain(): void {}

  onError(_connection: Connection, code: string): void {
    this.#lost(code);
  }

  #answer(connection: Connection, reply: string): void {
    if (!/^[23]/.test(reply)) this.#attempt ??= { kind: "refused", reply };
    else if (this.#said === SAID_AT_DELIVERY) this.#attempt = { kind: "delivered" };
    const next = this.#attempt?.kind === "refused" ? undefined : SCRIPT[this.#said++];
    if (next === undefined) this.#finish();
    else connection.write(Buffer.from(next, "latin1"));
  }

  #lost(code: string): void {
    this.#attempt ??= { kind: "lost", code };
    this.#finish();
  }

  #finish(): void {
    clearTimeout(this.#timer);
    this.#connection.close();
    this.#resolve(this.#attempt ?? { kind: "lost", code: "ECONNRESET" });
  }
}

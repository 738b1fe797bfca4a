/**
 * Clients whose mail sessions are inside TLS, from the first byte behind the PROXY header on. They say what is to be agreed
 * on, so that all proxies have the same work: one that agrees on anything else is a failure.
 */
import { connect as tcpConnect } from "node:net";
import { createSecureContext, type SecureContext, type TLSSocket, connect as tlsConnect } from "node:tls";
import { type Begin, nextOpening } from "./sessions.ts";
import { type Line, mail, Talk } from "./talk.ts";
import { loopback } from "./wire.ts";

export interface Terms {
  readonly version: "TLSv1.2" | "TLSv1.3";
  /** As OpenSSL calls it. */
  readonly cipher: string;
}

/** The key exchange that nearly all clients ask for, and all proxies know. */
export const GROUP = "X25519";

/** In TLS 1.2 these are the curves of certificates, too (RFC 8422 5.1.1). */
const CURVES = `${GROUP}:P-256`;

/** Within it a session's tickets have come. */
const TICKET_MS_MAX = 5000;

export class TlsClients {
  readonly #port: number;
  readonly #terms: Terms;
  readonly #context: SecureContext;

  constructor(port: number, terms: Terms) {
    const { version, cipher } = terms;
    this.#port = port;
    this.#terms = terms;
    this.#context = createSecureContext({
      minVersion: version,
      maxVersion: version,
      ciphers: cipher,
      ecdhCurve: CURVES,
    });
  }

  /** Sessions with a whole handshake each, or with one that takes an earlier session up. */
  sessions(ticket: Buffer | null): Begin {
    return (over) => this.#begin(ticket, over, () => {});
  }

  /** Has one session, and resolves with a ticket that came in it. */
  ticket(): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("no ticket came")), TICKET_MS_MAX);
      const over = (fault: string | null) => {
        if (fault !== null) reject(new Error(fault));
      };
      this.#begin(null, over, (inside) => {
        inside.once("secureConnect", () => {
          const key = inside.getEphemeralKeyInfo();
          const name = key !== null && "name" in key ? key.name : "none";
          if (name !== GROUP) reject(new Error(`the key exchange was ${name}'s`));
        });
        inside.once("session", (ticket) => {
          clearTimeout(timer);
          resolve(ticket);
        });
      });
    });
  }

  #begin(
    ticket: Buffer | null,
    over: (fault: string | null) => void,
    begun: (inside: TLSSocket) => void,
  ): void {
    const outside = tcpConnect({ ...loopback(this.#port), noDelay: true });
    let isOver = false;
    const end = (fault: string | null) => {
      if (isOver) return;
      isOver = true;
      over(fault);
    };
    outside.once("error", (error) => end(error.message));
    outside.once("connect", () => {
      outside.write(nextOpening());
      const inside = tlsConnect({
        socket: outside,
        secureContext: this.#context,
        rejectUnauthorized: false,
        ...(ticket !== null && { session: ticket }),
      });
      inside.once("error", (error) => end(error.message));
      inside.once("secureConnect", () => {
        const fault = this.#disagreement(inside, ticket !== null);
        if (fault !== null) end(fault);
      });
      begun(inside);
      converse(inside, end);
    });
  }

  #disagreement(inside: TLSSocket, resumes: boolean): string | null {
    const { version, cipher } = this.#terms;
    const agreed = `${inside.getProtocol()} ${inside.getCipher().name}`;
    if (agreed !== `${version} ${cipher}`) return `agreed on ${agreed}`;
    return inside.isSessionReused() === resumes ? null : "a handshake of the other kind";
  }
}

function converse(socket: TLSSocket, over: (fault: string | null) => void): void {
  const talk = new Talk({ steps: mail.client, finished: () => {}, over });
  const line: Line = {
    write: (bytes) => bytes.length === 0 || socket.write(bytes),
    start: () => socket.resume(),
    end: () => socket.end(),
    close: () => socket.destroy(),
  };
  socket.on("data", (bytes: Buffer) => talk.onData(line, bytes));
  socket.once("end", () => talk.onEnd(line));
  talk.onConnect(line);
}

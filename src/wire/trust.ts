/**
 * Whom postern takes a server for: the authorities that its certificate must come from, and the name that it must have.
 *
 * A pool has one. Nothing is remembered between handshakes: no session is taken up towards a server.
 */
import { constants, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { checkServerIdentity, createSecureContext, getCACertificates, type SecureContext } from "node:tls";
import type { AddressAndPort } from "../address.ts";

export interface TrustOptions {
  /** `none`: encrypted, towards whomever. */
  readonly verify: "none" | "ca";
  /** What the server is asked for, and must be named for; null: no name is asked for, and it must have its address. */
  readonly name: string | null;
  /** PEM, one or more; null: what the system trusts. */
  readonly ca: string | null;
}

export class Trust {
  readonly context: SecureContext;
  /** What the server is told that it is called; an address is no name (RFC 6066 3). */
  readonly servername: string | null;
  readonly verifies: boolean;
  readonly #name: string | null;

  constructor({ verify, name, ca }: TrustOptions) {
    this.verifies = verify === "ca";
    this.#name = name;
    this.servername = name === null || isIP(name) !== 0 ? null : name;
    this.context = createSecureContext({
      // Encrypted badly is no worse than in the clear, which is what `none` competes with; a name that was verified is
      // worth nothing there.
      minVersion: this.verifies ? "TLSv1.2" : "TLSv1",
      // A server that renegotiates could show another certificate than the one that was verified.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      ...(this.verifies && { ca: ca ?? getCACertificates("system") }),
    });
  }

  /** Why the certificate (DER) of the server at `peer`, whose chain is good, is not that server's; null when it is. */
  misnamed(certificate: Buffer | undefined, peer: AddressAndPort | null): string | null {
    const name = this.#name ?? peer?.address.text;
    if (certificate === undefined || name === undefined) return "ERR_TLS_CERT_ALTNAME_INVALID";
    const fault = checkServerIdentity(name, new X509Certificate(certificate).toLegacyObject());
    return fault === undefined ? null : "ERR_TLS_CERT_ALTNAME_INVALID";
  }
}

/**
 * Whom postern says it is: certificates and keys, from which a handshake takes the one for the name that the client asks for
 * (RFC 6066 3).
 *
 * Each data thread has its own, made from the same ticket keys, so that a session that one thread began is taken up by any
 * other (RFC 5077, RFC 8446 4.6.1). It reads no files and watches none.
 */
import { constants, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";

/** PEM; `cert` may hold the chain behind the certificate. */
interface CertificatePair {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** One at least; the first is shown to clients that ask for no name, or for none that we have. */
  readonly pairs: readonly CertificatePair[];
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  /** 48 bytes that all threads have in common. */
  readonly ticketKeys: Buffer;
}

/** Sessions are taken up only where they carry this; it tells no more than that they are ours. */
const SESSION_ID_CONTEXT = "postern";

/** A client that renegotiates makes the server work again and again for one connection. TLS 1.3 has no such thing. */
const SECURE_OPTIONS = constants.SSL_OP_NO_RENEGOTIATION;

interface Choice {
  readonly first: SecureContext;
  readonly byName: ReadonlyMap<string, SecureContext>;
  readonly isOne: boolean;
}

export class Certificates {
  #choice: Choice;

  /** Throws what OpenSSL has to say where a pair is none. */
  constructor(options: CertificateOptions) {
    this.#choice = choiceOf(options);
  }

  /** All of it at once, for handshakes from now on. Throws as the constructor does, and changes nothing then. */
  replace(options: CertificateOptions): void {
    this.#choice = choiceOf(options);
  }

  get first(): SecureContext {
    return this.#choice.first;
  }

  /** Whether a name makes no difference. */
  get isOne(): boolean {
    return this.#choice.isOne;
  }

  /** The certificate that has `name`, else the one that has a wildcard in place of its first label, else the first. */
  choose(name: string): SecureContext {
    const { byName, first } = this.#choice;
    const asked = name.toLowerCase();
    return byName.get(asked) ?? byName.get(asked.replace(/^[^.]+/, "*")) ?? first;
  }
}

function choiceOf({ pairs, minVersion, ticketKeys }: CertificateOptions): Choice {
  const byName = new Map<string, SecureContext>();
  let first: SecureContext | null = null;
  for (const { cert, key } of pairs) {
    const context = createSecureContext({
      cert,
      key,
      minVersion,
      ticketKeys,
      sessionIdContext: SESSION_ID_CONTEXT,
      secureOptions: SECURE_OPTIONS,
    });
    first ??= context;
    for (const name of namesOf(new X509Certificate(cert))) {
      if (!byName.has(name)) byName.set(name, context);
    }
  }
  if (first === null) throw new RangeError("no certificate");
  return { first, byName, isOne: pairs.length === 1 };
}

/** A certificate's DNS names; its common name counts where it has none (RFC 6125 6.4.4). */
function namesOf(certificate: X509Certificate): string[] {
  const names = [...(certificate.subjectAltName ?? "").matchAll(/\bDNS:([^\s,"]+)/g)];
  if (names.length === 0) names.push(...certificate.subject.matchAll(/^CN=(.+)$/gm));
  return names.map(([, name]) => name!.toLowerCase());
}

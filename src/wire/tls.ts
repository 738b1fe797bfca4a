/** What is said of TLS at the wire's edge. */

/** As which side TLS is begun, and with whose papers. */
export type TlsTerms = { readonly side: "server" } | { readonly side: "client" };

/** What came of a handshake. */
export interface TlsFacts {
  /** `TLSv1.3`, as OpenSSL names it. */
  readonly version: string;
  /** `TLS_AES_256_GCM_SHA384`. */
  readonly cipher: string;
  /** It went on from an earlier session, by ticket. */
  readonly resumed: boolean;
}

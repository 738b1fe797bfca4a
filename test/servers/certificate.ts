/** A self-signed certificate for the tests' servers, made by openssl. */
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  /** SHA-256, as `tls.TLSSocket.getPeerCertificate()` shows it. */
  readonly fingerprint256: string;
}

/**
 * Makes one for `name` in `directory`; each has a key, hence a fingerprint, of its own. Other names are written as in
 * `IP:127.0.0.1`.
 */
export function makeCertificate(directory: string, name: string, ...otherNames: string[]): Certificate {
  const certFile = join(directory, "cert.pem");
  const keyFile = join(directory, "key.pem");
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const subject = [
    "-subj",
    `/CN=${name}`,
    "-addext",
    `subjectAltName=${[`DNS:${name}`, ...otherNames].join(",")}`,
    "-days",
    "2",
  ];
  execFileSync("openssl", ["req", "-x509", ...key, ...subject, "-keyout", keyFile, "-out", certFile], {
    stdio: "pipe",
  });
  return { certFile, keyFile, fingerprint256: new X509Certificate(readFileSync(certFile)).fingerprint256 };
}

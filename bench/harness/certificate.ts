/** Certificates for the proxies that end TLS: self-signed, of the kinds that are in use. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
  /** One behind the other, as HAProxy wants them. */
  readonly bothFile: string;
}

export type KeyKind = "ECDSA P-256" | "RSA 2048";

const keyOptions: Readonly<Record<KeyKind, readonly string[]>> = {
  "ECDSA P-256": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
  "RSA 2048": ["-newkey", "rsa:2048"],
};

/** They lie in a directory that goes with this process. */
export function makeCertificate(kind: KeyKind): CertificateFiles {
  const directory = mkdtempSync(join(tmpdir(), "bench-certificate-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  const [certFile, keyFile, bothFile] = ["cert.pem", "key.pem", "both.pem"].map((name) =>
    join(directory, name),
  ) as [string, string, string];
  const subject = [
    "-subj",
    "/CN=mx.example.test",
    "-addext",
    "subjectAltName=DNS:mx.example.test",
    "-days",
    "2",
  ];
  const request = ["req", "-x509", "-nodes", ...keyOptions[kind], ...subject];
  execFileSync("openssl", [...request, "-keyout", keyFile, "-out", certFile], { stdio: "pipe" });
  writeFileSync(bothFile, readFileSync(certFile, "latin1") + readFileSync(keyFile, "latin1"), {
    mode: 0o600,
  });
  return { certFile, keyFile, bothFile };
}

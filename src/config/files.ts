/**
 * What the configuration takes from other files: secrets, the authorities that pools believe, and whether the certificates
 * will serve. What the certificates' files hold does not become part of the configuration: no key can be shown with it.
 */
import { type PairFiles, readCertificates, readPair, type SoundPair } from "../certificates.ts";
import { type FileText, type ReadFile, textOfFile } from "../files.ts";
import type { Draft } from "./checks.ts";
import { SECRET_PATTERN } from "./fields.ts";
import type { Fault } from "./source.ts";

export interface Files {
  readonly token: string | null;
  /** The key that LAPI knows the gateway by as a bouncer. */
  readonly apiKey: string | null;
  /** The password of the machine that pushes alerts. */
  readonly password: string | null;
  /** PEM, by the pool's name. */
  readonly authorities: ReadonlyMap<string, string>;
  readonly faults: readonly Fault[];
  readonly warnings: readonly Fault[];
}

export interface FilesOptions {
  readonly readFile: ReadFile;
  /** The time of day (ms since 1970) that certificates have to be valid at. */
  readonly nowMs: number;
}

export function readFiles(settings: Draft, { readFile, nowMs }: FilesOptions): Files {
  const faults: Fault[] = [];
  const warnings: Fault[] = [];
  const taken = (file: FileText, path: Fault["path"]): string | null => {
    if (file.ok) return file.text;
    faults.push({ path, message: file.message });
    return null;
  };

  const secretIn = (file: string | null | undefined, path: Fault["path"]): string | null =>
    file == null ? null : taken(readSecret(file, readFile), path);
  const pairIn = (files: PairFiles, path: Fault["path"]): void => {
    const read = readPair(files, readFile);
    const doubt = read.ok ? validityDoubt(read, nowMs) : null;
    if (doubt !== null) warnings.push({ path: [...path, "cert"], message: doubt });
    if (!read.ok) faults.push(...read.flaws.map(({ part, message }) => ({ path: [...path, part], message })));
  };

  const { admin, crowdsec } = settings;
  const token = secretIn(admin.tokenFile, ["admin", "tokenFile"]);
  const apiKey = secretIn(crowdsec?.apiKeyFile, ["crowdsec", "apiKeyFile"]);
  const password = secretIn(crowdsec?.alerts?.passwordFile, ["crowdsec", "alerts", "passwordFile"]);
  const authorities = new Map<string, string>();
  for (const [name, pool] of Object.entries(settings.pools)) {
    const file = pool?.tls?.ca ?? null;
    const text = file === null ? null : taken(readCertificates(file, readFile), ["pools", name, "tls", "ca"]);
    if (text !== null) authorities.set(name, text);
  }
  for (const [index, files] of (settings.tls.certificates ?? []).entries()) {
    pairIn(files, ["tls", "certificates", index]);
  }
  const { cert = null, key = null, ca = null } = crowdsec?.tls ?? {};
  if (cert !== null && key !== null) pairIn({ cert, key }, ["crowdsec", "tls"]);
  if (ca !== null) taken(readCertificates(ca, readFile), ["crowdsec", "tls", "ca"]);
  return { token, apiKey, password, authorities, faults, warnings };
}

function readSecret(path: string, readFile: ReadFile): FileText {
  const file = textOfFile(path, readFile);
  if (!file.ok) return file;
  const text = file.text.trim();
  if (text === "") return { ok: false, message: "the file is empty" };
  if (SECRET_PATTERN.test(text)) return { ok: true, text };
  return { ok: false, message: "the file must hold one line of plain characters" };
}

/** Clients may not like it, and yet it may be the only one there is: no fault. */
function validityDoubt({ notBeforeMs, notAfterMs }: SoundPair, nowMs: number): string | null {
  if (nowMs > notAfterMs) return `the certificate expired on ${dayOf(notAfterMs)}`;
  if (nowMs < notBeforeMs) return `the certificate is not valid before ${dayOf(notBeforeMs)}`;
  return null;
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, "2026-01-01".length);
}

/**
 * What the configuration takes from other files: the admin token, the authorities that pools believe, and whether the
 * certificates will serve. What the certificates' files hold does not become part of the configuration: no key can be
 * shown with it.
 */
import { readCertificates, readPair, type SoundPair } from "../certificates.ts";
import { type FileText, type ReadFile, textOfFile } from "../files.ts";
import type { Draft } from "./checks.ts";
import type { Fault } from "./source.ts";

export interface Files {
  readonly token: string | null;
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

  const { tokenFile } = settings.admin;
  const token = tokenFile == null ? null : taken(readToken(tokenFile, readFile), ["admin", "tokenFile"]);
  const authorities = new Map<string, string>();
  for (const [name, pool] of Object.entries(settings.pools)) {
    const file = pool?.tls?.ca ?? null;
    const text = file === null ? null : taken(readCertificates(file, readFile), ["pools", name, "tls", "ca"]);
    if (text !== null) authorities.set(name, text);
  }
  for (const [index, files] of (settings.tls.certificates ?? []).entries()) {
    const path = ["tls", "certificates", index];
    const read = readPair(files, readFile);
    const doubt = read.ok ? validityDoubt(read, nowMs) : null;
    if (doubt !== null) warnings.push({ path: [...path, "cert"], message: doubt });
    if (!read.ok) faults.push(...read.flaws.map(({ part, message }) => ({ path: [...path, part], message })));
  }
  return { token, authorities, faults, warnings };
}

function readToken(path: string, readFile: ReadFile): FileText {
  const file = textOfFile(path, readFile);
  if (!file.ok) return file;
  const text = file.text.trim();
  if (text === "") return { ok: false, message: "the file is empty" };
  // What a header can carry (RFC 9110 5.5), so that a token that nobody can send is found now.
  if (/^[\x21-\x7e]+$/.test(text)) return { ok: true, text };
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

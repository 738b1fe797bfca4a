/**
 * Certificates and keys in files of PEM (RFC 7468): whether they will serve, and what can be said of them.
 *
 * What is let through here OpenSSL takes as well, so that nothing that goes on to a data thread can fail there. It opens
 * no socket, keeps nothing, and no message shows anything of a key.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { errorCode, type ReadFile, textOfFile } from "./files.ts";

/** Where a certificate and its key are. */
export interface PairFiles {
  /** The server's own certificate, then those that lead to its authority. */
  readonly cert: string;
  readonly key: string;
}

/** What these files hold. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export interface SoundPair {
  readonly ok: true;
  readonly pair: Pair;
  /** The host names and addresses that it is for. */
  readonly names: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** What is wrong, and in which of the two files. */
interface Flaw {
  readonly part: keyof PairFiles;
  readonly message: string;
}

export type PairRead = SoundPair | { readonly ok: false; readonly flaws: readonly Flaw[] };

export function readPair(files: PairFiles, readFile: ReadFile): PairRead {
  const chain = readCertificates(files.cert, readFile);
  const key = readKey(files.key, readFile);
  if (chain.ok && key.ok) return judge(chain, key);
  const flaws: Flaw[] = [];
  if (!chain.ok) flaws.push({ part: "cert", message: chain.message });
  if (!key.ok) flaws.push({ part: "key", message: key.message });
  return { ok: false, flaws };
}

interface Unread {
  readonly ok: false;
  readonly message: string;
}

interface Chain {
  readonly ok: true;
  readonly text: string;
  readonly certificates: readonly [X509Certificate, ...X509Certificate[]];
}

interface Key {
  readonly ok: true;
  readonly text: string;
  readonly key: KeyObject;
}

/** All certificates in a file: one that is damaged behind the first would be found by clients only. */
export function readCertificates(path: string, readFile: ReadFile): Chain | Unread {
  const file = textOfFile(path, readFile);
  if (!file.ok) return file;
  const begin = "-----BEGIN CERTIFICATE-----";
  const pieces = file.text.split(begin).slice(1);
  try {
    const [first, ...others] = pieces.map((piece) => new X509Certificate(begin + piece));
    if (first !== undefined) return { ok: true, text: file.text, certificates: [first, ...others] };
    return { ok: false, message: "the file holds no certificate (PEM)" };
  } catch (error) {
    return { ok: false, message: `a certificate in the file is damaged (${errorCode(error)})` };
  }
}

function readKey(path: string, readFile: ReadFile): Key | Unread {
  const file = textOfFile(path, readFile);
  if (!file.ok) return file;
  if (/^(?:-----BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED)/m.test(file.text)) {
    return { ok: false, message: "the key is encrypted, and postern has no passphrase for it" };
  }
  try {
    return { ok: true, text: file.text, key: createPrivateKey(file.text) };
  } catch {
    return { ok: false, message: "the file holds no private key (PEM)" };
  }
}

function judge({ text: cert, certificates: [own] }: Chain, { text, key }: Key): PairRead {
  const flawed = (part: Flaw["part"], message: string): PairRead => ({
    ok: false,
    flaws: [{ part, message }],
  });
  // OpenSSL would not mind a key of another kind than the certificate's.
  if (!own.checkPrivateKey(key)) {
    return flawed("key", "the key does not fit the certificate, the first in its file");
  }
  const pair: Pair = { cert, key: text };
  try {
    createSecureContext({ ...pair });
  } catch (error) {
    return flawed("cert", `OpenSSL does not take it (${errorCode(error)})`);
  }
  const [notBeforeMs, notAfterMs] = [own.validFromDate.getTime(), own.validToDate.getTime()];
  return { ok: true, pair, names: namesOf(own), notBeforeMs, notAfterMs };
}

function namesOf({ subjectAltName, subject }: X509Certificate): readonly string[] {
  const names = subjectAltName?.split(", ").map((name) => name.replace(/^(?:DNS|IP Address):/, ""));
  return names ?? [subject.replaceAll("\n", ", ")];
}

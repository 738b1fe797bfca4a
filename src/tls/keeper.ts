/**
 * The certificates that clients are shown and the keys of their sessions' tickets, as the control thread keeps them.
 *
 * It owns what is in use, and says at each `look` what has become of it; it has no timer, writes no log and tells nobody.
 * New certificates come into use all together or not at all: as long as any file will not serve, the old ones do.
 *
 * A file is known again by its inode, size and time behind all links, so that each way of putting a new one in its place is
 * seen: written over, renamed, or by a link that leads elsewhere (certbot's, Kubernetes' `..data`).
 */
import { randomBytes } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { type Pair, readPair, type SoundPair } from "../certificates.ts";
import type { MinVersion, TlsOptions } from "./options.ts";

/** A name, a key for encryption and one for integrity, of 16 bytes each, as OpenSSL has them. */
const TICKET_KEYS_BYTES = 48;

/**
 * Whoever gets hold of the keys can read what was said under them in TLS 1.2: half a day is all there is to be had, and
 * more than the time after which most clients come again.
 */
const TICKET_KEYS_SECONDS = 12 * 60 * 60;

/** What a data thread needs for TLS with clients. */
export interface TlsMaterial {
  readonly pairs: readonly Pair[];
  readonly minVersion: MinVersion;
  readonly ticketKeys: Uint8Array;
}

/** As much of a certificate as the log tells. */
interface CertificateFacts {
  readonly names: readonly string[];
  /** ISO 8601, UTC. */
  readonly notAfter: string;
}

interface Failure {
  readonly kind: "failed";
  readonly file: string;
  readonly reason: string;
}

/**
 * - `same`: nothing is new, or it is still as wrong as it was.
 * - `rotated`: the tickets' keys are new.
 * - `reloaded`: the certificates are new.
 * - `failed`: they cannot be, and the old ones stay. Said once.
 */
export type News =
  | { readonly kind: "same" | "rotated" }
  | { readonly kind: "reloaded"; readonly certificates: readonly CertificateFacts[] }
  | Failure;

export class Keeper {
  readonly #options: TlsOptions;
  #pairs: readonly Pair[];
  /** What the files in use are known by. */
  #marks: string;
  /** What is wrong with those that should be; null: nothing. */
  #trouble: Failure | null = null;
  #ticketKeys: Uint8Array;
  #rotatedSeconds: number;

  /**
   * Where there was a keeper `before` this one, its tickets are still taken.
   * @throws Error that says which file will not serve, and why.
   */
  constructor(options: TlsOptions, nowSeconds: number, before: Keeper | null = null) {
    this.#options = options;
    this.#ticketKeys = before === null ? randomBytes(TICKET_KEYS_BYTES) : before.#ticketKeys;
    this.#rotatedSeconds = before === null ? nowSeconds : before.#rotatedSeconds;
    this.#marks = marksOf(options);
    const read = readAll(options);
    if (!read.ok) throw new Error(`tls.certificates: ${read.failure.file}: ${read.failure.reason}`);
    this.#pairs = read.pairs.map(({ pair }) => pair);
  }

  get material(): TlsMaterial {
    return { pairs: this.#pairs, minVersion: this.#options.minVersion, ticketKeys: this.#ticketKeys };
  }

  /** To be called every few seconds. */
  look(nowSeconds: number): News {
    const news = this.#reload();
    if (news !== null) return news;
    if (nowSeconds - this.#rotatedSeconds < TICKET_KEYS_SECONDS) return { kind: "same" };
    this.#ticketKeys = randomBytes(TICKET_KEYS_BYTES);
    this.#rotatedSeconds = nowSeconds;
    return { kind: "rotated" };
  }

  /** What has become of the files, where it is worth a word. While they will not serve they are read at each look. */
  #reload(): News | null {
    // Taken before the files are read: what changes meanwhile is seen the next time.
    const marks = marksOf(this.#options);
    const before = this.#trouble;
    this.#trouble = null;
    if (marks === this.#marks) return null;
    const read = readAll(this.#options);
    if (!read.ok) {
      const { failure } = read;
      this.#trouble = failure;
      return failure.file === before?.file && failure.reason === before.reason ? null : failure;
    }
    this.#marks = marks;
    this.#pairs = read.pairs.map(({ pair }) => pair);
    return { kind: "reloaded", certificates: read.pairs.map(factsOf) };
  }
}

type Read =
  | { readonly ok: true; readonly pairs: readonly SoundPair[] }
  | { readonly ok: false; readonly failure: Failure };

function readAll({ certificates }: TlsOptions): Read {
  const pairs: SoundPair[] = [];
  for (const files of certificates) {
    const read = readPair(files, (path) => readFileSync(path, "utf8"));
    if (!read.ok) {
      const { part, message } = read.flaws[0]!;
      return { ok: false, failure: { kind: "failed", file: files[part], reason: message } };
    }
    pairs.push(read);
  }
  return { ok: true, pairs };
}

function marksOf({ certificates }: TlsOptions): string {
  return certificates.flatMap(({ cert, key }) => [markOf(cert), markOf(key)]).join(" ");
}

function markOf(path: string): string {
  try {
    const { dev, ino, size, mtimeNs } = statSync(path, { bigint: true });
    return `${dev}:${ino}:${size}:${mtimeNs}`;
  } catch {
    return "none";
  }
}

function factsOf({ names, notAfterMs }: SoundPair): CertificateFacts {
  return { names, notAfter: new Date(notAfterMs).toISOString() };
}

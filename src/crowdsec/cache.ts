/**
 * The last ban list on disk, for a start without LAPI.
 *
 * It owns the file, and no list. The file is replaced whole, by renaming a complete one, so that what is found there was written
 * to its end; a checksum says whether it still is what was written. What cannot be believed is refused with a reason:
 * a gateway starts without a list rather than with a wrong one.
 *
 * The list's times are those of the clock that it was made by, which begins anew with each boot. So the file says how far the
 * time of day was ahead of that clock, and whoever loads it shifts the times by the difference.
 */
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { crc32 } from "node:zlib";
import type { Clock } from "../clock.ts";
import { errorCode } from "../files.ts";

/** In the machine's own order of bytes, as the list's columns are: a file from a machine of the other kind is no file of ours. */
const MAGIC = 0x5b1157ed;

/** Grows with every change to the list's layout or to the header. */
const VERSION = 2;

/** Six words, then two times; the list behind it is aligned as it is in memory. */
const HEADER_BYTES = 40;

/** The largest list, two million decisions, is half as long. */
const LIST_BYTES_MAX = 128 * 1024 * 1024;

/** A disk that is written to once a minute does not notice, and a minute of decisions is soon asked for again. */
const WRITE_INTERVAL_MS = 60_000;

/** What clocks may differ by that are set from the network. */
const FUTURE_SECONDS_MAX = 60;

/** A list in memory, and in a few words whose decisions it has and what they come to: under other settings it would be another. */
export interface Kept {
  readonly list: Uint8Array;
  readonly made: string;
}

export interface Moment {
  /** The time of day, as `Date.now()`. */
  readonly wallMs: number;
  /** At the same moment, by the clock that the list's times are told by. */
  readonly clockMs: number;
}

/**
 * - `loaded`: with what has to be added to the list's times.
 * - `none`: there is no file yet.
 * - `refused`: there is, and it cannot be believed.
 */
export type Loaded =
  | { readonly kind: "loaded"; readonly memory: ArrayBuffer; readonly shiftSeconds: number }
  | { readonly kind: "none" }
  | { readonly kind: "refused"; readonly reason: string };

export function load(path: string, made: string, now: Moment): Loaded {
  const refused = (reason: string): Loaded => ({ kind: "refused", reason });
  try {
    const { size } = statSync(path);
    if (size < HEADER_BYTES) return refused("it is too short");
    if (size > HEADER_BYTES + LIST_BYTES_MAX) return refused("it is too long");
    const bytes = readFileSync(path);
    const header = new Header(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + HEADER_BYTES));
    const list = bytes.subarray(HEADER_BYTES);
    const flaw = header.flawWith({ list, made }, now);
    if (flaw !== null) return refused(flaw);
    const memory = bytes.buffer.slice(bytes.byteOffset + HEADER_BYTES, bytes.byteOffset + bytes.length);
    return { kind: "loaded", memory, shiftSeconds: Math.round(header.aheadSeconds - aheadSecondsAt(now)) };
  } catch (error) {
    const code = errorCode(error);
    return code === "ENOENT" ? { kind: "none" } : refused(`it cannot be read (${code})`);
  }
}

/** Null, or why it could not be written; the file that was there before then still is. */
export function save(path: string, kept: Kept, now: Moment): string | null {
  const unfinished = `${path}.new`;
  try {
    // A leftover may be anything, and is not to be written through.
    rmSync(unfinished, { force: true });
    write(unfinished, [Header.of(kept, now).bytes, kept.list]);
    renameSync(unfinished, path);
    return null;
  } catch (error) {
    discard(unfinished);
    return errorCode(error);
  }
}

function discard(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // What keeps it there has been told already: it kept the file from being written.
  }
}

/** Who is banned is nobody else's business. */
function write(path: string, parts: readonly Uint8Array[]): void {
  const file = openSync(path, "wx", 0o600);
  try {
    for (const part of parts) {
      for (let at = 0; at < part.length; ) at += writeSync(file, part, at);
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** The first bytes of the file: magic, version, the list's length, checksums of all the rest and of how it was made; then the times. */
class Header {
  readonly bytes: Uint8Array;
  readonly #words: Uint32Array;
  readonly #times: Float64Array;

  constructor(memory: ArrayBuffer) {
    this.bytes = new Uint8Array(memory);
    this.#words = new Uint32Array(memory, 0, 6);
    this.#times = new Float64Array(memory, 24, 2);
  }

  static of({ list, made }: Kept, now: Moment): Header {
    const header = new Header(new ArrayBuffer(HEADER_BYTES));
    header.#times.set([aheadSecondsAt(now), now.wallMs / 1000]);
    header.#words.set([MAGIC, VERSION, list.length, 0, crc32(made)]);
    header.#words[3] = header.#checksumWith(list);
    return header;
  }

  /** How far the time of day was ahead of the clock. */
  get aheadSeconds(): number {
    return this.#times[0]!;
  }

  /** Why the file that begins with this is not to be believed; null: nothing is wrong with it. */
  flawWith({ list, made }: Kept, now: Moment): string | null {
    const [magic, version, listBytes, checksum, madeChecksum] = this.#words;
    if (magic !== MAGIC) return "it is no ban list of this kind of machine";
    if (version !== VERSION) return `it is of version ${version}, not ${VERSION}`;
    if (listBytes !== list.length) return "its length is wrong";
    if (checksum !== this.#checksumWith(list)) return "it is damaged";
    if (madeChecksum !== crc32(made)) return "it was made with other origins or otherTypes";
    if (this.#times[1]! > now.wallMs / 1000 + FUTURE_SECONDS_MAX) return "it is from the future";
    return null;
  }

  #checksumWith(list: Uint8Array): number {
    const bytes = this.bytes.slice();
    new Uint32Array(bytes.buffer)[3] = 0;
    return crc32(list, crc32(bytes));
  }
}

function aheadSecondsAt({ wallMs, clockMs }: Moment): number {
  return (wallMs - clockMs) / 1000;
}

export interface CacheTerms {
  readonly path: string;
  /** As `Kept` has it. */
  readonly made: string;
  readonly clock: Clock;
  /** The time of day, as `Date.now()`. */
  wallMs(): number;
  log(level: "info" | "warn", event: string, fields: Readonly<Record<string, unknown>>): void;
}

/** The file as it is kept while the gateway runs: read at the start, written from time to time, and at the end. */
export class Cache {
  readonly #terms: CacheTerms;
  /** The list that is in the file. */
  #kept: Uint8Array | null = null;
  #writtenMs = Number.NEGATIVE_INFINITY;
  /** Why it could not be written the last time. */
  #trouble: string | null = null;

  constructor(terms: CacheTerms) {
    this.#terms = terms;
  }

  /** The list that was kept, if there is one that can be believed; `isSound` judges what is in it. */
  restore(
    isSound: (memory: ArrayBuffer) => boolean,
  ): { readonly memory: ArrayBuffer; readonly shiftSeconds: number } | null {
    const { path, made, log } = this.#terms;
    const refused = (reason: string) => {
      log("warn", "ban-cache-refused", { path, reason });
      return null;
    };
    const loaded = load(path, made, this.#now());
    if (loaded.kind === "refused") return refused(loaded.reason);
    if (loaded.kind === "none") return null;
    return isSound(loaded.memory) ? loaded : refused("it is of another release");
  }

  /** To be called after each poll with the list as it is; writes it when it is another and the last time is long enough ago. */
  keep(list: Uint8Array): void {
    if (this.#terms.clock.milliseconds() >= this.#writtenMs + WRITE_INTERVAL_MS) this.finish(list);
  }

  /** Writes the list, if it is another, without regard to when it did so last. */
  finish(list: Uint8Array): void {
    if (list === this.#kept) return;
    const { path, made, clock, log } = this.#terms;
    const trouble = save(path, { list, made }, this.#now());
    if (trouble !== null && trouble !== this.#trouble)
      log("warn", "ban-cache-failed", { path, reason: trouble });
    this.#trouble = trouble;
    if (trouble === null) this.#kept = list;
    this.#writtenMs = clock.milliseconds();
  }

  #now(): Moment {
    return { wallMs: this.#terms.wallMs(), clockMs: this.#terms.clock.milliseconds() };
  }
}

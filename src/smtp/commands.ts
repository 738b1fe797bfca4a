/**
 * What a client's command line says, for as much as a session has to be followed by it (RFC 5321 4.1.1, RFC 3030 for
 * BDAT). Whether the server takes the command is the server's to say.
 */
import { textOf } from "../lines.ts";
import { afterSpace, afterWord, hasWord } from "./line.ts";

const verbs = [
  "MAIL",
  "RCPT",
  "DATA",
  "EHLO",
  "HELO",
  "RSET",
  "BDAT",
  "AUTH",
  "STARTTLS",
  "XCLIENT",
  "XFORWARD",
  "CONNECT",
  "GET",
  "POST",
] as const;

/**
 * The verbs that change what a session is about, and three that are none of SMTP's, as Postfix has them
 * (smtpd_forbidden_commands). All others, known or not, get their one reply and change nothing.
 */
export type Verb = (typeof verbs)[number];

/** The line's verb; null when it is none of those that matter. */
export function verbOf(line: Uint8Array): Verb | null {
  const from = afterSpace(line, 0);
  const length = afterWord(line, from) - from;
  for (const verb of verbs) if (verb.length === length && hasWord(line, from, verb)) return verb;
  return null;
}

/** Whether the verb is followed by `keyword`, `FROM:` or `TO:`, and anything at all: what Postfix asks before it counts. */
export function hasPath(line: Uint8Array, keyword: "FROM:" | "TO:"): boolean {
  const at = afterSpace(line, afterWord(line, afterSpace(line, 0)));
  return hasWord(line, at, keyword) && afterSpace(line, at + keyword.length) < line.length;
}

/** Whether nothing stands behind the verb. */
export function isBare(line: Uint8Array): boolean {
  return afterSpace(line, afterWord(line, afterSpace(line, 0))) === line.length;
}

/** A BDAT line: so many octets follow, which are no commands. */
export interface Chunk {
  readonly octets: number;
  readonly last: boolean;
}

/** Fifteen digits are a number that is exact, and a petabyte. */
const chunkLine = /^[\t-\r ]*BDAT[\t-\r ]+(\d{1,15})([\t-\r ]+LAST)?[\t-\r ]*$/i;

/** Null when it cannot be said for sure how many octets follow. */
export function chunkOf(line: Uint8Array): Chunk | null {
  const [, octets, last] = chunkLine.exec(textOf(line)) ?? [];
  return octets === undefined ? null : { octets: Number(octets), last: last !== undefined };
}

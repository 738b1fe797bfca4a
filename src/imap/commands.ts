/**
 * What a client's command line says before login, for as much as a session has to be followed by it (RFC 9051 6.1, 6.2),
 * and how far a command goes that literals continue.
 */
import { stringPattern, tagPattern } from "./scan.ts";

const verbs = ["ID", "LOGIN", "AUTHENTICATE", "STARTTLS", "COMPRESS"] as const;

/** The verbs that change what a session is about. All others, known or not, are completed and change nothing. */
type Verb = (typeof verbs)[number];

export interface Command {
  readonly tag: string;
  /** Null when it is none of those that matter, or there is none. */
  readonly verb: Verb | null;
}

/**
 * One space, as the grammar has it: with two, Dovecot sees an empty command, and what we took for a literal is the next.
 * A verb is letters and digits, with signs in some extensions'.
 */
const commandHead = new RegExp(`^(${tagPattern})(?: ([\\w.-]+)(?=[ \\r\\n])|(?=\\r?\\n))`);

/** Null when servers could read the line differently: its tag, or where its verb begins and ends. */
export function commandOf(line: string): Command | null {
  const [, tag, word = ""] = commandHead.exec(line) ?? [];
  if (tag === undefined) return null;
  return { tag, verb: verbs.find((verb) => verb === word.toUpperCase()) ?? null };
}

/**
 * A string of a command that waits, or does not, for the server: so many octets, and a `+` where the client sends them at
 * once (RFC 7888). There is no other sign. LITERAL- has the same one, and is only shorter.
 */
const literalPattern = "\\{(\\d{1,4})(\\+?)\\}";

/** In LOGIN a literal stands where a string may. Behind anything else some servers see one, and others do not. */
const loginLiteral = new RegExp(`^[^ ]+ LOGIN (?:${stringPattern} )?${literalPattern}\\r?\\n$`, "i");
const loginPassword = new RegExp(`^ ${literalPattern}\\r?\\n$`);
const namedByLiteral = /^[^ ]+ LOGIN \{/i;
/** In ID every one counts: when the command is whole it is read again, and refused if it was not all strings. */
const idLiteral = new RegExp(`${literalPattern}\\r?\\n$`);

export const places = { login: loginLiteral, id: idLiteral } as const;

/** Where a literal may stand behind the one of LOGIN's first line: it has two strings, of which that was one. */
export function literalBehind(line: string): RegExp | null {
  return namedByLiteral.test(line) ? loginPassword : null;
}

export interface Literal {
  readonly octets: number;
  /** The client waits until the server asks for it. */
  readonly waits: boolean;
}

/**
 * The literal that follows this line; `none` where no server could think that one does, and null where some might and
 * others not: what one takes for data would be a command for the other.
 */
export function literalOf(line: string, place: RegExp | null): Literal | "none" | null {
  if (!/\{[^{}]*\}\r*\n$/.test(line)) return "none";
  const [, octets, plus] = place?.exec(line) ?? [];
  return octets === undefined ? null : { octets: Number(octets), waits: plus === "" };
}

/** Dovecot's MAX_IMAP_LINE, literals included: beyond it, it reads a literal's bytes as commands. */
const COMMAND_BYTES_MAX = 8192;

/** Keys and values of an ID with all the fields that it may have (RFC 2971 3.3); LOGIN has two strings. */
const LITERALS_MAX = 60;

/** Before login only ID has a list, and in it there is none. Each open one costs a server memory. */
const DEPTH_MAX = 8;

/** How long the command at hand is, and what is left of its literal before it goes on. */
export class Extent {
  #bytes = 0;
  #literals = 0;
  left = 0;

  begin(): void {
    this.#bytes = 0;
    this.#literals = 0;
    this.left = 0;
  }

  /** Takes a line of the command; whether it is within bounds. */
  line(line: string): boolean {
    this.#bytes += line.length;
    return this.#bytes <= COMMAND_BYTES_MAX;
  }

  /** A literal follows; whether it is within bounds. */
  literal(octets: number): boolean {
    this.#bytes += octets;
    this.#literals++;
    this.left = octets;
    return this.#bytes <= COMMAND_BYTES_MAX && this.#literals <= LITERALS_MAX;
  }
}

/** Whether lists are opened within lists so often that a server might run out of memory by it; in strings none are. */
export function isTooDeep(line: string): boolean {
  let depth = 0;
  let isQuoted = false;
  for (let index = 0; index < line.length; index++) {
    const sign = line[index];
    if (sign === '"') isQuoted = !isQuoted;
    else if (isQuoted && sign === "\\") index++;
    else if (!isQuoted && sign === "(") depth++;
    else if (!isQuoted && sign === ")") depth = Math.max(0, depth - 1);
    if (depth > DEPTH_MAX) return true;
  }
  return false;
}

/**
 * The kinds of values that options have: how each is written, what is right, and what it comes to. Pure.
 *
 * A value that is wrong is null; whoever asked says so, with the kind's own words for what is right.
 */
import { Network, parseEndpoint } from "../../src/address.ts";
import { suggestion } from "../../src/config/nearest.ts";
import { parseDuration } from "../../src/config/units.ts";

export interface Kind<T> {
  /** What stands for the value in the help: `N`, `HOST:PORT`. Null: there is none, the option's name says it all. */
  readonly argument: string | null;
  /** What is right, behind "must be". */
  readonly form: string;
  /** The least and the most, for the help. */
  readonly range?: string;
  /** The value may be left out, and is the empty text then. */
  readonly mayBeMissing?: boolean;
  /** The option may come again, and its values are one list. */
  readonly isList?: boolean;
  /** Nothing repeats the value. */
  readonly isSecret?: boolean;
  parse(text: string): T | null;
  /** What was probably meant by a wrong value. */
  hint?(text: string): string;
}

/** A host by address or by name, and a port. */
export interface Place {
  readonly host: string;
  readonly port: number;
}

const UNITS = { "": 1, k: 2 ** 10, M: 2 ** 20, G: 2 ** 30 } as const;

/** A whole number. */
export function count(min: number, max: number): Kind<number> {
  return {
    argument: "N",
    form: `a whole number from ${min} to ${max}`,
    range: `${min} to ${max}`,
    parse: (text) => within(/^\d{1,10}$/.test(text) ? Number(text) : null, min, max),
  };
}

/** Written as in postern's configuration; the value is in milliseconds. */
export function duration(min: string, max: string): Kind<number> {
  return {
    argument: "TIME",
    form: `a duration from ${min} to ${max}, like 500ms, 10s or 2m`,
    range: `${min} to ${max}`,
    parse: (text) => within(parseDuration(text), parseDuration(min) ?? 0, parseDuration(max) ?? 0),
  };
}

/** Bytes; k, M and G are powers of 1024. */
export function size(min: string, max: string): Kind<number> {
  return {
    argument: "SIZE",
    form: `a size from ${min} to ${max} bytes, like 500, 10k or 5M`,
    range: `${min} to ${max}`,
    parse: (text) => within(parseSize(text), parseSize(min) ?? 0, parseSize(max) ?? 0),
  };
}

export function oneOf<const Word extends string>(...words: readonly Word[]): Kind<Word> {
  return {
    argument: words.join("|"),
    form: `one of ${words.join(", ")}`,
    parse: (text) => words.find((word) => word === text) ?? null,
    hint: (text) => suggestion(text, words),
  };
}

/** One or more of them, each once. */
export function someOf<const Word extends string>(...words: readonly Word[]): Kind<readonly Word[]> {
  const one = oneOf(...words);
  return {
    argument: "LIST",
    form: `some of ${words.join(", ")}, each once, with commas between them`,
    isList: true,
    parse(text) {
      const all = text.split(",");
      const known = all.map((word) => one.parse(word)).filter((word) => word !== null);
      return known.length === all.length && new Set(known).size === all.length ? known : null;
    },
    hint: (text) => suggestion(text.split(",").find((word) => one.parse(word) === null) ?? "", words),
  };
}

/** Without a value: it is there or it is not. */
export const flag: Kind<true> = { argument: null, form: "without a value", parse: () => true };

/** A name's last label is no number: anything else is a mistyped address (RFC 1123 2.1). */
const NAMED =
  /^((?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*(?!\d+:)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?):(\d{1,5})$/i;

/** Where a connection can go. */
export const place: Kind<Place> = {
  argument: "HOST:PORT",
  form: "a host and a port, like 127.0.0.1:25, [::1]:25 or mx.example.org:25",
  parse(text) {
    const [, host = "", port = ""] = NAMED.exec(text) ?? [];
    const found = parseEndpoint(text) ?? { host: host.toLowerCase(), port: Number(port) };
    return found.port > 0 && found.port <= 65_535 && found.host.length <= 253 ? found : null;
  },
};

/** Where something can listen. */
export const listening: Kind<Place> = {
  argument: "HOST:PORT",
  form: "an IP address and a port, like 127.0.0.1:2525 or [::1]:2525",
  parse: (text) => place.parse(text) && parseEndpoint(text),
};

/** Networks and single addresses, in their canonical form. */
export const networks: Kind<readonly string[]> = {
  argument: "LIST",
  form: "networks or addresses, like 203.0.113.0/24,2001:db8::/48",
  isList: true,
  parse(text) {
    const all = text.split(",").map((each) => Network.parse(each));
    const known = all.filter((each) => each !== null);
    if (known.length < all.length) return null;
    return known.map(({ address, length, isSingle }) =>
      isSingle ? address.text : `${address.text}/${length}`,
    );
  },
};

/** Hosts by name or address, as they were written. */
export const hosts: Kind<readonly string[]> = {
  argument: "HOST",
  form: "a host's name or address",
  isList: true,
  parse: (text) => (/^[\w.:-]+(?:,[\w.:-]+)*$/.test(text) ? text.toLowerCase().split(",") : null),
};

export const file: Kind<string> = {
  argument: "FILE",
  form: "the name of a file",
  parse: (text) => (text === "" ? null : text),
};

export const directory: Kind<string> = { ...file, argument: "DIRECTORY", form: "the name of a directory" };

/** Nothing, which is standard output, or a file. */
export const output: Kind<string> = {
  argument: "[FILE]",
  form: "the name of a file, or nothing",
  mayBeMissing: true,
  parse: (text) => text,
};

export const url: Kind<string> = {
  argument: "URL",
  form: "an address like http://127.0.0.1:9025/metrics",
  parse: (text) => (/^https?:$/.test(URL.parse(text)?.protocol ?? "") ? text : null),
};

/** In an envelope: nothing that ends the line or the angle brackets. RFC 5321 4.5.3.1.3 allows 254 and the brackets. */
export const mailbox: Kind<string> = {
  argument: "ADDRESS",
  form: "a mail address",
  parse: (text) => (/^[\x21-\x3b\x3d\x3f-\x7e]{1,254}$/.test(text) ? text : null),
};

/** A user's name, or a variable's: what SASL PLAIN can carry (RFC 4616 2), in a line. */
export const word: Kind<string> = {
  argument: "NAME",
  form: "1 to 255 printable characters",
  parse: (text) => (/^[^\x00-\x1f\x7f]{1,255}$/.test(text) ? text : null),
};

export const secret: Kind<string> = { ...word, argument: "WORD", isSecret: true };

/** The bytes in `text`, or null where it is no size. */
function parseSize(text: string): number | null {
  const [, digits, unit] = /^(\d{1,10})([kMG]?)$/.exec(text) ?? [];
  return unit === "" || unit === "k" || unit === "M" || unit === "G" ? Number(digits) * UNITS[unit] : null;
}

function within(value: number | null, min: number, max: number): number | null {
  return value !== null && value >= min && value <= max ? value : null;
}

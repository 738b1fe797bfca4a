/**
 * The kinds of values that settings have, each with its check and its message: durations, counts, names, addresses.
 *
 * A message never repeats the value: its place in the file is said anyway, and it may have come from the environment.
 */
import * as z from "zod";
import { Address, type Endpoint, Network, parseEndpoint } from "../address.ts";
import type { StockDestination } from "../observe/options.ts";
import { durationPattern, parseDuration } from "./units.ts";

/** Names become labels of metrics and parts of paths in messages. */
export const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, {
  error: "a name has up to 64 letters, digits, dots, dashes and underscores, a letter or digit first",
});

/** A DNS name, or an address; underscores are no rarity among the former. */
export const hostName = z.string().regex(/^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_])?$/, {
  error: "must be a host name",
});

/** Of a file. */
export const path = z.string().min(1);

/** What a header can carry (RFC 9110 5.5), so that a token or key that nobody can send is found now. */
export const SECRET_PATTERN = /^[\x21-\x7e]+$/;

export const secret = z.string().regex(SECRET_PATTERN, {
  error: "must be plain characters, without blanks",
});

export interface DurationRange {
  readonly min: string;
  readonly max: string;
  readonly says: string;
}

/** A duration with its unit; the result is in milliseconds. */
export function duration({ min, max, says }: DurationRange) {
  return z
    .string({ error: ({ input }) => (typeof input === "number" ? unitMissing : undefined) })
    .regex(durationPattern, {
      error: ({ input }) =>
        /^\d+$/.test(String(input)) ? unitMissing : "must be a duration, like 500ms, 60s, 5m or 2h",
    })
    .transform((text, context) => {
      const ms = parseDuration(text) ?? 0;
      if (ms < (parseDuration(min) ?? 0)) context.addIssue(`must be at least ${min}`);
      else if (ms > (parseDuration(max) ?? 0)) context.addIssue(`must be at most ${max}`);
      return ms;
    })
    .describe(`${says} From ${min} to ${max}.`);
}

/** The same from 0s on, and the number 0, which needs no unit to be understood. */
export function durationOrZero({ max, says }: Omit<DurationRange, "min">) {
  const written = duration({ min: "0s", max, says });
  return z.union([written, z.literal(0, { error: unitMissing })]).describe(written.description ?? says);
}

const unitMissing = "the unit is missing: a duration is written like 500ms, 60s, 5m or 2h";

/** The shared table counts in signed 32-bit words. */
export const COUNTER_MAX = 2 ** 31 - 1;

export interface CountRange {
  readonly min: number;
  readonly max: number;
  readonly says: string;
}

export function count({ min, max, says }: CountRange) {
  return z.int().min(min).max(max).describe(says);
}

const endpointForm = "must be an IP address and a port, like 192.0.2.1:25 or [2001:db8::1]:25";

/** An address to listen on; port 0 takes any free one. */
export const listenAddress = z.string().transform((text, context) => {
  const endpoint = canonical(text);
  if (endpoint !== null) return endpoint;
  context.addIssue(endpointForm);
  return z.NEVER;
});

/** An address to connect to, or a name that has some. */
export const serverAddress = z.string().transform((text, context) => {
  const endpoint = canonical(text) ?? named(text);
  if (endpoint !== null && endpoint.port !== 0) return endpoint;
  context.addIssue(
    "must be an IP address or a host name, and a port, like 192.0.2.1:25, [2001:db8::1]:25 or mail.example.org:25",
  );
  return z.NEVER;
});

/** A name is one whose last label is no number: anything else is a mistyped address (RFC 1123 2.1). */
function named(text: string): Endpoint | null {
  const [, host, port] =
    /^((?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*(?!\d+:)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?):(\d{1,5})$/i.exec(
      text,
    ) ?? [];
  if (host === undefined || host.length > 253 || Number(port) > 65_535) return null;
  return { host: host.toLowerCase(), port: Number(port) };
}

/** Where checks go: an address, or another port of each server. */
export const checkAddress = z.string().transform((text, context) => {
  const port = Number(/^:(\d{1,5})$/.exec(text)?.[1] ?? 0);
  const endpoint = port === 0 ? canonical(text) : { host: null, port };
  if (endpoint !== null && endpoint.port > 0 && endpoint.port <= 65535) return endpoint;
  context.addIssue(`${endpointForm}; or a port alone, like :25`);
  return z.NEVER;
});

const STOCK_FORM = "must be the path of a file, or udp:// and an IP address and a port";

/** A file, or whoever listens for syslog. What only looks like an address would become a file of an odd name. */
export const stockDestination = z.string().transform((text, context): StockDestination => {
  const udp = /^udp:\/\/(.*)$/.exec(text);
  const endpoint = udp === null ? null : canonical(udp[1]!);
  if (endpoint !== null && endpoint.port !== 0) return { kind: "udp", endpoint };
  if (text !== "" && text !== "stdout" && text !== "stderr" && !/^[a-z0-9]+:\/\//i.test(text)) {
    return { kind: "file", path: text };
  }
  context.addIssue(STOCK_FORM);
  return z.NEVER;
});

export const address = z.string().transform((text, context) => {
  const parsed = Address.parse(text);
  if (parsed !== null) return parsed.text;
  context.addIssue("must be an IP address");
  return z.NEVER;
});

export const network = z.string().refine((text) => Network.parse(text) !== null, {
  error: "must be a network or an address, like 10.0.20.0/24, 2001:db8::/32 or 192.0.2.1",
});

/** One text for each address: what an IPv4 address is inside `::ffff:` as well, is IPv4. */
function canonical(text: string): Endpoint | null {
  const endpoint = parseEndpoint(text);
  const address = endpoint === null ? null : Address.parse(endpoint.host);
  return endpoint === null || address === null ? null : { host: address.text, port: endpoint.port };
}
